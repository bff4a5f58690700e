/**
 * The parts of Knex's insides that the seam stands on, as types. Checked against knex 3.0 to 3.3: the method names exist
 * unchanged in all of them. No other folder may name them.
 */
import type { Knex } from 'knex';
import { type Queryable, quoteIdentifier, type Row } from '../queryable';

export { type Class, Subclassing, subclassed } from './subclassing';

/** What Knex hands to `client.query`: compiled SQL with its bindings. */
export interface CompiledQuery {
  sql: string;
  bindings: unknown[];
  method?: string;
  response?: QueryResult;
  [name: string]: unknown;
}

export interface Field {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  readonly dataTypeID: number;
}

export interface QueryResult {
  command: string;
  rowCount: number | null;
  rows: Row[];
  fields: Field[];
}

/** A `pg` Client as Knex pools it. */
export interface Connection extends Queryable {
  readonly __knexTxId?: string;
  /** `I`dle, in a `T`ransaction, in one that `E`rred; from pg 8.21 on. */
  getTransactionStatus?(): string | null;
  getTypeParser(oid: number, format: 'text'): (text: string) => unknown;
  /** Whatever it waits for is rejected. */
  end(): Promise<void>;
  once(event: 'end', listener: () => void): unknown;
  removeListener(event: 'end', listener: () => void): unknown;
}

/** One clause of a builder: `where`, `columns`, `join` … */
export interface Statement {
  readonly grouping: string;
  readonly type: string;
  readonly column?: unknown;
  readonly operator?: string;
  readonly value?: unknown;
  readonly bool?: string;
  readonly not?: boolean;
  readonly asColumn?: boolean;
  readonly distinct?: boolean;
  readonly distinctOn?: boolean;
  readonly method?: string;
  readonly table?: unknown;
  readonly schema?: string;
  readonly joinType?: string;
  readonly alias?: unknown;
  readonly aggregateDistinct?: boolean;
  readonly [name: string]: unknown;
}

export interface SingleClauses {
  table?: unknown;
  schema?: string;
  insert?: unknown;
  update?: Record<string, unknown>;
  counter?: Record<string, number>;
  returning?: unknown;
  updateFrom?: unknown;
  using?: unknown;
  onConflict?: unknown;
  merge?: { updates?: unknown };
  ignore?: boolean;
  only?: boolean;
  limit?: unknown;
  offset?: unknown;
  skipBinding?: object;
  /** Ours: what the statement is sent after, though it is sealed before. */
  after?: Promise<unknown> | undefined;
}

export interface InternalBuilder {
  client: InternalClient;
  _method?: string;
  _single: SingleClauses;
  _statements: Statement[];
  queryContext(): unknown;
  update(...given: unknown[]): unknown;
  clone(): InternalBuilder;
  clear(clause: string): InternalBuilder;
  distinct(...columns: string[]): InternalBuilder;
  limit(rows: number): InternalBuilder;
  toSQL(): CompiledQuery;
}

export interface PreparedInsert {
  columns: string[];
  values: unknown[][];
}

export interface InternalCompiler {
  client: InternalClient;
  builder: InternalBuilder;
  bindingsHolder: { bindings: unknown[] };
  method: string;
  single: SingleClauses;
  grouped: Record<string, Statement[] | undefined>;
  formatter: { wrap(value: unknown): string; columnize(value: unknown): string };
  toSQL(method?: string, tz?: string): CompiledQuery;
  where(): string | undefined;
  union(): string;
  columns(): string;
  analytic(statement: Statement): string;
  _not(statement: Statement, text: string): string;
  _prepInsert(data: unknown): PreparedInsert | string;
  _insertBody(rows: unknown): string;
  _buildInsertValues(prepared: PreparedInsert): string;
  _prepUpdate(data: Record<string, unknown>): string[] | string;
  _merge(updates: unknown, columns: unknown, insert: unknown): string;
  _onConflictClause(columns: unknown): string;
  _aggregate(statement: Statement, options?: unknown): string[];
  _groupsOrders(type: string): string;
  [clause: string]: unknown;
}

export interface InternalClient {
  readonly config: Knex.Config;
  connectionSettings: object;
  pool: unknown;
  transacting?: boolean;
  query(connection: Connection, query: CompiledQuery | string): Promise<CompiledQuery>;
  stream(
    connection: Connection,
    query: CompiledQuery | string,
    stream: NodeJS.WritableStream,
    options: object,
  ): Promise<void>;
  _query(connection: Connection, query: CompiledQuery): Promise<CompiledQuery>;
  _stream(connection: Connection, query: CompiledQuery, stream: NodeJS.WritableStream, options: object): Promise<void>;
  queryBuilder(): InternalBuilder;
  queryCompiler(builder: InternalBuilder, bindings?: unknown[]): InternalCompiler;
  tableCompiler(builder: object): object;
  columnCompiler(table: object, column: object): object;
  schemaCompiler(builder: object): object;
  raw(...args: unknown[]): RawQuery;
  runner(builder: object): Runner;
  parameter(value: unknown, builder: InternalBuilder, holder: unknown): string;
  positionBindings(sql: string): string;
  parameterize(values: unknown, ...more: unknown[]): string;
  _escapeBinding(binding: unknown, context?: object): string;
  customWrapIdentifier(name: string, origin: (name: string) => string, context: unknown): string;
  acquireConnection(): Promise<Connection>;
  releaseConnection(connection: Connection): Promise<void>;
  cancelQuery(connection: Connection): Promise<void>;
  acquireRawConnection(): Promise<Connection>;
  destroyRawConnection(connection: Connection): Promise<void>;
  destroy(callback?: () => void): Promise<void>;
  emit(event: string, ...args: unknown[]): boolean;
}

export interface RawQuery {
  isRawInstance: true;
  sql: string;
  bindings: unknown;
  client: InternalClient;
  toSQL(method?: string, tz?: string): CompiledQuery;
}

export interface Runner {
  connection?: Connection;
  ensureConnection(callback: (runner: Runner, params: unknown) => unknown, params?: unknown): Promise<unknown>;
}

/** Whether a connection is in a transaction, of Knex or begun by hand. */
export function isInTransaction(connection: Connection): boolean {
  const status = connection.getTransactionStatus?.();
  return connection.__knexTxId !== undefined || status === 'T' || status === 'E';
}

/** A name or an expression that Knex prints as it stands: not mapped, not quoted again, and no raw text of the caller's. */
export function verbatim(sql: string): string {
  return { isRawInstance: true, toSQL: () => ({ sql, bindings: [] }) } as unknown as string;
}

/** SQL around one parameter, in the place of a value; a class of its own, for Knex makes JSON of plain objects. */
export class Around {
  readonly isRawInstance = true;
  readonly #compiled: { sql: string; bindings: unknown[] };

  constructor(sql: string, binding: unknown) {
    this.#compiled = { sql, bindings: [binding] };
  }

  toSQL(): { sql: string; bindings: unknown[] } {
    return this.#compiled;
  }
}

/** A database name, quoted for Knex's text, where a bare `?` would be a parameter. */
export function quoted(name: string): string {
  return quoteIdentifier(name).replaceAll('?', '\\?');
}

export function internalsOf(knex: Knex): InternalClient {
  return knex.client as InternalClient;
}
