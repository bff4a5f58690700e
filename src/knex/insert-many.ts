/**
 * Bulk loading: many rows, of a stream too, in few statements of one transaction. Each is an insert of the builder: what it checks, seals,
 * refuses and tells of is the same.
 */
import type { Knex } from 'knex';
import { refuseUnknownKeys } from '../catalogue/suggest';
import { ConfigurationError, UnsupportedQueryError } from '../errors';
import type { QueryResult } from './internals';
import { sentAfter } from './sent-after';

export interface InsertManyOptions {
  /** The transaction to insert in; one of its own otherwise: all rows arrive, or none. */
  readonly trx?: Knex.Transaction;
  /** Rows to a statement; 1,000 unless said otherwise, beyond which nothing is gained. */
  readonly chunkSize?: number;
}

/** Rows that are there, or that come one after the other: of a file, a stream, another table. */
export type Rows = Iterable<object> | AsyncIterable<object>;

const CHUNK = 1_000;
/** Of one statement (PostgreSQL manual, 53.7 Bind): what uneven rows need one of for each value. */
const MOST_PARAMETERS = 65_535;

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

/**
 * While PostgreSQL is at one chunk, the next one is sealed: the two take about as long. It is sent when the one before it is in, so
 * that the rows arrive in their order, and nothing arrives after an error.
 */
async function insertWithin(
  knex: Knex,
  trx: Knex.Transaction,
  table: string,
  rows: Rows,
  chunkSize: number,
): Promise<number> {
  let inserted = 0;
  let underWay = Promise.resolve(0);
  try {
    for await (const chunk of chunksOf(rows, chunkSize)) {
      const before = underWay;
      underWay = insertChunk(knex, trx, table, chunk, before);
      underWay.catch(() => undefined); // thrown below, when its turn comes
      inserted += await before;
    }
    return inserted + (await underWay);
  } catch (error) {
    await underWay.catch(() => undefined); // it failed with this error, or with another one after it
    throw error;
  }
}

async function insertChunk(
  knex: Knex,
  trx: Knex.Transaction,
  table: string,
  chunk: object[],
  before: Promise<number>,
): Promise<number> {
  if (chunk.every((row) => Object.keys(row).length === 0)) throw new UnsupportedQueryError('ROWS_EMPTY', { table });
  const result: unknown = await sentAfter(knex(table).transacting(trx).insert(chunk), before);
  return (result as QueryResult).rowCount ?? 0;
}

async function* chunksOf(rows: Rows, size: number): AsyncGenerator<object[]> {
  let chunk: object[] = [];
  let most = size;
  for await (const row of rows) {
    most = Math.min(most, Math.floor(MOST_PARAMETERS / (Object.keys(row).length + 1)));
    if (chunk.length >= most) {
      yield chunk;
      chunk = [];
    }
    chunk.push(row);
    if (chunk.length < most) continue;
    yield chunk;
    [chunk, most] = [[], size];
  }
  if (chunk.length > 0) yield chunk;
}
