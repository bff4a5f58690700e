/**
 * Knex's PostgreSQL client with the seam in it: a subclass, put in place of an instance's own class, so that every handle,
 * builder and transaction of that instance is protected and nobody can hold an unprotected one by accident.
 */
import { UnsupportedQueryError } from '../errors';
import type { Row } from '../queryable';
import { classifyParameters } from './classify';
import { translated } from './database-errors';
import { StatementDescriptions } from './describe';
import { currentFrame, factsOf, type StatementFacts, withFacts } from './frame';
import {
  type Class,
  type CompiledQuery,
  type Connection,
  type InternalBuilder,
  type InternalClient,
  type InternalCompiler,
  type QueryResult,
  type RawQuery,
  type Runner,
  subclassed,
} from './internals';
import { Marker } from './marker';
import { openResult, openRows } from './open-rows';
import { OpeningStream } from './opening-stream';
import { protectedCompiler } from './protected-compiler';
import { sealBindings } from './seal-bindings';
import type { Seam } from './seam';

/** On the prototype of every protected client: which seam it belongs to. */
export const PROTECTED = Symbol.for('oubli.protected');

const CHANGES_SCHEMA = /^\s*(create|alter|drop|comment|rename|select\s+"?oubli"?\.)/i;
const ENDS_TRANSACTION = /^\s*(commit|rollback)/i;
const MOST_SUBJECTS_PER_UPDATE = 1000;

export function protectedClient(Base: Class<InternalClient>, seam: Seam): Class<InternalClient> {
  const compilers = new WeakMap<object, Class<InternalCompiler>>();
  const raws = new WeakMap<object, Class<RawQuery>>();
  const builders = new WeakMap<object, Class<InternalBuilder>>();
  const descriptions = new StatementDescriptions();
  /** Results whose rows were opened: shown to the caller, not to listeners. */
  const opened = new WeakSet<object>();

  class ProtectedClient extends Base {
    override queryCompiler(builder: InternalBuilder, bindings?: unknown[]): InternalCompiler {
      return subclassed(super.queryCompiler(builder, bindings), compilers, (base) => protectedCompiler(base, seam));
    }

    override queryBuilder(): InternalBuilder {
      return subclassed(super.queryBuilder(), builders, refusingForeignTransactions);
    }

    override raw(...args: unknown[]): RawQuery {
      return subclassed(super.raw(...args), raws, reportingRaw);
    }

    override runner(builder: object): Runner {
      return refreshingFirst(super.runner(builder), seam, descriptions);
    }

    override async query(connection: Connection, query: CompiledQuery | string): Promise<CompiledQuery> {
      const compiled = typeof query === 'string' ? { sql: query, bindings: [] } : query;
      await classify(this, seam, descriptions, connection, compiled);
      const answer = await super.query(connection, compiled);
      if (CHANGES_SCHEMA.test(compiled.sql) || ENDS_TRANSACTION.test(compiled.sql)) seam.schemaChanged();
      return answer;
    }

    override async _query(connection: Connection, query: CompiledQuery): Promise<CompiledQuery> {
      const holdsPersonal = hasMarkers(query.bindings);
      try {
        await send(this, seam, connection, query, (sealed) => super._query(connection, sealed));
        if (query.response && (await openResult(seam, query.response, connection))) markOpened(opened, query.response);
        return query;
      } catch (error) {
        throw translated(error, seam.catalogue, holdsPersonal);
      }
    }

    override async stream(
      connection: Connection,
      query: CompiledQuery | string,
      stream: NodeJS.WritableStream,
      options: object,
    ): Promise<void> {
      const compiled = typeof query === 'string' ? { sql: query, bindings: [] } : query;
      try {
        await classify(this, seam, descriptions, connection, compiled);
      } catch (error) {
        stream.emit('error', error);
        throw error;
      }
      return super.stream(connection, compiled, stream, options);
    }

    override async _stream(
      connection: Connection,
      query: CompiledQuery,
      stream: NodeJS.WritableStream,
      options: object,
    ): Promise<void> {
      const opening = new OpeningStream((rows: Row[]) => openRows(seam, rows, connection));
      opening.once('error', (error) => stream.emit('error', error));
      try {
        const bindings = await sealBindings(seam, connection, query.bindings);
        opening.pipe(stream);
        await super._stream(connection, { ...query, bindings }, opening, options);
      } catch (error) {
        const raised = translated(error, seam.catalogue, hasMarkers(query.bindings));
        if (!opening.errored) stream.emit('error', raised);
        throw raised;
      }
    }

    override emit(event: string, ...args: unknown[]): boolean {
      if (event !== 'query-response') return super.emit(event, ...args);
      const [response, query, ...more] = args;
      const result = (query as CompiledQuery | undefined)?.response;
      if (!result || !opened.has(result)) return super.emit(event, ...args);
      return super.emit(event, redacted(response), { ...(query as CompiledQuery), response: undefined }, ...more);
    }

    override async destroy(callback?: () => void): Promise<void> {
      await seam.close();
      return super.destroy(callback);
    }
  }
  Object.defineProperty(ProtectedClient.prototype, PROTECTED, { value: seam });
  return ProtectedClient;
}

/** Gives the parameters of raw fragments their meaning, before Knex emits the query with its bindings. */
async function classify(
  client: InternalClient,
  seam: Seam,
  descriptions: StatementDescriptions,
  connection: Connection,
  query: CompiledQuery,
): Promise<void> {
  if (!factsOf(query)?.describe || !query.bindings?.length || seam.catalogue.isEmpty) return;
  const types = await parameterTypes(client, descriptions, connection, query);
  query.bindings = classifyParameters(seam.catalogue, query.bindings, types);
}

