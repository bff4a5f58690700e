/**
 * What search tokens really give away (ENVELOPE.md I2), from PostgreSQL's own statistics: how many beginnings or words of a column
 * are frequent, and in how many rows the most frequent one stands. That is what whoever reads the database can count, without a key.
 */
import type { Queryable, Row } from '../queryable';
import { indexStatistics, percent } from './leakage';

export interface TokenLeak {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
  /** How many tokens stand in 1 % of the rows or more; undefined where PostgreSQL has no statistics of them yet. */
  readonly frequent: number | undefined;
  /** The share of rows, 0 to 1, that have the most frequent one; undefined where none is more frequent than others. */
  readonly most: number | undefined;
}

/** Of elements of arrays `most_common_elem_freqs` tells the share of rows, and then the least and the greatest of them, and of NULL. */
const STATISTICS = indexStatistics(
  `s.tablename is not null as counted,
       (select max(share)::float8 from unnest(s.most_common_elem_freqs) share) as most,
       (select count(*)::int from unnest(s.most_common_elem_freqs[:cardinality(s.most_common_elem_freqs) - 3]) share
        where share >= 0.01) as frequent`,
  'gin',
);

/** Each column with search tokens. Reads statistics, never a row. */
export async function tokenLeaksOf(connection: Queryable): Promise<TokenLeak[]> {
  return (await connection.query(STATISTICS)).rows.map(toLeak);
}

/** `users.bio, tokens: 12 in 1 % or more of 2000 rows, the most frequent in 34 % of them` */
export function sayTokenLeak({ table, column, rows, frequent, most }: TokenLeak): string {
  const place = `${table}.${column}, tokens`;
  if (frequent === undefined) return `${place}: not known yet; analyze ${table}`;
  const isShared = most !== undefined && most * rows > 1.5;
  const shared = isShared ? `the most frequent in ${percent(most)} of them` : 'none more frequent than the others';
  return `${place}: ${frequent} in 1 % or more of ${Math.round(rows)} rows, ${shared}`;
}

function toLeak({ table, column, rows, counted, most, frequent }: Row): TokenLeak {
  return {
    table: String(table),
    column: String(column),
    rows: Number(rows),
    frequent: counted ? Number(frequent) : undefined,
    most: most === null ? undefined : Number(most),
  };
}
