/**
 * Which keys that were replaced have values left, as of one moment: what is copied from one table to another stands in one of them. A table
 * that is rewritten or truncated meanwhile would look empty to a view of the database from before (PostgreSQL manual, "Caveats" of MVCC), so
 * each is locked against that before the view is taken.
 */
import type { Queryable } from '../../queryable';
import { retried } from '../database';
import type { Engine } from '../engine';
import { keyIdsIn } from '../sealed-places';
import { hexOf } from '../shredded';
import { fromTable, type StoredTable, storedTables } from './stored';

/** What is remembered of those that are used, at once. */
const MOST = 50_000;
const ANY_REPLACED = 'select exists (select from oubli.subject_key where successor is not null) as found';
/** A table was dropped since the list was read. */
const GONE = new Set(['42P01', '3F000']);

export interface Uses {
  /** Hex: keys that were replaced, and have values. */
  readonly used: ReadonlySet<string>;
  /** Whether there are more of them than are remembered. */
  readonly isMore: boolean;
  /** Where such values stand that are not sealed anew there. */
  readonly stays: readonly StoredTable[];
}

/** Whether values may be left under keys that were replaced. */
export async function isAnyReplaced({ database }: Engine): Promise<boolean> {
  const [row] = (await database.alone((connection) => connection.query(ANY_REPLACED))).rows;
  return row?.found === true;
}

export async function usesOf(engine: Engine): Promise<Uses> {
  for (;;) {
    const uses = await retried(() => lookedAt(engine));
    if (uses) return uses;
  }
}

/** @returns undefined where tables came or left since they were locked */
async function lookedAt({ database }: Engine): Promise<Uses | undefined> {
  const known = await database.alone(storedTables);
  try {
    return await database.snapshot(async (snapshot) => {
      await lock(snapshot, known);
      const tables = await storedTables(snapshot); // the view of the database is that of this statement
      const names = new Set(known.map(({ name }) => name));
      return tables.every(({ name }) => names.has(name)) ? usedInAll(snapshot, tables) : undefined;
    });
  } catch (error) {
    if (GONE.has(String((error as { code?: unknown }).code))) return undefined;
    throw error;
  }
}

/** PostgreSQL locks tables alone so; a materialised view that was refreshed shows what is in it now to everybody. */
async function lock(snapshot: Queryable, tables: readonly StoredTable[]): Promise<void> {
  const lockable = tables.filter(({ stays }) => stays !== 'view' && stays !== 'elsewhere');
  const names = [...new Set(lockable.map(({ name }) => `only ${name}`))];
  if (names.length > 0) await snapshot.query(`lock table ${names.join(', ')} in access share mode`);
}

async function usedInAll(snapshot: Queryable, tables: readonly StoredTable[]): Promise<Uses> {
  const used = new Set<string>();
  const stays: StoredTable[] = [];
  let isMore = false;
  for (const table of tables) {
    const { rows } = await snapshot.query(`${usedIn(table)} limit ${MOST + 1}`);
    if (table.stays && rows.length > 0) stays.push(table);
    for (const { key_id } of rows) if (used.size < MOST) used.add(hexOf(key_id as Uint8Array));
    isMore ||= rows.length > 0 && used.size >= MOST;
  }
  return { used, isMore, stays };
}

/** Which keys that were replaced have values in a table. */
export function usedIn(table: StoredTable): string {
  return `
select distinct k.key_id from ${fromTable(table, 't')} cross join lateral (${keyIdsIn(table.columns)}) v(key_id)
join oubli.subject_key k on k.key_id = v.key_id where k.successor is not null`;
}
