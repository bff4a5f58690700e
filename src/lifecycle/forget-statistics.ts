/**
 * The planner's statistics forget what left: samples of clear personal columns, of expressions that are indexed and of several
 * columns together (ERASURE.md L4). ANALYZE makes them anew from the rows that are left, but leaves those of an emptied table and of a
 * column with SET STATISTICS 0 as they are (measured). There `pg_clear_attribute_stats` takes them away on PostgreSQL 18; before, and
 * for extended statistics, changing a column's type to the type that it has: nothing is rewritten, but the table is locked for a
 * moment, and PostgreSQL refuses it where a view stands on the column. What is indexed of a sealed column, its blind index, is
 * forgotten that way of an emptied table only: the index is made anew.
 */
import type { Table } from '../catalogue/model';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';

/** What `oubli.samples()` says of one: `schema`, `relation`, `col`, `inherited`, `is_extended`, `is_kept`. */
type Sample = Row;

const SAMPLES = `select coalesce(json_agg(s), '[]') as samples, not exists (select from %s) as "isEmpty" from oubli.samples($1::oid) s`;
const COLUMNS = `
select a.attname as column, format_type(a.atttypid, a.atttypmod) as type,
  case when a.attcollation <> t.typcollation then (select format(' collate %I.%I', n.nspname, c.collname) from pg_catalog.pg_collation c
    join pg_catalog.pg_namespace n on n.oid = c.collnamespace where c.oid = a.attcollation) else '' end as collation
from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
where a.attrelid = $1 and a.attgenerated = '' and (a.attname = any(oubli.readable_columns($1::oid)) or not exists (select from %s) and exists (
  select from pg_catalog.pg_depend d join pg_catalog.pg_index i on i.indexrelid = d.objid and i.indrelid = $1 and i.indexprs is not null
  where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = $1 and d.refobjsubid = a.attnum))
order by a.attnum`;

/** Samples that an ANALYZE has left from before, or all of them where there was none. */
export function keptSamples({ samples, isEmpty }: Row, analysed: boolean): Sample[] {
  return (samples as Sample[]).filter((each) => isEmpty || !analysed || each.is_kept);
}

/**
 * After an ANALYZE: what it left from before.
 *
 * @returns `forgotten`, or why some are still there
 */
export async function statisticsForgotten(
  connection: Queryable,
  table: Table,
  kept: readonly Sample[],
  version: number,
): Promise<string> {
  if (kept.length === 0) return 'forgotten';
  const clearable = version >= 180000 ? kept.filter((each) => !each.is_extended) : [];
  for (const each of clearable) await clear(connection, each);
  if (clearable.length === kept.length) return 'forgotten';
  const refused = await retyped(connection, table);
  const [left = {}] = (await connection.query(SAMPLES.replace('%s', table.sqlName), [table.oid])).rows;
  const still = keptSamples(left, true).map(({ relation, col }) => [relation, col].filter(Boolean).join('.'));
  if (still.length === 0) return 'forgotten';
  return refused ? VIEWED : `still there: ${still.join(', ')}`;
}

async function clear(connection: Queryable, { schema, relation, col, inherited }: Sample): Promise<void> {
  await connection.query('select pg_clear_attribute_stats($1, $2, $3, $4::boolean)', [
    schema,
    relation,
    col,
    inherited,
  ]);
}

/** Refused by what depends on the column (0A000), and by nothing else that is not an error. */
const DEPENDED_ON = '0A000';
const VIEWED =
  'still there: a view or a rule stands on a column, and PostgreSQL has no other way to forget them before 18';

/** @returns whether it was refused of one of them: what stands on one keeps no other */
async function retyped(connection: Queryable, table: Table): Promise<boolean> {
  const { rows: columns } = await connection.query(COLUMNS.replace('%s', table.sqlName), [table.oid]);
  let refused = false;
  for (const { column, type, collation } of columns) {
    try {
      await connection.query(`alter table ${table.sqlName} alter column ${q(String(column))} type ${type}${collation}`);
    } catch (error) {
      if ((error as { code?: unknown }).code !== DEPENDED_ON) throw error;
      refused = true;
    }
  }
  return refused;
}
