/**
 * The parts of Knex's schema builder that declarations stand on, as types; `internals.ts` has those of its queries.
 */
import type { InternalClient } from './internals';

export interface ColumnBuilder {
  readonly _method: string;
  readonly _modifiers: Record<string, unknown>;
  readonly alterType?: unknown;
}

export interface ColumnCompiler {
  readonly columnBuilder: ColumnBuilder;
  readonly tableCompiler: TableCompiler;
  getColumnName(): string;
  getColumnType(): string;
}

/** One call on a table builder: `t.unique(['email'])`. */
export interface TableStatement {
  readonly grouping: string;
  readonly method?: string;
  readonly args?: readonly unknown[];
}

export interface TableCompiler {
  readonly client: InternalClient;
  readonly tableBuilder: {
    readonly _statements: TableStatement[];
    queryContext(): unknown;
  };
  readonly tableNameRaw: string;
  readonly schemaNameRaw: string | undefined;
  create(ifNot?: boolean, like?: boolean): void;
  alter(): void;
  dropColumn(...names: unknown[]): void;
  renameColumn(from: string, to: string): unknown;
  getColumns(method?: string): ColumnCompiler[];
  tableName(): string;
  pushQuery(query: { sql: string; bindings?: unknown[] }): void;
}

export interface SchemaCompiler {
  dropTable(name: string): unknown;
  dropTableIfExists(name: string): unknown;
  dropSchema(name: string, cascade?: boolean): unknown;
  dropSchemaIfExists(name: string, cascade?: boolean): unknown;
  renameTable(from: string, to: string): unknown;
  qualifiedTableName(name: string): string;
  pushQuery(query: { sql: string }): void;
}
