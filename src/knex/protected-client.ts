/**
 * Knex's PostgreSQL client with the seam in it: a subclass, put in place of an instance's own class, so that every handle,
 * builder and transaction of that instance is protected and nobody can hold an unprotected one by accident.
 */
// Not among Knex's public exports, but the path by which knexfiles and dialect packages import the class.
import PostgresClient from 'knex/lib/dialects/postgres';
import type { Catalogue } from '../catalogue/model';
import { CellArray } from './cell-array';
import { translated, written } from './database-errors';
import { refuseBeyondCap, refuseSortedStream, sortDecrypted } from './decrypted-order';
import type {
  Class,
  CompiledQuery,
  Connection,
  InternalBuilder,
  InternalClient,
  InternalCompiler,
  QueryResult,
  RawQuery,
  Runner,
} from './internals';
import { Subclassing, subclassed } from './internals';
import { Leases } from './leases';
import { holdsMarkers, printed, refuseInside } from './marker';
import { refuseStreamed } from './narrowed-update';
import { type Learn, openResult, openRows } from './open-rows';
import { OpeningStream } from './opening-stream';
import { Outgoing } from './outgoing';
import { PersonalResults, showsPersonal } from './personal-results';
import { PROTECTED, protectedBuilder, protectedRaw } from './protected-builder';
import { protectedCompiler } from './protected-compiler';
import { SchemaWatch } from './schema-watch';
import type { Seam } from './seam';

export { PROTECTED } from './protected-builder';

const Stock = PostgresClient as Class<InternalClient>;

export function protectedClient(Base: Class<InternalClient>, seam: Seam): Class<InternalClient> {
  const results = new PersonalResults();
  const outgoing = new Outgoing(seam);
  const leases = new Leases();
  const schema = new SchemaWatch(seam);
  const catalogue = (): Catalogue => seam.catalogue;
  const isKnexOwn = (method: keyof InternalClient): boolean => Base.prototype[method] === Stock.prototype[method];
  const compilers = new Subclassing<InternalCompiler>(
    (base) => protectedCompiler(base, catalogue),
    isKnexOwn('queryCompiler'),
  );
  const builders = new Subclassing<InternalBuilder>(
    (base) => protectedBuilder(base, results),
    isKnexOwn('queryBuilder'),
  );
  const raws = new WeakMap<object, Class<RawQuery>>();

  class ProtectedClient extends Base {
    override queryCompiler(builder: InternalBuilder, bindings?: unknown[]): InternalCompiler {
      return compilers.instance(() => super.queryCompiler(builder, bindings), [this, builder, bindings]);
    }

    override queryBuilder(): InternalBuilder {
      return builders.instance(() => super.queryBuilder(), [this]);
    }

    override raw(...args: unknown[]): RawQuery {
      return subclassed(super.raw(...args), raws, (base) => protectedRaw(base, results, catalogue));
    }

    override runner(builder: object): Runner {
      return schema.refreshing(super.runner(builder), builder);
    }

    /** Knex makes JSON of objects here, and of a placeholder in one its text. */
    override parameterize(values: unknown, ...more: unknown[]): string {
      for (const value of Array.isArray(values) ? values : [values]) refuseInside(value);
      return super.parameterize(values, ...more);
    }

    override _escapeBinding(binding: unknown, context?: object): string {
      if (binding instanceof CellArray)
        return `array[${Array.from(binding, (cell) => this._escapeBinding(cell, context)).join(', ')}]`;
      return printed(binding) ?? super._escapeBinding(binding, context);
    }

    override async query(connection: Connection, query: CompiledQuery | string): Promise<CompiledQuery> {
      if (typeof query !== 'string' && outgoing.mustPrepare(query)) {
        await leases.during(connection, () => outgoing.prepare(this, connection, query));
        // anew: a transaction that ended meanwhile refuses it
        return this.query(connection, query);
      }
      const answer = await super.query(connection, query);
      schema.ran(connection, typeof query === 'string' ? query : query.sql);
      return answer;
    }

    override async _query(connection: Connection, query: CompiledQuery): Promise<CompiledQuery> {
      const admit = seam.scopes.admitting();
      let response: QueryResult;
      try {
        response = await outgoing.sendAgain(this, connection, query, (sealed) => super._query(connection, sealed));
      } catch (error) {
        throw translated(error, seam, holdsMarkers(query.bindings));
      }
      try {
        refuseBeyondCap(query, response);
        const learn: Learn = (elements) => schema.learn(elements, connection);
        const opened = await openResult(seam, response, { parsers: connection, learn, admit });
        if (opened || showsPersonal(seam, query.sql, response)) results.add(response);
        sortDecrypted(query, response);
      } catch (error) {
        throw written(error, response, connection);
      }
      // not before: an error or a timeout meanwhile shows the query to listeners, and opened rows are not theirs
      query.response = response;
      return query;
    }

    override async stream(
      connection: Connection,
      query: CompiledQuery | string,
      stream: NodeJS.WritableStream,
      options: object,
    ): Promise<void> {
      if (typeof query === 'string') return super.stream(connection, query, stream, options);
      const mustPrepare = outgoing.mustPrepare(query);
      try {
        refuseStreamed(query);
        refuseSortedStream(query);
        if (mustPrepare) await leases.during(connection, () => outgoing.prepare(this, connection, query));
      } catch (error) {
        stream.emit('error', error);
        throw error;
      }
      return mustPrepare
        ? this.stream(connection, query, stream, options) // anew, as above
        : super.stream(connection, query, stream, options);
    }

    override async _stream(
      connection: Connection,
      query: CompiledQuery,
      stream: NodeJS.WritableStream,
      options: object,
    ): Promise<void> {
      const personal = holdsMarkers(query.bindings);
      const learn: Learn = (elements) => schema.learn(elements, undefined);
      const reading = { parsers: connection, learn, admit: seam.scopes.admitting() };
      const opening = new OpeningStream(
        (rows, fields) => openRows(seam, rows, fields, reading),
        (error) => translated(error, seam, personal),
      );
      const sealed = { ...query, bindings: outgoing.take(query) };
      return opening.between(stream, connection, () => super._stream(connection, sealed, opening as never, options));
    }

    override emit(event: string, ...args: unknown[]): boolean {
      return super.emit(event, ...results.redacted(event, args));
    }

    override releaseConnection(connection: Connection): Promise<void> {
      leases.end(connection);
      return super.releaseConnection(connection);
    }

    override cancelQuery(connection: Connection): Promise<void> {
      leases.end(connection);
      return super.cancelQuery(connection);
    }

    override async destroy(callback?: () => void): Promise<void> {
      await seam.close();
      return super.destroy(callback);
    }
  }
  Object.defineProperty(ProtectedClient.prototype, PROTECTED, { value: seam });
  return ProtectedClient;
}