/** A statement that cannot be parsed fails here already; its bindings are unknown, so no error or event may show them. */
async function parameterTypes(
  client: InternalClient,
  descriptions: StatementDescriptions,
  connection: Connection,
  query: CompiledQuery,
): Promise<readonly number[]> {
  try {
    return await descriptions.parameterTypes(connection, client.positionBindings(query.sql));
  } catch (error) {
    const failure = error as Error;
    failure.message = `${query.sql} - ${failure.message}`;
    client.emit('query-error', failure, {
      sql: query.sql,
      bindings: query.bindings.map(() => '[oubli not described]'),
    });
    throw failure;
  }
}

/** Sends a statement sealed; an update of several people's rows once for each of them, all or none. */
async function send(
  client: InternalClient,
  seam: Seam,
  connection: Connection,
  query: CompiledQuery,
  sendSealed: (query: CompiledQuery) => Promise<CompiledQuery>,
): Promise<void> {
  const narrowed = factsOf(query)?.narrowed;
  if (!narrowed) {
    query.response = (await sendSealed({ ...query, bindings: await sealBindings(seam, connection, query.bindings) }))
      .response as QueryResult;
    return;
  }
  const anchors = await anchorsOf(client, seam, connection, narrowed);
  const each = async (anchor: readonly unknown[]): Promise<QueryResult> => {
    const bindings = await sealBindings(seam, connection, query.bindings, new Map([[narrowed.row, anchor]]));
    return (await sendSealed({ ...query, bindings })).response as QueryResult;
  };
  query.response = await allOrNone(connection, anchors, each);
}

async function anchorsOf(
  client: InternalClient,
  seam: Seam,
  connection: Connection,
  { row, query }: NonNullable<StatementFacts['narrowed']>,
): Promise<unknown[][]> {
  const { rows } = await connection.query(
    client.positionBindings(query.sql),
    await sealBindings(seam, connection, query.bindings),
  );
  const anchors = rows.map((found) => Object.values(found));
  if (anchors.length <= MOST_SUBJECTS_PER_UPDATE) return anchors;
  throw new UnsupportedQueryError('UPDATE_TOO_MANY', {
    table: row.path.table.name,
    count: anchors.length,
    most: MOST_SUBJECTS_PER_UPDATE,
  });
}

async function allOrNone(
  connection: Connection,
  anchors: readonly unknown[][],
  each: (anchor: readonly unknown[]) => Promise<QueryResult>,
): Promise<QueryResult> {
  const results: QueryResult[] = [];
  const ownTransaction = anchors.length > 1 && connection.__knexTxId === undefined;
  if (ownTransaction) await connection.query('begin');
  try {
    for (const anchor of anchors) results.push(await each(anchor));
    if (ownTransaction) await connection.query('commit');
  } catch (error) {
    if (ownTransaction) await connection.query('rollback');
    throw error;
  }
  const rows = results.flatMap((result) => result.rows);
  const rowCount = results.reduce((sum, result) => sum + (result.rowCount ?? 0), 0);
  return { command: 'UPDATE', fields: results[0]?.fields ?? [], rows, rowCount };
}

/** Reloads the catalogue on the statement's own connection, after this process changed the schema, before compiling. */
function refreshingFirst(runner: Runner, seam: Seam, descriptions: StatementDescriptions): Runner {
  const ensureConnection = runner.ensureConnection.bind(runner);
  runner.ensureConnection = (callback, params) =>
    ensureConnection((self, given) => {
      const refreshed = seam.refresh(self.connection as Connection);
      if (!refreshed) return callback(self, given);
      descriptions.clear();
      return refreshed.then(() => callback(self, given));
    }, params);
  return runner;
}

/** A raw fragment with parameters makes its statement one that the server must describe. */
function reportingRaw(Base: Class<RawQuery>): Class<RawQuery> {
  return class ReportingRaw extends Base {
    override toSQL(method?: string, tz?: string): CompiledQuery {
      const query = super.toSQL(method, tz);
      const describe = query.bindings.length > 0;
      const frame = currentFrame();
      if (!frame) return withFacts(query, { describe });
      frame.facts.describe ||= describe;
      return query;
    }
  };
}

/** `db('t').transacting(trx)` of an unprotected instance would store plaintext. */
function refusingForeignTransactions(Base: Class<InternalBuilder>): Class<InternalBuilder> {
  return class ProtectedBuilder extends Base {
    transacting(transaction?: { client?: object }): unknown {
      if (transaction?.client && !(PROTECTED in transaction.client)) throw new UnsupportedQueryError('FOREIGN_TRX');
      const base = Object.getPrototypeOf(ProtectedBuilder.prototype) as { transacting(trx: unknown): unknown };
      return base.transacting.call(this, transaction);
    }
  };
}

function hasMarkers(bindings: readonly unknown[] | undefined): boolean {
  return bindings?.some((binding) => binding instanceof Marker) ?? false;
}

function markOpened(opened: WeakSet<object>, result: QueryResult | QueryResult[]): void {
  opened.add(result);
}

/** What a listener sees instead of rows that were opened. */
function redacted(response: unknown): unknown {
  const rows = Array.isArray(response) ? response : ((response as QueryResult | undefined)?.rows ?? [response]);
  return Array.isArray(rows) ? rows.map(() => '[oubli row]') : '[oubli row]';
}
