/**
 * Tells the journal what the ledger has: after each commit, by whichever process; and what a crash left out, by the next one. It
 * goes on behind what was told last, so nothing is left out, and what is told twice is the same line (ERASURE.md L1, S1).
 */
import { JournalError } from '../errors';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable, Row, Settings } from '../queryable';
import { caseReference, checkpointLine, entryLine, type Journal, type JournalEntry } from './journal';
import type { Ledger } from './ledger';

export interface Transactions {
  /** @param settings PostgreSQL's, for as long as it lasts */
  transaction<T>(work: (connection: Queryable) => Promise<T>, settings?: Settings): Promise<T>;
}

export interface Telling {
  readonly database: Transactions;
  readonly keys: LedgerKeys;
  /** 16 bytes. */
  readonly instance: Uint8Array;
  readonly journal: Journal;
}

const PAGE = 1000;
/** A checkpoint at least so often (ERASURE.md L1), while anything is written. */
const CHECKPOINT_ENTRIES = 1000;
/** Acts after which somebody may have to be found in a database that never knew her key. */
const NAMED = `'requested', 'erased', 'hold placed', 'restricted'`;
const LOCK = `
select position, checkpoint_position, (extract(epoch from oubli.now()) * 1000000)::bigint as now,
  coalesce(checkpoint_at <= oubli.now() - interval '5 minutes', true) as due
from oubli.ledger_told for update`;
const UNTOLD = `
select k.position, k.entry, encode(k.link, 'hex') as link, coalesce(l.act, 'deleted') as act,
  coalesce(extract(epoch from l.at) * 1000000, 0)::bigint as at, encode(l.key_id, 'hex') as key,
  (select coalesce(max(f.branch), 0) from oubli.ledger_fork f where f.after < k.position) as branch,
  encode(f.subject_reference, 'hex') as subject, s.kind, s.subject_id,
  case when l.act in ('hold placed', 'hold released') then l.details ->> 'case' end as case_name
from oubli.ledger_link k left join oubli.ledger l on l.entry = k.entry
left join oubli.fence f on f.key_id = l.key_id and l.act in (${NAMED})
left join oubli.subject_link s on s.key_id = l.key_id and l.act in (${NAMED})
where k.position > $1 order by k.position limit ${PAGE}`;
const TOLD = `
update oubli.ledger_told set position = $1, checkpoint_position = coalesce($2, checkpoint_position),
  checkpoint_at = case when $2::bigint is null then checkpoint_at else oubli.now() end`;

export class Teller {
  private running: Promise<void> = Promise.resolve();
  private waiting: Promise<void> | undefined;

  constructor(private readonly telling: Telling) {}

  /**
   * Resolves when all that was committed before the call is in the journal. Calls that come while one is under way share the next.
   * @throws JournalError JOURNAL_NOT_WRITTEN: what was done is done, and told by whoever tells next
   */
  tell(): Promise<void> {
    this.waiting ??= this.after(this.running);
    return this.waiting;
  }

  private async after(running: Promise<void>): Promise<void> {
    await running.catch(() => undefined); // whoever asked for it saw the error
    const work = this.tellAll();
    this.running = work;
    this.waiting = undefined;
    return work;
  }

  private async tellAll(): Promise<void> {
    while (await this.telling.database.transaction((connection) => this.tellPage(connection)));
  }

  /** @returns whether there may be more */
  private async tellPage(connection: Queryable): Promise<boolean> {
    const [told] = (await connection.query(LOCK)).rows as [Row];
    const entries = (await connection.query(UNTOLD, [told.position])).rows.map((row) => this.entryFrom(row));
    const last = entries.at(-1) ?? (await this.unsigned(connection, told));
    if (!last) return false;
    const lines = entries.map((entry) => entryLine(this.telling.keys, entry));
    const isSigned = this.isDue(told, last);
    if (isSigned) lines.push(this.checkpoint(last, String(told.now)));
    await this.append(lines);
    await connection.query(TOLD, [last.position, isSigned ? last.position : null]);
    return entries.length === PAGE;
  }

  /** What was told last, where no checkpoint came after it and one is due. */
  private async unsigned(connection: Queryable, told: Row): Promise<JournalEntry | undefined> {
    const position = Number(told.position);
    if (position === Number(told.checkpoint_position) || told.due !== true) return undefined;
    const [row] = (await connection.query(UNTOLD, [position - 1])).rows;
    return row && this.entryFrom(row);
  }

  private entryFrom(row: Row): JournalEntry {
    const { keys } = this.telling;
    const { kind, subject_id: id, case_name: name } = row;
    const subject = row.subject ?? (kind === null ? null : keys.referenceOf(String(kind), String(id)).toString('hex'));
    return {
      branch: Number(row.branch),
      position: Number(row.position),
      entry: String(row.entry),
      at: String(row.at),
      act: String(row.act),
      key: row.key as string | null,
      link: String(row.link),
      ...(subject === null ? {} : { subject: String(subject) }),
      ...(name === null ? {} : { case: caseReference(keys, String(name)) }),
    };
  }

  private isDue(told: Row, { position }: JournalEntry): boolean {
    return told.due === true || position - Number(told.checkpoint_position) >= CHECKPOINT_ENTRIES;
  }

  private checkpoint({ branch, position, link }: JournalEntry, at: string): string {
    const instance = Buffer.from(this.telling.instance).toString('hex');
    return checkpointLine(this.telling.keys, { instance, branch, position, link, at });
  }

  private async append(lines: readonly string[]): Promise<void> {
    const { journal } = this.telling;
    try {
      await journal.append(lines);
    } catch (error) {
      throw new JournalError('JOURNAL_NOT_WRITTEN', { journal: journal.name, why: (error as { code?: string }).code });
    }
  }
}

export interface Journaled extends Transactions {
  /** Tells what a crash left out. @throws JournalError */
  catchUp(): Promise<void>;
}

/** Transactions after which the journal is told what they wrote to the ledger, before anybody hears that they are done. */
export function journaled(database: Transactions, ledger: Ledger, telling: Omit<Telling, 'database'>): Journaled {
  const teller = new Teller({ ...telling, database });
  return {
    transaction: async (work, settings) => {
      const result = await database.transaction(work, settings);
      if (ledger.takeNews()) await teller.tell();
      return result;
    },
    catchUp: () => teller.tell(),
  };
}

/** The same where nothing is kept outside. */
export function notJournaled(database: Transactions): Journaled {
  return { transaction: (...asked) => database.transaction(...asked), catchUp: async () => undefined };
}
