/**
 * Transactions of oubli's own, on connections of the application's pool but past Knex and the seam: for erasures, exports and
 * backfills, which read and write ciphertext on purpose.
 */
import QueryStream from 'pg-query-stream';
import { withOwnTypes } from '../own-types';
import type { Queryable, Row } from '../queryable';
import type { Connection, InternalClient } from './internals';

/** Every value as PostgreSQL's text, whatever type parsers the application set. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };
const ROWS_AT_A_TIME = 200;

export interface TextSnapshot extends Queryable {
  read(sql: string, parameters: unknown[]): AsyncIterable<Row>;
}

export class OwnTransactions {
  constructor(private readonly client: InternalClient) {}

  transaction<T>(work: (connection: Queryable) => Promise<T>): Promise<T> {
    return this.within('begin', (connection) => work(withOwnTypes(connection)));
  }

  /** One view of the database for all that is read in it. */
  snapshot<T>(work: (snapshot: TextSnapshot) => Promise<T>): Promise<T> {
    return this.within('begin isolation level repeatable read read only', (connection) =>
      work({
        ...withOwnTypes(connection),
        read: (sql, parameters) => {
          const stream = new QueryStream(sql, parameters, { batchSize: ROWS_AT_A_TIME, types: AS_TEXT } as never);
          return connection.query(stream as never) as unknown as AsyncIterable<Row>;
        },
      }),
    );
  }

  private async within<T>(begin: string, work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.client.acquireConnection();
    try {
      await connection.query(begin);
      const result = await work(connection);
      await connection.query('commit');
      return result;
    } catch (error) {
      await rollback(connection);
      throw withoutDetail(error);
    } finally {
      await this.client.releaseConnection(connection);
    }
  }
}

/** A connection that cannot even roll back is broken: the pool must not hand it out again. */
async function rollback(connection: Connection & { __knex__disposed?: unknown }): Promise<void> {
  try {
    await connection.query('rollback');
  } catch (error) {
    connection.__knex__disposed = error;
  }
}

/** PostgreSQL quotes rows in these. */
function withoutDetail(error: unknown): unknown {
  if (error instanceof Error) {
    const failure = error as { detail?: string; where?: string };
    delete failure.detail;
    delete failure.where;
  }
  return error;
}
