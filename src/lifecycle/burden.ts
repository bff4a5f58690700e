/**
 * What those who leave bring along: a chunk is bounded by rows and by bytes (ERASURE.md A3), for a hundred people with ten thousand
 * rows each are a million rows in one transaction. Before the first chunk the tables' sizes say what is to be expected of one
 * person; then the chunks themselves do. Of tables that PostgreSQL never counted nothing is expected: the first leaves alone, and
 * chunks grow as they show what people bring along. One alone leaves whole, whatever there is of her.
 */
import type { Queryable, Row } from '../queryable';
import { estimatedRows } from './census';
import type { Plan } from './plan';

export const MOST_ROWS = 50_000;
export const MOST_BYTES = 64 * 2 ** 20;

/** Tables with their partitions, as they were when they were last vacuumed or analysed; before that `reltuples` is -1. */
const SIZES = `
select coalesce(bool_or(c.reltuples < 0 and pg_relation_size(c.oid) > 0), false) as uncounted,
  coalesce(sum(greatest(c.reltuples, 0)), 0) as rows, coalesce(sum(pg_table_size(c.oid)), 0) as bytes,
  coalesce(sum(greatest(c.reltuples, 0)) filter (where of.rel = $2::oid), 0) as roots
from unnest($1::oid[]) of(rel),
  lateral (select p.relid::oid from pg_partition_tree(of.rel) p union select of.rel) stored(rel)
  join pg_catalog.pg_class c on c.oid = stored.rel and c.relkind = 'r'`;

interface Stored {
  readonly tables?: readonly { readonly rows: number }[];
}

export interface Sizes {
  readonly rows: number;
  readonly bytes: number;
  readonly roots: number;
  /** Whether a table has rows of which PostgreSQL does not know how many there are. */
  readonly uncounted: boolean;
}

export class Burden {
  private rowsEach: number;
  private readonly bytesOfRow: number;

  constructor({ rows, bytes, roots, uncounted }: Sizes) {
    const counted = roots > 0 ? rows / roots : 1;
    this.rowsEach = uncounted ? MOST_ROWS : counted;
    this.bytesOfRow = rows > 0 ? bytes / rows : 0;
  }

  static async of(connection: Queryable, { root, steps }: Plan): Promise<Burden> {
    const tables = new Map(steps.map(({ table }) => [table.oid, table]));
    const [sizes] = (await connection.query(SIZES, [[...tables.keys()], root.oid])).rows;
    const [counted, bytes, roots] = [Number(sizes?.rows), Number(sizes?.bytes), Number(sizes?.roots)];
    if (sizes?.uncounted !== true) return new Burden({ rows: counted, bytes, roots, uncounted: false });
    let rows = 0;
    for (const { sqlName } of tables.values()) rows += await estimatedRows(connection, `select from ${sqlName}`);
    return new Burden({ rows, bytes, roots, uncounted: true });
  }

  /** How many may leave together. */
  get most(): number {
    const rows = MOST_ROWS / this.rowsEach;
    const bytes = MOST_BYTES / (this.rowsEach * this.bytesOfRow || 1);
    return Math.max(1, Math.floor(Math.min(rows, bytes)));
  }

  /** @param entries of the ledger, as a chunk wrote them. @param taken how many left with it */
  learn(entries: readonly Row[], taken: number): void {
    if (taken === 0) return;
    const rows = entries
      .flatMap(({ details }) => (details as Stored).tables ?? [])
      .reduce((sum, line) => sum + line.rows, 0);
    // those to come may be like the ones before, or like everybody
    this.rowsEach = Math.max(1, (this.rowsEach + rows / taken) / 2);
  }
}
