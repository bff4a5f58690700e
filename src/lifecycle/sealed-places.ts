/**
 * Where values may stand that are sealed under somebody's key, declared or not: every stored column whose type is one of ours, or has one in
 * it, for the type follows CREATE TABLE AS, LIKE, `array_agg` and `select t from t`. Whoever destroys keys looks here before; a place that is
 * missing here is a value that nobody can open any more.
 */
import type { Queryable } from '../queryable';

export interface SealedPlace {
  /** Of the table, materialised view or foreign table; of partitions, and of tables that inherit, each its own. */
  readonly oid: string;
  /** As SQL names it, quoted. */
  readonly name: string;
  readonly is: 'table' | 'view' | 'elsewhere';
  readonly columns: readonly SealedColumn[];
  readonly blocks: number;
}

export interface SealedColumn {
  readonly name: string;
  /** Of a value that stands there by itself, and is written: not in an array, a row or a range, and not generated. */
  readonly element: number | null;
  /** SQL: a SELECT of the key ids in the column of the row `t`, of one column, with nulls. */
  readonly keyIds: string;
}

/** A temporary table is its session's, which nobody else can read; and a view that was never filled has nothing in it. */
const PLACES = `
select c.oid::int8 as oid, c.oid::regclass::text as name,
  case c.relkind when 'm' then 'view' when 'f' then 'elsewhere' else 'table' end as is,
  case when c.relkind = 'f' then 0 else pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::bigint end as blocks,
  json_agg(json_build_object('name', a.attname, 'keyIds', w.ids,
    'element', case when c.relkind = 'r' and a.attgenerated = '' then oubli.element_of(a.atttypid) end) order by a.attnum) as columns
from pg_catalog.pg_class c
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid and (t.typtype in ('d', 'c', 'r', 'm') or t.typcategory = 'A')
cross join lateral (select oubli.key_ids_within(format('t.%I', a.attname), a.atttypid) as ids offset 0) w
where c.relkind in ('r', 'm', 'f') and c.relpersistence <> 't' and c.relispopulated and w.ids is not null
group by c.oid order by c.oid`;

/** By their oids. */
export async function sealedPlaces(connection: Queryable): Promise<SealedPlace[]> {
  const { rows } = await connection.query(PLACES);
  return rows.map((row) => ({
    oid: String(row.oid),
    name: String(row.name),
    is: row.is as SealedPlace['is'],
    columns: row.columns as SealedColumn[],
    blocks: Number(row.blocks),
  }));
}

/** SQL: a SELECT of the key ids in a row `t`, of one column, with nulls. */
export function keyIdsIn(columns: readonly SealedColumn[]): string {
  return columns.map(({ keyIds }) => keyIds).join(' union all ');
}
