/**
 * Knex's schema builder with declarations understood: `.personal()` and its kin, compiled into the same sequence of
 * statements as the table, so that they live and die with the migration's transaction. Works without keys, since a migration
 * has none to hand.
 */
import { AnnotationError } from '../errors';
import { quoteIdentifier } from '../queryable';
import { changesType, defineElement, domainName } from '../schema/element-definition';
import {
  annotateColumn,
  annotateData,
  annotateSubjects,
  type Bound,
  defineDomain,
  indexColumn,
  refreshGuard,
  renameColumn,
  tidyCatalogue,
} from '../schema/statements';
import { type ColumnDeclaration, columnDeclarations, tableDeclarations } from './annotation-methods';
import { type Class, type InternalClient, subclassed } from './internals';

/** On the prototype of every client that understands declarations. */
export const ANNOTATES = Symbol.for('oubli.annotates');

interface ColumnBuilder {
  readonly _method: string;
  readonly _modifiers: Record<string, unknown>;
}

interface ColumnCompiler {
  readonly columnBuilder: ColumnBuilder;
  readonly tableCompiler: TableCompiler;
  getColumnName(): string;
  getColumnType(): string;
}

interface TableCompiler {
  readonly client: InternalClient;
  readonly tableBuilder: {
    readonly _statements: { method?: string; args?: unknown[]; grouping?: string }[];
    queryContext(): unknown;
  };
  readonly grouped: { columns?: { builder: ColumnBuilder }[] };
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

interface SchemaCompiler {
  dropTable(name: string): unknown;
  dropTableIfExists(name: string): unknown;
  pushQuery(query: { sql: string }): void;
}

export function annotatingClient(Base: Class<InternalClient>): Class<InternalClient> {
  if (ANNOTATES in Base.prototype) return Base;
  const tables = new WeakMap<object, Class<TableCompiler>>();
  const columns = new WeakMap<object, Class<ColumnCompiler>>();
  const schemas = new WeakMap<object, Class<SchemaCompiler>>();

  class AnnotatingClient extends Base {
    override tableCompiler(builder: object): object {
      return subclassed(super.tableCompiler(builder) as TableCompiler, tables, annotatingTableCompiler);
    }

    override columnCompiler(table: object, column: object): object {
      return subclassed(super.columnCompiler(table, column) as ColumnCompiler, columns, domainColumnCompiler);
    }

    override schemaCompiler(builder: object): object {
      return subclassed(super.schemaCompiler(builder) as SchemaCompiler, schemas, tidyingSchemaCompiler);
    }
  }
  Object.defineProperty(AnnotatingClient.prototype, ANNOTATES, { value: true });
  return AnnotatingClient;
}

/** A protected column's type is its element's domain. */
function domainColumnCompiler(Base: Class<ColumnCompiler>): Class<ColumnCompiler> {
  return class DomainColumnCompiler extends Base {
    override getColumnType(): string {
      const declaration = columnDeclarations.get(this.columnBuilder);
      if (!declaration?.personal || !changesType(declaration.personal)) return super.getColumnType();
      return `oubli.${quoteIdentifier(domainName(pathOf(this.tableCompiler, this)))}`;
    }

    declaredType(): string {
      return super.getColumnType();
    }
  };
}

function annotatingTableCompiler(Base: Class<TableCompiler>): Class<TableCompiler> {
  return class AnnotatingTableCompiler extends Base {
    override create(ifNot?: boolean, like?: boolean): void {
      const declared = declaredColumns(this);
      if (ifNot && declared.length > 0) throw new AnnotationError('IF_NOT_EXISTS', { table: this.tableNameRaw });
      this.around(declared, () => super.create(ifNot, like));
    }

    override alter(): void {
      const [altered] = declaredColumns(this, 'alter');
      if (altered) throw new AnnotationError('ALTER_DECLARED', { table: this.tableNameRaw, column: altered.name });
      this.around(declaredColumns(this), () => super.alter());
    }

    override dropColumn(...names: unknown[]): void {
      super.dropColumn(...names);
      push(this, tidyCatalogue(this.tableName()));
    }

    override renameColumn(from: string, to: string): unknown {
      const result = super.renameColumn(from, to);
      push(this, renameColumn(this.tableName(), mapped(this, from), mapped(this, to)));
      return result;
    }

    private around(declared: readonly DeclaredColumn[], emit: () => void): void {
      for (const column of declared) for (const statement of beforeColumn(this, column)) push(this, statement);
      emit();
      const table = tableDeclarations.get(this.tableBuilder);
      if (declared.length === 0 && !table) return;
      for (const column of declared) for (const statement of afterColumn(this, column)) push(this, statement);
      if (table?.subjects) push(this, annotateSubjects(this.tableName(), table.subjects.kind, table.subjects.spec));
      if (table?.data) push(this, annotateData(this.tableName(), table.data));
      push(this, refreshGuard(this.tableName()));
    }
  };
}

/** What is dropped takes its declarations along. */
function tidyingSchemaCompiler(Base: Class<SchemaCompiler>): Class<SchemaCompiler> {
  return class TidyingSchemaCompiler extends Base {
    override dropTable(name: string): unknown {
      const result = super.dropTable(name);
      this.pushQuery({ sql: tidyCatalogue().sql });
      return result;
    }

    override dropTableIfExists(name: string): unknown {
      const result = super.dropTableIfExists(name);
      this.pushQuery({ sql: tidyCatalogue().sql });
      return result;
    }
  };
}

interface DeclaredColumn {
  readonly name: string;
  readonly compiler: ColumnCompiler & { declaredType(): string };
  readonly declaration: ColumnDeclaration;
}

function declaredColumns(table: TableCompiler, method?: string): DeclaredColumn[] {
  return table.getColumns(method).flatMap((compiler) => {
    const declaration = columnDeclarations.get(compiler.columnBuilder);
    const name = mapped(table, compiler.getColumnName());
    return declaration ? [{ name, compiler: compiler as DeclaredColumn['compiler'], declaration }] : [];
  });
}

function beforeColumn(table: TableCompiler, { name, compiler, declaration }: DeclaredColumn): Bound[] {
  const { personal } = declaration;
  if (!personal || !changesType(personal)) return [];
  if (personal.protect === 'encrypt') refuseConstraints(table, compiler);
  const path = pathOf(table, compiler);
  const definition = defineElement(path.at(-2) ?? '', name, personal, compiler.declaredType());
  return [defineDomain(domainName(path), definition, table.schemaNameRaw ? mapped(table, table.schemaNameRaw) : null)];
}

function afterColumn(table: TableCompiler, { name, declaration }: DeclaredColumn): Bound[] {
  const { personal, notPersonal } = declaration;
  const spec = personal ?? notPersonal;
  const statements = spec ? [annotateColumn(table.tableName(), name, spec)] : [];
  if (personal?.protect === 'encrypt' && personal.search) {
    statements.push(indexColumn(table.tableName(), name, personal.unique === true));
  }
  return statements;
}

const REFUSED_MODIFIERS = /^(default|check)/;
const REFUSED_CONSTRAINTS = new Set(['unique', 'index', 'primary', 'foreign']);

/** A default would be plaintext; a check or a plain index would look at ciphertext and mean nothing. */
function refuseConstraints(table: TableCompiler, compiler: ColumnCompiler): void {
  const column = compiler.getColumnName();
  const modifier = Object.keys(compiler.columnBuilder._modifiers).find((name) => REFUSED_MODIFIERS.test(name));
  const constraint = table.tableBuilder._statements.find(
    (each) => REFUSED_CONSTRAINTS.has(each.method ?? '') && columnsOf(each.args?.[0]).includes(column),
  );
  const what = modifier ?? constraint?.method;
  if (what) throw new AnnotationError('CONSTRAINT_ON_SEALED', { table: table.tableNameRaw, column, what });
}

function columnsOf(argument: unknown): unknown[] {
  const named = typeof argument === 'object' && argument !== null && 'column' in argument ? argument.column : argument;
  return [named].flat();
}

function pathOf(table: TableCompiler, column: ColumnCompiler): string[] {
  const names = [table.tableNameRaw, column.getColumnName()];
  if (table.schemaNameRaw) names.unshift(table.schemaNameRaw);
  return names.map((name) => mapped(table, name));
}

function mapped(table: TableCompiler, name: string): string {
  return table.client.customWrapIdentifier(name, (same) => same, table.tableBuilder.queryContext());
}

function push(table: TableCompiler, { sql, bindings }: Bound): void {
  table.pushQuery({ sql, bindings: [...bindings] });
}
