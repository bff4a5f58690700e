/**
 * Where sealed values are stored: every relation that has a column of one of our types, declared or not, for a copy of a table has them,
 * too. Partitions, and tables that inherit, each by themselves.
 */
import { type Queryable, quoteIdentifier as q } from '../../queryable';

export interface StoredTable {
  /** As SQL names it. */
  readonly name: string;
  readonly columns: readonly StoredColumn[];
  readonly blocks: number;
  /** What is not sealed anew in its place, and only looked at: a materialised view is refreshed, whoever made arrays makes them anew. */
  readonly stays: 'view' | 'arrays' | 'elsewhere' | undefined;
}

export interface StoredColumn {
  readonly name: string;
  readonly element: number;
  readonly isArray: boolean;
}

/** Temporary tables of other sessions are theirs alone. A table with arrays, too, is two. */
const TABLES = `
select c.oid::regclass::text as name,
  case when c.relkind = 'm' then 'view' when c.relkind = 'f' then 'elsewhere' when e.domain <> a.atttypid then 'arrays' end as stays,
  case when c.relkind = 'f' then 0 else pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::bigint end as blocks,
  json_agg(json_build_object('name', a.attname, 'element', e.id, 'isArray', e.domain <> a.atttypid) order by a.attnum) as columns
from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
join oubli.element e on e.protect = 'encrypt' and (e.domain = t.oid or e.domain = t.typelem and t.typcategory = 'A')
where c.relkind in ('r', 'm', 'f') and c.relpersistence <> 't'
group by c.oid, c.relkind, 2 order by c.oid`;

export async function storedTables(connection: Queryable): Promise<StoredTable[]> {
  const { rows } = await connection.query(TABLES);
  return rows.map((row) => ({
    name: String(row.name),
    columns: row.columns as StoredColumn[],
    blocks: Number(row.blocks),
    stays: (row.stays as StoredTable['stays'] | null) ?? undefined,
  }));
}

/** SQL of the key ids in a row, as an array with nulls. */
export function keyIdsIn(table: StoredTable, alias: string): string {
  const scalars = table.columns.filter(({ isArray }) => !isArray);
  const ids = scalars.map(({ name }) => `oubli.key_id(${alias}.${q(name)}::bytea)`);
  const arrays = table.columns.filter(({ isArray }) => isArray);
  const lists = arrays.map(({ name }) => `array(select oubli.key_id(v::bytea) from unnest(${alias}.${q(name)}) v)`);
  return [...(ids.length > 0 ? [`array[${ids.join(', ')}]`] : []), ...lists].join(' || ');
}

/** Of a table its own rows: partitions, and what inherits, are tables of their own. */
export function fromTable({ name, stays }: StoredTable, alias: string): string {
  return `${stays === 'view' || stays === 'elsewhere' ? '' : 'only '}${name} ${alias}`;
}
