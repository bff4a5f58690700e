/**
 * `batchInsert` of a protected instance: Knex's own, which sends one chunk after the other, but the next chunk is sealed while PostgreSQL
 * is at the one before. Rows, order, transaction, results and errors are Knex's; tables without sealed columns are left to it alone.
 */
import type { Knex } from 'knex';
import { sentAfter } from './sent-after';

type BatchInsert = (this: BatchContext, table: unknown, batch: unknown, chunkSize?: number) => unknown;
type Transacting = (run: (trx: unknown) => unknown) => unknown;

/** The part of an instance's context that `batchInsert` is, and that it uses. */
interface BatchContext {
  batchInsert: BatchInsert & { [STOCK]?: BatchInsert };
  transaction: Transacting;
}

/** What was there before us, where an instance is protected anew. */
const STOCK = Symbol('oubli.batchInsert');
/** Knex's own default. */
const CHUNK = 1000;

export function sealBatchesAhead(knex: Knex, isSealed: (table: unknown) => boolean): void {
  const { context } = knex as unknown as { context: BatchContext };
  const stock = context.batchInsert[STOCK] ?? context.batchInsert;
  const batchInsert: BatchInsert = function (this: BatchContext, table, batch, chunkSize = CHUNK) {
    const ahead = (trx: unknown): unknown =>
      Array.isArray(batch) && isSealed(table)
        ? new ChunksAhead(trx as Knex.Transaction, batch, chunkSize).asTable
        : trx;
    const transaction: Transacting = (run) => this.transaction((trx) => run(ahead(trx)));
    return stock.call({ batchInsert: stock, transaction }, table, batch, chunkSize);
  };
  context.batchInsert = Object.assign(batchInsert, { [STOCK]: stock });
}

/** Stands in for the transaction that Knex inserts the chunks through, one call each. */
class ChunksAhead {
  private next: Promise<unknown> | undefined;
  private begun = 0;

  constructor(
    private readonly trx: Knex.Transaction,
    private readonly rows: readonly object[],
    private readonly size: number,
  ) {}

  readonly asTable = (table: string): { insert(rows: object[], returning: unknown): Promise<unknown> } => ({
    insert: (rows, returning) => {
      const now = this.next ?? this.start(table, rows, returning, undefined);
      const following = this.rows.slice(this.begun, this.begun + this.size);
      this.next = following.length > 0 ? this.start(table, following, returning, now) : undefined;
      return now;
    },
  });

  private start(
    table: string,
    rows: object[],
    returning: unknown,
    after: Promise<unknown> | undefined,
  ): Promise<unknown> {
    this.begun += rows.length;
    return sentAfter(this.trx(table).insert(rows, returning as string[]), after);
  }
}
