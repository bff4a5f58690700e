/**
 * Transactions of oubli's own, on connections of the application's pool but past Knex and the seam: for erasures, exports and
 * backfills, which read and write ciphertext on purpose.
 */
import { afterwards } from '../afterwards';
import { ConfigurationError } from '../errors';
import { withOwnTypes } from '../own-types';
import { OWN_COMMIT, type Queryable, quoteIdentifier, quoteLiteral, type Settings } from '../queryable';
import { withoutValues } from './database-errors';
import type { Connection, InternalClient } from './internals';

/**
 * Whatever the role's default: what was locked is looked at again as others committed it (ERASURE.md A2), and foreign keys see
 * the keys that were made meanwhile.
 */
const BEGIN = 'begin isolation level read committed read write';
const SNAPSHOT = 'begin isolation level repeatable read read only';
/** Row security would hide rows without a word, and a receipt say that they are gone: with this PostgreSQL refuses (manual 5.9). */
const SEE_ALL = 'set local row_security = off';
/** Advisory locks of this session by their one number, as oubli takes them. */
const HELD = `select (classid::bigint << 32) | objid::bigint as number from pg_catalog.pg_locks
  where locktype = 'advisory' and pid = pg_backend_pid() and objsubid = 1 and granted`;
const BEFORE = `select current_setting('lock_timeout') as before, array(${HELD})::text as held`;
const SET = "select set_config('lock_timeout', $1, false)";
/** What the application has locked for the session that it lent stays locked. */
const PUT_BACK = `select set_config('lock_timeout', $1, false),
  (select count(pg_advisory_unlock(h.number)) from (${HELD}) h where h.number <> all($2::bigint[]))`;

/** For a database that is not the application's own, so that its trouble is not ours for ever. */
export interface Patience {
  /** PostgreSQL's `statement_timeout` and `lock_timeout` there. */
  readonly statement: string;
  readonly lock: string;
  /** Milliseconds of a whole transaction, after which its connection is cut: of a server that answers nothing at all. */
  readonly most: number;
}

export class OwnTransactions {
  private readonly settings: readonly string[];

  constructor(
    private readonly client: Pick<InternalClient, 'acquireConnection' | 'releaseConnection'>,
    private readonly patience?: Patience,
  ) {
    const timeouts: Settings = patience ? { statement_timeout: patience.statement, lock_timeout: patience.lock } : {};
    this.settings = [SEE_ALL, ...setLocal(timeouts)];
  }

  /** @param settings of PostgreSQL, for as long as it lasts: sent with its first words, for one round trip in all */
  transaction<T>(work: (connection: Queryable) => Promise<T>, settings: Settings = {}): Promise<T> {
    return this.within([BEGIN, ...this.settings, ...setLocal(settings)], (connection) =>
      work(withOwnTypes(connection)),
    );
  }

  /** One view of the database for all that is read in it. */
  snapshot<T>(work: (snapshot: Queryable) => Promise<T>): Promise<T> {
    return this.within([SNAPSHOT, ...this.settings], (connection) => work(withOwnTypes(connection)));
  }

  /**
   * Without a transaction, for statements that allow none. Advisory locks that the work takes for the session are given back with it.
   * @param patience `lock_timeout`; the session's own is put back
   */
  async outside<T>(patience: string, work: (connection: Queryable) => Promise<T>): Promise<T> {
    const connection = await this.client.acquireConnection();
    const own = withOwnTypes(connection);
    try {
      const { rows } = await own.query(BEFORE);
      return await afterwards(
        async () => {
          await own.query(SET, [patience]);
          return work(own);
        },
        () => this.putBack(connection, [rows[0]?.before, rows[0]?.held]),
      );
    } catch (error) {
      throw said(error);
    } finally {
      await this.client.releaseConnection(connection);
    }
  }

  /** A session that keeps a lock or a setting of ours must not serve anybody else. */
  private async putBack(connection: Connection, before: readonly unknown[]): Promise<void> {
    try {
      await connection.query(PUT_BACK, [...before]);
    } catch (error) {
      await connection.end();
      throw error;
    }
  }

  /** The same for rows that are handed out one after the other; it ends when whoever takes them stops. */
  async *stream<T>(work: (snapshot: Queryable) => AsyncIterable<T>): AsyncGenerator<T> {
    const connection = await this.client.acquireConnection();
    try {
      await connection.query([SNAPSHOT, ...this.settings].join('; '));
      yield* work(withOwnTypes(connection));
    } catch (error) {
      throw said(error);
    } finally {
      await rollback(connection);
      await this.client.releaseConnection(connection);
    }
  }

  /** Outside of any transaction: each statement sees what was committed before it. */
  async alone<T>(work: (connection: Queryable) => Promise<T>): Promise<T> {
    const connection = await this.client.acquireConnection();
    try {
      return await work(withOwnTypes(connection));
    } catch (error) {
      throw said(error);
    } finally {
      await this.client.releaseConnection(connection);
    }
  }

  private async within<T>(begin: readonly string[], work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.client.acquireConnection();
    const cut = this.patience && setTimeout(() => void connection.end(), this.patience.most);
    try {
      await connection.query(begin.join('; '));
      const result = await work(connection);
      await connection.query(OWN_COMMIT);
      return result;
    } catch (error) {
      await rollback(connection);
      throw said(error);
    } finally {
      clearTimeout(cut);
      await this.client.releaseConnection(connection);
    }
  }
}

function setLocal(settings: Settings): string[] {
  return Object.entries(settings).map(([name, value]) => `set local ${quoteIdentifier(name)} = ${quoteLiteral(value)}`);
}

function said(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { routine, message } = error as { routine?: string } & Error;
  if (routine !== 'check_enable_rls') return withoutValues(error);
  return new ConfigurationError('ROW_SECURITY', { table: /"(.+)"$/m.exec(message)?.[1] });
}

/** A connection that cannot even roll back is broken: the pool must not hand it out again. */
export async function rollback(connection: Connection & { __knex__disposed?: unknown }): Promise<void> {
  try {
    await connection.query('rollback');
  } catch (error) {
    connection.__knex__disposed = error;
  }
}
