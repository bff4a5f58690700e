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
  /** Of a materialised view nothing is sealed anew: it is refreshed. */
  readonly isView: boolean;
}

export interface StoredColumn {
  readonly name: string;
  readonly element: number;
}

/** Temporary tables of other sessions are theirs alone. */
const TABLES = `
select c.oid::regclass::text as name, c.relkind = 'm' as is_view,
  pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::bigint as blocks,
  json_agg(json_build_object('name', a.attname, 'element', e.id) order by a.attnum) as columns
from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join oubli.element e on e.domain = a.atttypid and e.protect = 'encrypt'
where c.relkind in ('r', 'm') and c.relpersistence <> 't'
group by c.oid, c.relkind order by c.oid`;

export async function storedTables(connection: Queryable): Promise<StoredTable[]> {
  const { rows } = await connection.query(TABLES);
  return rows.map((row) => ({
    name: String(row.name),
    columns: row.columns as StoredColumn[],
    blocks: Number(row.blocks),
    isView: Boolean(row.is_view),
  }));
}

/** SQL of the key ids in a row, as an array with nulls. */
export function keyIdsIn(table: StoredTable, alias: string): string {
  return `array[${table.columns.map(({ name }) => `oubli.key_id(${alias}.${q(name)}::bytea)`).join(', ')}]`;
}

/** `only` is for tables. */
export function fromTable({ name, isView }: StoredTable, alias: string): string {
  return `${isView ? '' : 'only '}${name} ${alias}`;
}
