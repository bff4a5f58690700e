/**
 * Bulk loading: many rows in few statements, each with one array for every column (`unnested.ts`). A builder's insert in all other
 * respects: what it checks, seals, refuses and tells of is the same.
 */
import type { Knex } from 'knex';
import { refuseUnknownKeys } from '../catalogue/suggest';
import { ConfigurationError } from '../errors';
import type { InternalBuilder, QueryResult } from './internals';

export interface InsertManyOptions {
  /** The transaction to insert in; one of its own otherwise: all rows arrive, or none. */
  readonly trx?: Knex.Transaction;
  /** Rows to a statement; 1,000 unless said otherwise, beyond which nothing is gained. */
  readonly chunkSize?: number;
}

/** Rows that are there, or that come one after the other: of a file, a stream, another table. */
export type Rows = Iterable<object> | AsyncIterable<object>;

const CHUNK = 1_000;

/** @returns how many rows were inserted */
export async function insertMany(knex: Knex, table: string, rows: Rows, options: InsertManyOptions): Promise<number> {
  refuseUnknownKeys(
    options,
    ['trx', 'chunkSize'],
    (given, suggestion) => new ConfigurationError('UNKNOWN_INSERT_OPTION', { given, suggestion, table }),
  );
  const { trx, chunkSize = CHUNK } = options;
  if (!Number.isSafeInteger(chunkSize) || chunkSize < 1)
    throw new ConfigurationError('BAD_CHUNK_SIZE', { given: String(chunkSize), table });
  if (trx) return insertWithin(knex, trx, table, rows, chunkSize);
  return knex.transaction((own) => insertWithin(knex, own, table, rows, chunkSize));
}

/** While PostgreSQL is at one chunk, the next one is sealed: the two take about as long, and neither waits for the other. */
async function insertWithin(
  knex: Knex,
  trx: Knex.Transaction,
  table: string,
  rows: Rows,
  chunkSize: number,
): Promise<number> {
  let inserted = 0;
  let underWay = Promise.resolve(0);
  let last = underWay;
  try {
    for await (const chunk of chunksOf(rows, chunkSize)) {
      const next = insertChunk(knex, trx, table, chunk);
      next.catch(() => undefined); // thrown below, when its turn comes: until then nobody listens
      last = next;
      inserted += await underWay;
      underWay = next;
    }
    return inserted + (await underWay);
  } finally {
    // also of what failed before it: a rollback beside a statement would count on a queue that pg 9 has no more
    await last.catch(() => undefined);
  }
}

async function insertChunk(knex: Knex, trx: Knex.Transaction, table: string, chunk: object[]): Promise<number> {
  const insert = knex(table).transacting(trx).insert(chunk);
  (insert as unknown as InternalBuilder)._single.unnest = true;
  return ((await insert) as unknown as QueryResult).rowCount ?? 0;
}

async function* chunksOf(rows: Rows, size: number): AsyncGenerator<object[]> {
  let chunk: object[] = [];
  for await (const row of rows) {
    chunk.push(row);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
