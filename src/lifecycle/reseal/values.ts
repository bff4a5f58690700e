/**
 * Seals values anew whose key has a successor, some blocks of a table at a time, each in a transaction of its own: read and locked, opened,
 * sealed under the successor, written where they were. Whatever somebody else has locked is left for the next pass. The blind index and the
 * search tokens of a value stay, so it is found as before. All values of such a row are sealed anew together: an index over several columns
 * would be left behind otherwise.
 */
import { byteaArray } from '../../bytea-array';
import { isEnvelope, keyIdOf } from '../../crypto/envelope';
import { AnnotationError, TamperedError } from '../../errors';
import { KeyCache } from '../../keyring/key-cache';
import type { KeyState, SubjectKey } from '../../keyring/subject-keys';
import { type Queryable, quoteIdentifier as q, type Row } from '../../queryable';
import { beginErrand, endErrand } from '../../registers/errand';
import { retried } from '../database';
import type { Engine } from '../engine';
import { keyIdsIn } from '../sealed-places';
import { APPLICATION_NAME } from '../strain';
import { fromTable, type StoredTable } from './stored';

/** Some 1,000 rows. */
export const BLOCKS = 16;
/** What it writes means the same as before: also where it is held, restricted, or kept of somebody who was erased. */
const RESEALING = 'insert into oubli.resealing default values';
const RESEALED = 'delete from oubli.resealing where transaction = pg_catalog.pg_current_xact_id()';
const SUCCESSORS = 'select key_id, successor from oubli.subject_key where key_id = any($1::bytea[])';

export interface ResealedChunk {
  readonly rows: number;
  /** Rows with a value that cannot be opened, for it was changed. */
  readonly damaged: number;
  /** Rows that a trigger of the team's kept as they were. */
  readonly kept: number;
}

/** @throws AnnotationError RESEAL_WAITS; KeyUnavailableError EPOCH_KEY_MISSING; what a trigger of the team's raises */
export async function resealBlocks(engine: Engine, table: StoredTable, from: number): Promise<ResealedChunk> {
  const settings = { application_name: APPLICATION_NAME };
  return retried(() =>
    engine.database.transaction(async (connection) => {
      const { rows } = await connection.query(affectedRows(table), [`(${from},0)`, `(${from + BLOCKS},0)`]);
      if (rows.length === 0) return { rows: 0, damaged: 0, kept: 0 };
      refuseWaiting(rows, table);
      const keys = await keysOf(engine, connection, rows, table);
      const sealed = rows.map((row) => sealedAnew(engine, table, row, keys));
      const whole = rows.flatMap((row, i) => (sealed[i] ? [{ at: row.at, values: sealed[i] }] : []));
      const written = whole.length > 0 ? await write(connection, table, whole) : 0;
      return { rows: written, damaged: rows.length - whole.length, kept: whole.length - written };
    }, settings),
  );
}

/** `offset 0`: each key is looked up, whatever the planner thinks of how many were replaced. */
export function affectedRows(table: StoredTable): string {
  const values = table.columns.map(({ name }, i) => `t.${q(name)}::bytea as c${i}`).join(', ');
  return `
select t.ctid::text as at, ${values} from ${fromTable(table, 't')}
where t.ctid >= $1::tid and t.ctid < $2::tid
  and exists (select from (
    select k.successor from oubli.subject_key k where k.key_id = any(array(${keyIdsIn(table.columns)})) offset 0) k where k.successor is not null)
for update of t skip locked`;
}

/** What is to be sealed for the first time, beside such a value: the column's type would take it only sealed. */
function refuseWaiting(rows: readonly Row[], table: StoredTable): void {
  const waits = rows.some((row) => valuesIn(row, table).some((bytes) => bytes && !isEnvelope(bytes)));
  if (waits) throw new AnnotationError('RESEAL_WAITS', { table: table.name });
}

interface Keys {
  readonly stateOf: (keyId: Uint8Array) => KeyState | undefined;
  /** Under which one a value is sealed that is under this one now. */
  readonly nextOf: (keyId: Uint8Array | undefined) => SubjectKey | undefined;
}

