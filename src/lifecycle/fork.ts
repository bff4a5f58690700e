/**
 * Where a restored database's chain goes on (ERASURE.md S1): what the journal knows behind the last position that both have is given up,
 * under a branch number of its own, named in the chain itself and, when the replay is verified, in the journal.
 */
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable } from '../queryable';
import type { Fork, Journal } from '../registers/journal';
import type { Ledger } from '../registers/ledger';
import { isGivenUp, oursIn } from '../registers/restore-watch';

/** What the journal knows and the database does not. */
export interface Divergence {
  /** The last position of which both have the same link. */
  readonly after: number;
  /** How far the journal goes behind it, by branch; empty where nothing was lost. */
  readonly lost: readonly { readonly branch: number; readonly position: number }[];
  /** The number under which the chain goes on. */
  readonly branch: number;
  /** What was lost, by act. */
  readonly acts: Readonly<Record<string, number>>;
}

interface Place {
  readonly branch: number;
  readonly position: number;
  readonly act: string;
}

const BATCH = 1000;
const KNOWN = `
select w.position from unnest($1::bigint[], $2::text[]) w(position, link)
join oubli.ledger_link k on k.position = w.position and encode(k.link, 'hex') = w.link`;
const LOCK_HEAD = 'select from oubli.ledger_head for update';
const INSERT = 'insert into oubli.ledger_fork (branch, after) values ($1, $2) on conflict do nothing returning branch';

/** @param snapshot one view of the database */
export async function divergence(
  snapshot: Queryable,
  journal: Journal,
  keys: LedgerKeys,
  instance: Uint8Array,
): Promise<Divergence> {
  const forks: Fork[] = [];
  const unknown: Place[] = [];
  let after = 0;
  let branch = 0;
  for await (const lines of batches(oursIn(journal, keys, instance), BATCH)) {
    for (const line of lines) if (line.is === 'fork') forks.push(line.fork);
    const entries = lines.flatMap((line) => (line.is === 'entry' ? [line.entry] : []));
    const { rows } = await snapshot.query(KNOWN, [
      entries.map(({ position }) => position),
      entries.map(({ link }) => link),
    ]);
    const known = new Set(rows.map(({ position }) => Number(position)));
    after = Math.max(after, ...known);
    branch = Math.max(branch, ...entries.map((entry) => entry.branch));
    unknown.push(...entries.filter(({ position }) => !known.has(position)));
  }
  const begun = await begunFork(snapshot, forks);
  const goesOn = begun && !unknown.some((place) => place.branch >= begun.branch);
  const point = goesOn ? begun : { branch: Math.max(branch, ...forks.map((fork) => fork.branch)) + 1, after };
  const lost = unknown.filter((place) => place.position > point.after && !isGivenUp(place, forks));
  return { ...point, lost: lost.length === 0 ? [] : endsOf(unknown, point.after), acts: countsOf(lost) };
}

/** One that a replay named in the chain before it was interrupted: the journal has not heard of it. */
async function begunFork(
  snapshot: Queryable,
  forks: readonly Fork[],
): Promise<{ branch: number; after: number } | undefined> {
  const [last] = (await snapshot.query('select branch, after from oubli.ledger_fork order by branch desc limit 1'))
    .rows;
  if (!last || forks.some(({ branch }) => branch === Number(last.branch))) return undefined;
  return { branch: Number(last.branch), after: Number(last.after) };
}

/** With what earlier forks gave up: this database may not know of those forks either. */
function endsOf(unknown: readonly Place[], after: number): Divergence['lost'] {
  const ends = new Map<number, number>();
  for (const { branch, position } of unknown)
    if (position > after) ends.set(branch, Math.max(position, ends.get(branch) ?? 0));
  return [...ends].map(([branch, position]) => ({ branch, position }));
}

function countsOf(lost: readonly Place[]): Record<string, number> {
  const acts: Record<string, number> = {};
  for (const { act } of lost) acts[act] = (acts[act] ?? 0) + 1;
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
