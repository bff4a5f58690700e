/**
 * The journal that this process tells, and whether the database still means it (ERASURE.md S1): whoever goes on with one in whose place
 * another was begun would write where nobody looks after a restore. Where it is kept is known by its name alone, which is another for each
 * mount; so a process is told apart by how many had been begun when it compared its own, and one that was begun anew under its
 * name is its own.
 */
import { JournalError } from '../errors';
import type { Queryable, Row } from '../queryable';

/** Where another process gave it another name, by its own mount, the last one stands: it is for people to read. */
const REMEMBER = `
update oubli.ledger_told set journal = $1 where journal is distinct from $1 and begun = coalesce($2, begun)`;

export class OwnJournal {
  private begun: number | undefined;

  constructor(readonly name: string) {}

  /** The database remembers that it has a journal. */
  async remember(connection: Queryable): Promise<void> {
    await connection.query(REMEMBER, [this.name, this.begun ?? null]);
  }

  /** It was compared with the database as it is: a restored one may be of a day when fewer had been begun. */
  isOf({ begun }: Row): void {
    this.begun = Number(begun);
  }

  /**
   * @param told `journal` and `begun` of what the database remembers
   * @throws JournalError JOURNAL_REPLACED
   */
  refuseReplaced({ journal, begun }: Row): void {
    const now = Number(begun);
    this.begun ??= now;
    if (now <= this.begun) return;
    if (journal !== this.name) throw this.replaced(journal);
    this.begun = now;
  }

  /** At start, where a new one has not been told anything yet. @throws JournalError JOURNAL_REPLACED */
  refuseBesideNew(told: Row): void {
    this.refuseReplaced(told);
    if (Number(told.begun) > 0 && Number(told.position) === 0 && told.journal !== this.name)
      throw this.replaced(told.journal);
  }

  private replaced(other: unknown): JournalError {
    return new JournalError('JOURNAL_REPLACED', { journal: this.name, other: String(other) });
  }
}
