/** Where texts stand, whoever declared them: every table with a column that can hold one, the small ones first. */
import type { Catalogue } from '../catalogue/model';
import type { Queryable } from '../queryable';

export interface SearchedTable {
  readonly oid: number;
  /** The tables it is a partition or a child of, itself the first: a plan that takes their rows takes its own. */
  readonly ancestors: readonly number[];
  readonly sqlName: string;
  readonly displayName: string;
  readonly columns: readonly string[];
  /** Why its rows cannot be read whole by this role; null where they can. */
  readonly closed: string | null;
}

// text, varchar, char, citext, name, domains over them, and arrays of them have the category S, or A over it
const TABLES = `
select c.oid::int8 as oid, format('%I.%I', n.nspname, c.relname) as "sqlName",
  case n.nspname when 'public' then '' else quote_ident(n.nspname) || '.' end || quote_ident(c.relname) as "displayName",
  (with recursive up(oid) as (select c.oid union all select i.inhparent from up join pg_catalog.pg_inherits i on i.inhrelid = up.oid)
   select json_agg(up.oid::int8) from up) as ancestors,
  json_agg(a.attname order by a.attnum) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_type e on e.oid = t.typelem and t.typcategory = 'A'
left join pg_catalog.pg_type b on b.oid = coalesce(nullif(e.typbasetype, 0), e.oid, nullif(t.typbasetype, 0), t.oid)
where c.relkind in ('r', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'oubli') and n.nspname not like 'pg\\_%'
  and (b.typcategory = 'S' or b.typname in ('json', 'jsonb', 'xml', 'hstore'))
  and not exists (select from oubli.element x where x.domain = t.oid)
group by c.oid, n.oid order by c.relpages, c.oid`;

/** What a role may read is asked each time: to be a member of another is no change of the schema. */
const CLOSED = `
select c.oid::int8 as oid, case when c.relkind = 'f' then 'a foreign table: the server behind it has to be asked'
    when not has_schema_privilege(c.relnamespace, 'usage') or not has_table_privilege(c.oid, 'select') then 'this role may not read it'
    when row_security_active(c.oid) then 'row security hides rows of it from this role'
    when not c.relispopulated then 'a materialised view that was never filled' end as closed
from pg_catalog.pg_class c where c.oid = any($1::oid[])`;

type Standing = Omit<SearchedTable, 'closed'>;
/** For as long as the schema is the one of which a catalogue was read. */
const known = new WeakMap<Catalogue, readonly Standing[]>();

export async function searchedTables(catalogue: Catalogue, connection: Queryable): Promise<SearchedTable[]> {
  const tables = known.get(catalogue) ?? (await read(connection));
  known.set(catalogue, tables);
  if (tables.length === 0) return [];
  const { rows } = await connection.query(CLOSED, [tables.map(({ oid }) => oid)]);
  const closed = new Map(rows.map((row) => [Number(row.oid), row.closed as string | null]));
  return tables.map((table) => ({ ...table, closed: closed.get(table.oid) ?? null }));
}

async function read(connection: Queryable): Promise<Standing[]> {
  const { rows } = await connection.query(TABLES);
  return rows.map((row) => ({
    oid: Number(row.oid),
    ancestors: (row.ancestors as (number | string)[]).map(Number),
    sqlName: String(row.sqlName),
    displayName: String(row.displayName),
    columns: row.columns as string[],
  }));
}
