/**
 * The planner's statistics forget what left: samples of clear personal columns, of expressions that are indexed and of several
 * columns together (ERASURE.md L4). ANALYZE makes them anew from the rows that are left, but leaves those of an emptied table and of a
 * column with SET STATISTICS 0 as they are (measured). There `pg_clear_attribute_stats` takes them away on PostgreSQL 18; before, and
 * for extended statistics, changing a column's type to the type that it has: nothing is rewritten, but the table is locked for a
 * moment, and PostgreSQL refuses it where a view stands on the column.
 */
import { isPersonal, type Table } from '../catalogue/model';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';

const SAMPLES = `
select s.schemaname as schema, s.tablename as relation, s.attname as column, s.inherited, i.indrelid is not null as "isIndex"
from oubli.family($1::oid) f
left join pg_catalog.pg_index i on i.indrelid = f.rel and i.indexprs is not null
join pg_catalog.pg_class c on c.oid in (f.rel, i.indexrelid) join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname
where (c.oid = f.rel and s.attname = any($2::name[]) or c.oid = i.indexrelid)
  and (s.most_common_vals is not null or s.histogram_bounds is not null or s.most_common_elems is not null)
group by 1, 2, 3, 4, 5`;
// what extended statistics hold is for superusers to read; that they are there is not
const EXTENDED = `
select a.attname as column from pg_catalog.pg_statistic_ext x
join pg_catalog.pg_attribute a on a.attrelid = x.stxrelid and (a.attnum = any (x.stxkeys) or x.stxexprs is not null and a.attname = any($2::name[]))
where x.stxrelid in (select rel from oubli.family($1::oid)) and a.attname = any($2::name[]) limit 1`;
const COLUMNS = `
select a.attname as column, a.attgenerated <> '' as generated, coalesce(a.attstattarget, -1) = 0 as unsampled, format_type(a.atttypid, a.atttypmod) as type,
  case when a.attcollation <> t.typcollation then (select format(' collate %I.%I', n.nspname, c.collname) from pg_catalog.pg_collation c
    join pg_catalog.pg_namespace n on n.oid = c.collnamespace where c.oid = a.attcollation) else '' end as collation
from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
where a.attrelid = $1 and a.attname = any($2::name[])`;

/** Whether PostgreSQL keeps samples of what is personal there, in clear or as a blind index. */
export async function hasSamples(connection: Queryable, table: Table): Promise<boolean> {
  return (await samplesOf(connection, table)).length > 0 || (await extendedOf(connection, table));
}

/**
 * After an ANALYZE: what it left from before.
 *
 * @returns `forgotten`, or which are still there and why
 */
export async function statisticsForgotten(connection: Queryable, table: Table): Promise<string> {
  const isEmpty = !(await one(connection, `select exists (select from ${table.sqlName}) as some`)).some;
  const { rows: columns } = await connection.query(COLUMNS, [table.oid, personalColumns(table)]);
  const stale = columns.filter(({ unsampled }) => isEmpty || unsampled);
  if (stale.length === 0 && !isEmpty) return 'forgotten';
  const version = Number(
    (await one(connection, `select current_setting('server_version_num')::int as version`)).version,
  );
  const left = (await samplesOf(connection, table)).filter(
    (each) => isEmpty || stale.some(({ column }) => column === each.column),
  );
  if (version >= 180000) for (const each of left) await clear(connection, each);
  const needsType = version < 180000 ? left.length > 0 : isEmpty && (await extendedOf(connection, table));
  return needsType ? retyped(connection, table, stale) : 'forgotten';
}

function personalColumns({ columns }: Table): string[] {
  return [...columns.values()].filter(isPersonal).map(({ name }) => name);
}

function clearColumns(table: Table): string[] {
  return personalColumns(table).filter((name) => table.columns.get(name)?.element?.protect !== 'encrypt');
}

async function samplesOf(connection: Queryable, table: Table): Promise<Row[]> {
  return (await connection.query(SAMPLES, [table.oid, clearColumns(table)])).rows;
}

async function extendedOf(connection: Queryable, table: Table): Promise<boolean> {
  return (await connection.query(EXTENDED, [table.oid, clearColumns(table)])).rows.length > 0;
}

async function clear(connection: Queryable, { schema, relation, column, inherited }: Row): Promise<void> {
  await connection.query('select pg_clear_attribute_stats($1, $2, $3, $4::boolean)', [
    schema,
    relation,
    column,
    inherited,
  ]);
}

/** Refused by what depends on the column (0A000), and by nothing else that is not an error. */
const DEPENDED_ON = '0A000';

async function retyped(connection: Queryable, table: Table, columns: readonly Row[]): Promise<string> {
  const changes = columns
    .filter(({ generated }) => !generated)
    .map(({ column, type, collation }) => `alter column ${q(String(column))} type ${type}${collation}`);
  if (changes.length === 0) return 'forgotten';
  try {
    await connection.query(`alter table ${table.sqlName} ${changes.join(', ')}`);
    return 'forgotten';
  } catch (error) {
    if ((error as { code?: unknown }).code !== DEPENDED_ON) throw error;
    return 'still there: a view or a rule stands on a column, and PostgreSQL has no other way to forget them before 18';
  }
}

async function one(connection: Queryable, sql: string): Promise<Row> {
  return (await connection.query(sql)).rows[0] ?? {};
}
