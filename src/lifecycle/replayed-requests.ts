/**
 * Requests for an erasure as the journal knows them, in a restored database (ERASURE.md L2, S1): one that was open is open again, also
 * behind one that was taken back; one that was taken back since the backup is so again, and not carried out by the next sweep.
 */
import type { Row } from '../queryable';
import type { Fork, JournalEntry, JournalLine } from '../registers/journal';
import { endsRequest, isClosing, WITHDRAWN } from '../registers/requests';
import { isGivenUp } from '../registers/restore-watch';
import type { Engine } from './engine';
import type { KeysOfJournal } from './replayed-keys';

type Place = Pick<JournalEntry, 'act' | 'branch' | 'position' | 'link'>;
interface Asked extends Place {
  readonly subject?: string | undefined;
}

const AT_ONCE = 500;
const LOST = 'before the database was restored; the reason is lost, the journal does not hold it';

/** What others write to the ledger meanwhile is seen: a replay may run twice at once. */
const LOCK_HEAD = 'select from oubli.ledger_head for update';
const OPEN = `exists (
  select from oubli.ledger r where r.key_id = w.key_id and r.act = 'requested'
    and not exists (select from oubli.ledger e where ${endsRequest('e')}))`;
const OF_THIS_CHAIN = `exists (
  select from oubli.ledger_link k where k.position = w.position and encode(k.link, 'hex') = w.link)`;
const NOT_YET = `
select w.key_id, l.kind from unnest($1::bytea[], $2::bigint[], $3::text[]) w(key_id, position, link)
left join oubli.subject_link l on l.key_id = w.key_id where not ${OF_THIS_CHAIN} and not ${OPEN}`;
const STILL_OPEN = `
select w.key_id, l.kind from unnest($1::bytea[], $2::bigint[], $3::text[]) w(key_id, position, link)
join oubli.subject_link l on l.key_id = w.key_id where not ${OF_THIS_CHAIN} and ${OPEN}`;
const FORGET = `
delete from oubli.deferred_request d using oubli.subject_link l
where l.key_id = any($1::bytea[]) and d.kind = l.kind and d.subject_id = l.subject_id`;

export class RequestsOfJournal {
  /** How many were opened again, and how many taken back again. */
  requested = 0;
  withdrawn = 0;
  /** The last of each person and what ended one of hers last, by her key in hex. */
  private readonly asked = new Map<string, Asked>();
  private readonly ended = new Map<string, Place>();

  constructor(
    private readonly engine: Engine,
    private readonly keys: KeysOfJournal,
  ) {}

  /** Lines come in any order, and more than once. Who was erased is not to be asked about here: her key does not live. */
  async read(lines: AsyncIterable<JournalLine>): Promise<void> {
    for await (const line of lines) {
      if (line.is !== 'entry' || line.entry.key === null) continue;
      const { key, ...entry } = line.entry;
      if (entry.act === 'requested') keepLast(this.asked, key, entry);
      else if (isClosing(entry.act)) keepLast(this.ended, key, entry);
    }
  }

  /**
   * @param settled forks whose replay this database has behind it
   * @returns references, in hex, of those who asked and whose key this database never knew
   */
  async openAgain(settled: readonly Fork[]): Promise<string[]> {
    const sought: string[] = [];
    for (const some of parts([...this.asked].filter(([key, asked]) => !isBefore(asked, this.ended.get(key))))) {
      const named = some.map(([key, { subject }]) => ({ keyId: Buffer.from(key, 'hex'), subject }));
      const { living, unknown } = await this.keys.statesOf(named);
      for (const { keyId, subject } of unknown) {
        const asked = this.asked.get(Buffer.from(keyId).toString('hex')) as Asked;
        if (subject !== undefined && !isGivenUp(asked, settled)) sought.push(subject);
      }
      await this.write(NOT_YET, this.placed(living, this.asked), 'requested', `requested ${LOST}`);
    }
    return sought;
  }

  /** Of people who were found by reference: of their new keys the journal knows nothing. */
  async openFor(keyIds: readonly Uint8Array[]): Promise<void> {
    await this.write(NOT_YET, [keyIds, keyIds.map(() => 0), keyIds.map(() => '')], 'requested', `requested ${LOST}`);
  }

  /** Whose request this database holds to be open. What was closed because her row had left is: her row is back. */
  async withdrawAgain(): Promise<void> {
    const ended = [...this.ended].filter(([key, at]) => at.act === WITHDRAWN && isBefore(this.asked.get(key), at));
    for (const some of parts(ended)) {
      const { living } = await this.keys.statesOf(some.map(([key]) => ({ keyId: Buffer.from(key, 'hex') })));
      await this.write(STILL_OPEN, this.placed(living, this.ended), WITHDRAWN, `taken back ${LOST}`);
    }
  }

  private placed(living: readonly { readonly keyId: Uint8Array }[], from: ReadonlyMap<string, Place>): unknown[] {
    const places = living.map(({ keyId }) => from.get(Buffer.from(keyId).toString('hex')) as Place);
    return [living.map(({ keyId }) => keyId), places.map(({ position }) => position), places.map(({ link }) => link)];
  }

  private async write(which: string, of: readonly unknown[], act: string, because: string): Promise<void> {
    if ((of[0] as unknown[]).length === 0) return;
    const { database, ledger } = this.engine;
    await database.transaction(async (connection) => {
      await connection.query(LOCK_HEAD);
      const { rows } = await connection.query(which, [...of]);
      if (rows.length === 0) return;
      if (act === WITHDRAWN) await connection.query(FORGET, [rows.map(({ key_id }) => key_id)]);
      const entries = rows.map((row) => ({ act, keyId: row.key_id as Buffer, because, details: detailsOf(row) }));
      await ledger.record(connection, entries);
      if (act === WITHDRAWN) this.withdrawn += rows.length;
      else this.requested += rows.length;
    });
  }
}

function detailsOf({ kind }: Row): object {
  return typeof kind === 'string' ? { kind } : {};
}

function keepLast<P extends Place>(places: Map<string, P>, key: string, place: P): void {
  if (isBefore(places.get(key), place)) places.set(key, place);
}

/** A branch begins behind what it gave up, so whatever is in it came later. */
function isBefore(one: Place | undefined, other: Place | undefined): boolean {
  if (!other) return false;
  if (!one) return true;
  return one.branch < other.branch || (one.branch === other.branch && one.position < other.position);
}

function* parts<T>(all: readonly T[]): Generator<T[]> {
  for (let at = 0; at < all.length; at += AT_ONCE) yield all.slice(at, at + AT_ONCE);
}