/** Asked again behind the locks. A value of a key that is no more stays as it is. */
async function keysOf(
  { keys }: Engine,
  connection: Queryable,
  rows: readonly Row[],
  table: StoredTable,
): Promise<Keys> {
  const named = new Map<string, Uint8Array>();
  for (const row of rows) for (const keyId of valuesIn(row, table).map(keyIn)) if (keyId) note(named, keyId);
  const found = (await connection.query(SUCCESSORS, [byteaArray([...named.values()])])).rows;
  const next = new Map<string, string>();
  const wanted = new Map<string, Uint8Array>();
  for (const { key_id, successor } of found) {
    const target = (successor ?? key_id) as Uint8Array;
    note(wanted, key_id as Uint8Array);
    note(wanted, target);
    next.set(KeyCache.nameOf(key_id as Uint8Array), KeyCache.nameOf(target));
  }
  const states = await keys.byId(wanted.values());
  return {
    stateOf: (keyId) => states.get(KeyCache.nameOf(keyId)),
    nextOf: (keyId) => {
      const state = keyId && states.get(next.get(KeyCache.nameOf(keyId)) ?? '');
      return typeof state === 'object' ? state : undefined;
    },
  };
}

function note(ids: Map<string, Uint8Array>, keyId: Uint8Array): void {
  ids.set(KeyCache.nameOf(keyId), keyId);
}

function valuesIn(row: Row, { columns }: StoredTable): (Uint8Array | null)[] {
  return columns.map((_, i) => row[`c${i}`] as Uint8Array | null);
}

/** Nobody's in what waits to be sealed for the first time. */
function keyIn(bytes: Uint8Array | null): Uint8Array | undefined {
  return bytes && isEnvelope(bytes) ? keyIdOf(bytes) : undefined;
}

/** @returns undefined where one of its values cannot be opened: it must not keep the others under the old key */
function sealedAnew(
  { sealer }: Engine,
  table: StoredTable,
  row: Row,
  { stateOf, nextOf }: Keys,
): (Uint8Array | null)[] | undefined {
  const values = valuesIn(row, table);
  const sealed = [...values];
  const targets = values.map((bytes) => nextOf(keyIn(bytes)));
  try {
    for (const key of new Set(targets)) {
      if (!key) continue;
      const hers = values.map((bytes, i) => ({
        element: { id: table.columns[i]?.element as number },
        bytes: targets[i] === key ? bytes : null,
      }));
      for (const [i, value] of sealer.resealRow(key, hers, stateOf).entries()) if (value) sealed[i] = value;
    }
    return sealed;
  } catch (error) {
    if (error instanceof TamperedError) return undefined; // its table is reported
    throw error;
  }
}

/** @returns how many rows have what was written: a trigger of the team's may have kept the others as they were */
async function write(
  connection: Queryable,
  table: StoredTable,
  rows: readonly { at: unknown; values: readonly (Uint8Array | null)[] }[],
): Promise<number> {
  const names = table.columns.map((_, i) => `c${i}`);
  const arrays = names.map((_, i) => `$${i + 2}::bytea[]`).join(', ');
  const sets = table.columns.map(({ name }, i) => `${q(name)} = v.c${i}`).join(', ');
  const isWritten = table.columns
    .map(({ name }, i) => `t.${q(name)}::bytea is not distinct from v.c${i}`)
    .join(' and ');
  await beginErrand(connection);
  await connection.query(RESEALING);
  const [done] = (
    await connection.query(
      `
with written as (
  update ${fromTable(table, 't')} set ${sets} from unnest($1::tid[], ${arrays}) v(at, ${names.join(', ')}) where t.ctid = v.at
  returning ${isWritten} as anew)
select count(*) filter (where anew) as rows from written`,
      [rows.map(({ at }) => at), ...names.map((_, i) => byteaArray(rows.map(({ values }) => values[i] ?? null)))],
    )
  ).rows;
  await connection.query(RESEALED);
  await endErrand(connection);
  return Number(done?.rows);
}
