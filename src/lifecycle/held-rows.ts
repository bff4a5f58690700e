/** Single rows that a case holds: locked, so that an erasure and the hold wait for one another, and named by their primary key. */
import type { Table } from '../catalogue/model';
import { ConfigurationError, SubjectLockedError } from '../errors';
import type { Queryable } from '../queryable';
import { quoteIdentifier as q } from '../queryable';
import { isLocked, isRace, retried } from './database';
import type { Engine } from './engine';
import { holderOf, underTriggers } from './held-tables';
import { writeEntry } from './hold-ledger';
import { rootType } from './root';

/** Rows by their primary key; of a key over several columns, an object of them. */
export interface HeldRows {
  readonly table: string;
  readonly rows: readonly (string | number | bigint | Readonly<Record<string, string | number | bigint>>)[];
}

const HOLD_ROWS = `
with placed as (
  insert into oubli.held_row (rel, row_key, case_id)
  select $1::bigint::oid, array(select jsonb_array_elements_text(w.key)), $3 from jsonb_array_elements($2::jsonb) w(key)
  on conflict do nothing returning 1)
select count(*) as placed from placed`;

/** @returns how many rows the case did not hold before */
export async function holdRows(
  engine: Engine,
  { id, name }: { readonly id: number; readonly name: string },
  named: Table,
  wanted: HeldRows['rows'],
  stands: (connection: Queryable) => Promise<unknown>,
): Promise<number> {
  const table = await topmost(engine, named);
  if (table.primaryKey.length === 0) throw new ConfigurationError('HOLD_WITHOUT_KEY', { table: table.displayName });
  const keys = keysOf(table, wanted);
  const work = (demand: (connection: Queryable) => Promise<void>) =>
    retried(() =>
      engine.database.transaction(async (connection) => {
        await connection.query(`select set_config('lock_timeout', '5s', true)`);
        await demand(connection);
        const found = (await connection.query(lockRows(table), keys)).rows.map((row) => row.key);
        const gone = (keys[0]?.length ?? 0) - found.length;
        if (gone > 0) throw new ConfigurationError('HOLD_ROWS_GONE', { table: table.displayName, count: gone });
        await stands(connection);
        const { rows } = await connection.query(HOLD_ROWS, [table.oid, JSON.stringify(found), id]);
        const placed = Number(rows[0]?.placed);
        const details = { case: name, table: table.displayName, rows: placed };
        if (placed > 0) await writeEntry(engine, connection, { act: 'hold placed', because: name, details });
        return placed;
      }),
    );
  try {
    return await underTriggers(engine, [table], holderOf.case(id), work);
  } catch (error) {
    if (isLocked(error) || isRace(error)) throw new SubjectLockedError('HOLD_BUSY', { table: table.displayName });
    throw error;
  }
}

/** A partition's rows are rows of its table, by whose name an erasure finds them. */
async function topmost({ database, catalogue }: Engine, table: Table): Promise<Table> {
  const sql = 'select oubli.topmost($1::bigint::oid)::oid::int8 as rel';
  const [row] = await database.transaction(async (connection) => (await connection.query(sql, [table.oid])).rows);
  return catalogue.table(Number(row?.rel)) ?? table;
}

/** One array of texts for each column of the key; each row once. */
function keysOf(table: Table, wanted: HeldRows['rows']): string[][] {
  const refuse = () =>
    new ConfigurationError('BAD_HOLD', { option: 'rows', table: table.displayName, key: table.primaryKey.join(', ') });
  const tuples = new Map<string, string[]>();
  for (const each of wanted ?? []) {
    const tuple = table.primaryKey.map((name) => (typeof each === 'object' ? each?.[name] : each));
    if (tuple.some((part) => part === undefined) || (typeof each !== 'object' && tuple.length > 1)) throw refuse();
    tuples.set(JSON.stringify(tuple.map(String)), tuple.map(String));
  }
  if (tuples.size === 0) throw refuse();
  return table.primaryKey.map((_, i) => [...tuples.values()].map((tuple) => tuple[i] as string));
}

function lockRows(table: Table): string {
  const types = table.primaryKey.map((name) => rootType({ root: table, rootColumn: name }));
  const arrays = types.map((type, i) => `$${i + 1}::text[]::${type}[]`).join(', ');
  const names = types.map((_, i) => `k${i}`);
  const is = table.primaryKey.map((name, i) => `t.${q(name)} = w.${names[i]}`).join(' and ');
  const key = table.primaryKey.map((name) => `t.${q(name)}::text`).join(', ');
  return `select jsonb_build_array(${key}) as key from (select distinct * from unnest(${arrays}) u(${names.join(', ')})) w
join ${table.sqlName} t on ${is} for update of t`;
}
