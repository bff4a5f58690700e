/**
 * Where a restored database's chain goes on (ERASURE.md S1): what the journal knows behind the last position that both have is given up,
 * under a branch number of its own, named in the chain itself and, when the replay is verified, in the journal.
 */
import { JournalError } from '../errors';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable } from '../queryable';
import type { Fork, Journal, JournalEntry, Lost } from '../registers/journal';
import { JournalCoverage } from '../registers/journal-coverage';
import type { Ledger } from '../registers/ledger';
import { isGivenUp, oursIn } from '../registers/restore-watch';
import { LostHolds } from './lost-holds';

/** What the journal knows and the database does not. */
export interface Divergence {
  /** The last position of which both have the same link. */
  readonly after: number;
  /** What is in the journal only, by branch; empty where nothing was lost. */
  readonly lost: readonly Lost[];
  /** The number under which the chain goes on. */
  readonly branch: number;
  /** What was lost, by act. */
  readonly acts: Readonly<Record<string, number>>;
  /** Whether a replay of this database was begun, and has not come to its end. */
  readonly begun: boolean;
  /** Forks whose replay this very database has behind it: whoever bears a name of theirs today is somebody else. */
  readonly settled: readonly Fork[];
  /** What stood by entries that were lost, and by none that the database has. */
  readonly holds: LostHolds;
}

const BATCH = 1000;
const KNOWN = `
select w.position, w.link from unnest($1::bigint[], $2::text[]) w(position, link)
join oubli.ledger_link k on k.position = w.position and encode(k.link, 'hex') = w.link`;
const LOCK_HEAD = 'select from oubli.ledger_head for update';
const INSERT = 'insert into oubli.ledger_fork (branch, after) values ($1, $2) on conflict do nothing returning branch';
const BEGUN = `
select branch, after from oubli.ledger_fork f
where not exists (select from oubli.ledger_replayed r where r.branch = f.branch) order by branch desc limit 1`;
const FORKS = 'select branch, after from oubli.ledger_fork';
const SETTLED = 'select branch from oubli.ledger_replayed';
const REPLAYED = 'insert into oubli.ledger_replayed select branch from oubli.ledger_fork on conflict do nothing';

/**
 * The journal is read, then the database asked for what was read: an entry is committed before its line is written, so what others write
 * meanwhile is known to both.
 *
 * @param connection each statement by itself, or of a transaction that sees what others commit
 * @throws JournalError JOURNAL_DAMAGED; TamperedError JOURNAL_FOREIGN
 */
export async function divergence(
  connection: Queryable,
  journal: Journal,
  keys: LedgerKeys,
  instance: Uint8Array,
): Promise<Divergence> {
  const forks: Fork[] = [];
  const unknown: JournalEntry[] = [];
  const coverage = new JournalCoverage();
  const holds = new LostHolds();
  let after = 0;
  let branch = 0;
  for await (const lines of batches(oursIn(journal, keys, instance), BATCH)) {
    for (const line of lines) {
      coverage.see(line);
      if (line.is === 'fork') forks.push(line.fork);
    }
    const entries = lines.flatMap((line) => (line.is === 'entry' ? [line.entry] : []));
    const known = await knownAmong(connection, entries);
    for (const entry of entries) {
      branch = Math.max(branch, entry.branch);
      if (known.has(placeOf(entry))) after = Math.max(after, entry.position);
      else unknown.push(entry);
      holds.see(entry);
    }
  }
  for (const { branch, after } of await forksOf(connection)) coverage.begins(branch, after);
  const [gap] = coverage.gaps();
  if (gap) throw new JournalError('JOURNAL_DAMAGED', { journal: journal.name, position: gap.first });
  const begun = await begunFork(connection);
  const goesOn = begun && !unknown.some((entry) => entry.branch >= begun.branch);
  const point = goesOn ? begun : { branch: Math.max(branch, ...forks.map((fork) => fork.branch)) + 1, after };
  const lost = unknown.filter((entry) => !isGivenUp(entry, forks));
  holds.keepThose(lost);
  const settled = await settledAmong(connection, forks);
  return { ...point, lost: partsOf(lost), acts: countsOf(lost), begun: begun !== undefined, settled, holds };
}

/** Of two branches that have the same position, the database has the link of one. */
async function knownAmong(connection: Queryable, entries: readonly JournalEntry[]): Promise<Set<string>> {
  const { rows } = await connection.query(KNOWN, [
    entries.map(({ position }) => position),
    entries.map(({ link }) => link),
  ]);
  return new Set(rows.map(({ position, link }) => placeOf({ position: Number(position), link: String(link) })));
}

function placeOf({ position, link }: Pick<JournalEntry, 'position' | 'link'>): string {
  return `${position} ${link}`;
}

async function forksOf(connection: Queryable): Promise<{ branch: number; after: number }[]> {
  const { rows } = await connection.query(FORKS);
  return rows.map(({ branch, after }) => ({ branch: Number(branch), after: Number(after) }));
}

/** One that a replay named in the chain before it was interrupted. */
async function begunFork(connection: Queryable): Promise<{ branch: number; after: number } | undefined> {
  const [last] = (await connection.query(BEGUN)).rows;
  return last && { branch: Number(last.branch), after: Number(last.after) };
}

/** A backup from before a fork knows nothing of its replay, and is to go through it again. */
async function settledAmong(connection: Queryable, forks: readonly Fork[]): Promise<Fork[]> {
  const branches = new Set((await connection.query(SETTLED)).rows.map(({ branch }) => Number(branch)));
  return forks.filter(({ branch }) => branches.has(branch));
}

/** A branch is in the database up to where it was left, and in the journal only from there on. */
function partsOf(lost: readonly JournalEntry[]): Lost[] {
  const parts = new Map<number, Lost>();
  for (const { branch, position } of lost) {
    const part = parts.get(branch) ?? { branch, after: position - 1, position };
    const after = Math.min(part.after, position - 1);
    parts.set(branch, { branch, after, position: Math.max(part.position, position) });
  }
  return [...parts.values()].sort((a, b) => a.branch - b.branch);
}

function countsOf(lost: readonly JournalEntry[]): Record<string, number> {
  const acts: Record<string, number> = {};
  const counted = new Set<string>();
  for (const entry of lost) {
    if (counted.has(placeOf(entry))) continue; // what was told twice
    counted.add(placeOf(entry));
    acts[entry.act] = (acts[entry.act] ?? 0) + 1;
  }
  return acts;
}

/** Names the fork in the chain, once: a replay that was interrupted goes on under its number. */
export async function nameFork(connection: Queryable, ledger: Ledger, found: Divergence): Promise<void> {
  await connection.query(LOCK_HEAD);
  const { rows } = await connection.query(INSERT, [found.branch, found.after]);
  if (rows.length === 0) return;
  const { branch, after, lost, acts } = found;
  const because = 'the journal knows entries that this database does not: it was restored, or its ledger rewritten';
  await ledger.record(connection, [{ act: 'restored', because, details: { branch, after, lost, acts } }]);
}

/** The journal knows of every fork: from here on the database is served again. */
export async function endFork(connection: Queryable): Promise<void> {
  await connection.query(REPLAYED);
}

/** So many at a time. */
export async function* batches<T>(all: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const each of all) {
    batch.push(each);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
