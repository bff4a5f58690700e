/**
 * What the blind indexes really give away (ENVELOPE.md I2), from PostgreSQL's own statistics: how many values a searched column
 * has, and how often the most frequent one stands in it. That is what whoever reads the database can count, without a key.
 */
import type { Queryable, Row } from '../queryable';

export interface Leak {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
  /** About how many values the index tells apart; undefined where PostgreSQL has no statistics of it yet. */
  readonly values: number | undefined;
  /** The share of rows, 0 to 1, that hold the most frequent value; undefined where none is more frequent than others. */
  readonly most: number | undefined;
}

/** What a column was declared with, that has an index of a method. */
const DECLARED = { btree: 'normaliser', gin: 'tokens' } as const;

/**
 * What PostgreSQL has counted of each index over an expression of a sealed column: such statistics are kept under the index's own name.
 * @param counted SQL over `s`, a row of `pg_stats`
 * @param method of access: a blind index has a btree, search tokens have a GIN
 */
export function indexStatistics(counted: string, method: 'btree' | 'gin'): string {
  return `
select oubli.display_name(c.oid) as table, a.attname as column, greatest(c.reltuples, 0)::float8 as rows, ${counted}
from oubli.element e
join pg_catalog.pg_attribute a on a.atttypid = e.domain and not a.attisdropped
join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
join pg_catalog.pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = a.attnum
  and d.classid = 'pg_class'::regclass
join pg_catalog.pg_index x on x.indexrelid = d.objid and x.indkey[0] = 0
join pg_catalog.pg_class i on i.oid = x.indexrelid
join pg_catalog.pg_am m on m.oid = i.relam and m.amname = '${method}'
join pg_catalog.pg_namespace n on n.oid = i.relnamespace
left join pg_catalog.pg_stats s on s.schemaname = n.nspname and s.tablename = i.relname
where e.${DECLARED[method]} is not null
order by 1, a.attnum`;
}

const STATISTICS = indexStatistics(
  's.n_distinct::float8 as "distinct", s.most_common_freqs[1]::float8 as most',
  'btree',
);

/** Each column with a blind index. Reads statistics, never a row. */
export async function leaksOf(connection: Queryable): Promise<Leak[]> {
  return (await connection.query(STATISTICS)).rows.map(toLeak);
}

/** `users.city: about 12 values in 2000 rows, the most frequent in 34 % of them` */
export function sayLeak({ table, column, rows, values, most }: Leak): string {
  const place = `${table}.${column}`;
  if (values === undefined) return `${place}: not known yet; analyze ${table}`;
  const frequent =
    most === undefined ? 'none more frequent than the others' : `the most frequent in ${percent(most)} of them`;
  return `${place}: about ${Math.round(values)} values in ${Math.round(rows)} rows, ${frequent}`;
}

/** Where there are many values each is below the smallest share that is worth a number. */
export function percent(share: number): string {
  return share < 0.001 ? 'less than 0.1 %' : `${Math.round(share * 1000) / 10} %`;
}

/** `n_distinct` is a number of values, or, below zero, their share of the rows (manual, 53.27). */
function toLeak({ table, column, rows, distinct, most }: Row): Leak {
  const count = Number(rows);
  const given = Number(distinct) || undefined;
  return {
    table: String(table),
    column: String(column),
    rows: count,
    values: given === undefined ? undefined : given < 0 ? -given * count : given,
    most: most === null ? undefined : Number(most),
  };
}
