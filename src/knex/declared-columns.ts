/**
 * The declared columns of one `createTable` or `alterTable`: what each is called in the database, which statements go before
 * and after the table's own, and what may not be said of a sealed one.
 */
import { AnnotationError } from '../errors';
import { changesType, defineElement, domainName } from '../schema/element-definition';
import {
  annotateColumn,
  type Bound,
  defineDomain,
  indexColumn,
  indexTokens,
  refuseConstraint,
} from '../schema/statements';
import { type ColumnDeclaration, columnDeclarations } from './annotation-methods';
import type { ColumnCompiler, TableCompiler, TableStatement } from './schema-internals';

export interface DeclaredColumn {
  readonly name: string;
  readonly compiler: ColumnCompiler & { declaredType(): string };
  readonly declaration: ColumnDeclaration;
}

/** @param method `'add'`, or `'alter'` for those that end in `.alter()` */
export function declaredColumns(table: TableCompiler, method = 'add'): DeclaredColumn[] {
  return table.getColumns(method).flatMap((compiler) => {
    const declaration = columnDeclarations.get(compiler.columnBuilder);
    const name = mapped(table, compiler.getColumnName());
    return declaration ? [{ name, compiler: compiler as DeclaredColumn['compiler'], declaration }] : [];
  });
}

/** The type of a column that a declaration protects; undefined where the type stays as it was written. */
export function domainOf(compiler: ColumnCompiler): string | undefined {
  const declaration = columnDeclarations.get(compiler.columnBuilder);
  if (!declaration?.personal || !changesType(declaration.personal)) return undefined;
  // A name for the length of the migration: the lasting one, which another table may bear now, is given at its end.
  return domainName([...tablePath(compiler.tableCompiler), `${nameOf(compiler)}~new`]);
}

/** What creates the column's type. */
export function beforeColumn(table: TableCompiler, { name, compiler, declaration }: DeclaredColumn): Bound[] {
  const domain = domainOf(compiler);
  const { personal } = declaration;
  if (domain === undefined || !personal) return [];
  if (personal.protect === 'encrypt') refuseConstraints(table, compiler);
  const path = tablePath(table);
  const definition = defineElement(path.at(-1) ?? '', name, personal, compiler.declaredType());
  return [defineDomain(domain, definition, path.at(-2) ?? null)];
}

/** What records the declaration, and the indexes by which its values are found. */
export function afterColumn(table: TableCompiler, { name, declaration }: DeclaredColumn): Bound[] {
  const { personal, notPersonal } = declaration;
  const spec = personal ?? notPersonal;
  const statements = spec ? [annotateColumn(table.tableName(), name, spec)] : [];
  if (personal?.protect === 'encrypt' && personal.search) {
    statements.push(indexColumn(table.tableName(), name, personal.unique === true));
  }
  if (personal?.protect === 'encrypt' && personal.tokens) statements.push(indexTokens(table.tableName(), name));
  return statements;
}

/** What asks the database, before a table is altered, whether a constraint would be laid over a sealed column of it. */
export function beforeConstraints(table: TableCompiler): Bound[] {
  return constraintsOf(table).map(({ method = '', args }) => {
    const columns = columnsOf(args?.[0]).map((name) => mapped(table, String(name)));
    return refuseConstraint(table.tableName(), columns, WORDS[method] ?? method);
  });
}

/** A name as the database has it: a snake-case mapper, for example. */
export function mapped(table: TableCompiler, name: string): string {
  return table.client.customWrapIdentifier(name, (same) => same, table.tableBuilder.queryContext());
}

const REFUSED_MODIFIERS = /^(default|check)/;
/** What Knex calls a constraint, and what a migration calls it. */
const WORDS: Readonly<Record<string, string>> = {
  unique: 'unique',
  index: 'index',
  primary: 'primary',
  foreign: 'references',
  defaultTo: 'defaultTo',
};

/** A default would be plaintext; a check or a plain index would look at ciphertext and mean nothing. */
function refuseConstraints(table: TableCompiler, compiler: ColumnCompiler): void {
  const column = compiler.getColumnName();
  const modifier = Object.keys(compiler.columnBuilder._modifiers).find((name) => REFUSED_MODIFIERS.test(name));
  const constraint = constraintsOf(table).find((each) => columnsOf(each.args?.[0]).includes(column));
  const what = modifier ?? constraint?.method;
  if (what === undefined) return;
  throw new AnnotationError('CONSTRAINT_ON_SEALED', { table: table.tableNameRaw, column, what: WORDS[what] ?? what });
}

function constraintsOf(table: TableCompiler): TableStatement[] {
  return table.tableBuilder._statements.filter(
    ({ grouping, method = '' }) => grouping !== 'columns' && method in WORDS,
  );
}

function columnsOf(argument: unknown): unknown[] {
  const named = typeof argument === 'object' && argument !== null && 'column' in argument ? argument.column : argument;
  return [named].flat();
}

/** Schema, where the migration names one, and table; Knex also reads `createTable('billing.invoices')` so. */
function tablePath(table: TableCompiler): string[] {
  const names = table.tableNameRaw.split('.');
  if (table.schemaNameRaw) names.unshift(table.schemaNameRaw);
  return names.map((name) => mapped(table, name));
}

function nameOf(compiler: ColumnCompiler): string {
  return mapped(compiler.tableCompiler, compiler.getColumnName());
}
