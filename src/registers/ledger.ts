/**
 * The one way into the ledger: entries are written and linked into its chain in the transaction that does what they speak of
 * (ERASURE.md L1). PostgreSQL refuses to commit an entry without a link.
 *
 * The chain's end is locked last, for one round trip and the commit, so that workers wait for each other no longer than that.
 */
import { byteaArray } from '../bytea-array';
import { TamperedError } from '../errors';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable, Row } from '../queryable';
import { genesis, linkOf } from './link';
import type { OwnJournal } from './own-journal';
import { refuseWithoutJournal } from './remembered-journal';
import type { RestoreWatch } from './restore-watch';

export interface LedgerEntry {
  readonly act: string;
  /** Of whom it speaks, if of somebody. */
  readonly keyId?: Uint8Array | undefined;
  /** The human reason. */
  readonly because: string;
  /** Names and counts; nothing personal. */
  readonly details?: object;
}

const WRITE = `
insert into oubli.ledger as l (act, key_id, because, details)
select act, key_id, because, details::jsonb
from unnest($1::text[], $2::bytea[], $3::text[], $4::text[]) with ordinality w(act, key_id, because, details, place)
order by place returning l.entry, oubli.ledger_text(l) as text`;

const TEXTS = `
select l.entry, oubli.ledger_text(l) as text from oubli.ledger l where l.entry = any($1::bigint[]) order by l.entry`;

/** What was written before there was a chain goes with the first entries that are linked. */
const ALL_TEXTS = 'select l.entry, oubli.ledger_text(l) as text from oubli.ledger l order by l.entry';

const LOCK_HEAD = `
select h.position, h.link, (select k.link from oubli.ledger_link k where k.position = $1) as seen
from oubli.ledger_head h for update of h`;

const LINK = `
with linked as (
  insert into oubli.ledger_link (position, entry, link, mac)
  select $1::bigint + place, entry, link, mac
  from unnest($2::bigint[], $3::bytea[], $4::bytea[]) with ordinality w(entry, link, mac, place))
update oubli.ledger_head set position = $1::bigint + cardinality($2::bigint[]), link = $5
returning (select t.journal from oubli.ledger_told t) as journal, (select t.begun from oubli.ledger_told t) as begun`;

export class Ledger {
  /** Where entries were linked whose commit the journal has not heard of. */
  private readonly untold = new WeakSet<Queryable>();

  /**
   * @param journal which this process tells; where there is none, or another than the database remembers, nothing is written
   * @param watch where there is a journal: nothing is linked to a chain that was restored
   */
  constructor(
    private readonly keys: LedgerKeys,
    private readonly instance: Uint8Array,
    readonly journal: OwnJournal | undefined,
    private readonly watch?: RestoreWatch,
  ) {}

  /**
   * Writes entries and links them, as late in the transaction as its caller can: nobody else writes to the ledger until it ends.
   *
   * @returns their numbers, in order
   * @example await ledger.record(connection, [{ act: 'held', keyId, because: 'case 12/2026' }]);
   */
  async record(connection: Queryable, entries: readonly LedgerEntry[]): Promise<string[]> {
    const { rows } = await connection.query(WRITE, [
      entries.map(({ act }) => act),
      byteaArray(entries.map(({ keyId }) => keyId ?? null)),
      entries.map(({ because }) => because),
      entries.map(({ details }) => JSON.stringify(details ?? {})),
    ]);
    const numbers = rows.map((row) => String(row.entry));
    await this.chain(connection, numbers, rows);
    return numbers;
  }

  /**
   * Links entries that a statement of its own has inserted in this transaction.
   *
   * @param entries their numbers, as the statement returned them
   * @param texts the same with `oubli.ledger_text`, where the statement has returned it
   * @throws TamperedError when the chain has lost its end; RestoreReplayRequiredError when it is not the one it was
   * @throws ConfigurationError JOURNAL_NOT_GIVEN; JournalError JOURNAL_REPLACED
   */
  async chain(connection: Queryable, entries: readonly unknown[], texts?: readonly Row[]): Promise<void> {
    if (entries.length === 0) return;
    const mine = texts ?? (await connection.query(TEXTS, [entries.map(String)])).rows;
    const seen = this.watch?.seen; // while the lock is waited for, another request of this process may see more
    const [head] = (await connection.query(LOCK_HEAD, [seen?.position ?? 0])).rows;
    if (!head) throw new TamperedError('LEDGER_HEAD_MISSING');
    this.watch?.refuseBehind(seen, Number(head.position), head.seen as Uint8Array | null);
    const linking = String(head.position) === '0' ? (await connection.query(ALL_TEXTS)).rows : mine;
    const links = this.linksOf(linking, (head.link as Uint8Array | null) ?? genesis(this.instance));
    const linked = await connection.query(LINK, [
      head.position,
      linking.map(({ entry }) => entry),
      byteaArray(links),
      byteaArray(links.map((link) => this.keys.mac(link))),
      links.at(-1),
    ]);
    // asked behind the lock: a journal that was begun anew is named in the chain before this
    this.refuseOtherJournal(linked.rows[0] as Row);
    this.untold.add(connection);
  }

  /** Whether entries were linked in this transaction; they are for the journal, once they are committed. */
  hasNews(connection: Queryable): boolean {
    return this.untold.has(connection);
  }

  private refuseOtherJournal(told: Row): void {
    if (this.journal) this.journal.refuseReplaced(told);
    else refuseWithoutJournal(told.journal);
  }

  private linksOf(texts: readonly Row[], end: Uint8Array): Buffer[] {
    let previous = end;
    return texts.map(({ text }) => {
      const link = linkOf(previous, String(text));
      previous = link;
      return link;
    });
  }
}
