/** What the compiler asks of a column named in a query: is it protected, and may it be used like this? */

import type { Column, Element, Table } from '../catalogue/model';
import { isPersonal } from '../catalogue/model';
import { type ErrorCode, UnsupportedQueryError } from '../errors';
import { currentFrame } from './frame';
import type { InternalCompiler } from './internals';
import { databaseNames, type Resolved } from './scope';

export interface ProtectedColumn extends Resolved {
  readonly element: Element;
}

/** The column of the catalogue that a name means; notes on the statement when only the server can tell. */
export function columnNamed(compiler: InternalCompiler, name: unknown): Resolved | undefined {
  const frame = currentFrame();
  const written = typeof name === 'string' ? name : referenceText(name);
  if (!frame || written === undefined || written === '*') return undefined;
  const { path } = databaseNames(written, compiler.client, compiler.builder.queryContext());
  const found = frame.scope.resolve(path);
  if (found !== 'opaque') return found;
  frame.facts.opaque = true;
  return undefined;
}

export function protectedColumn(compiler: InternalCompiler, name: unknown): ProtectedColumn | undefined {
  const found = columnNamed(compiler, name);
  return found?.column.element && { ...found, element: found.column.element };
}

/** A column that holds ciphertext or a pseudonym: nothing but equality and NULL works over it. */
export function sealedColumn(compiler: InternalCompiler, name: unknown): ProtectedColumn | undefined {
  const found = protectedColumn(compiler, name);
  return found?.element.protect === 'truncate-ip' ? undefined : found;
}

export function isSealed({ column }: Resolved): boolean {
  return column.element !== undefined && column.element.protect !== 'truncate-ip';
}

export function isClearPersonal(column: Column): boolean {
  return column.element === undefined && isPersonal(column);
}

export function labelOf(found: Resolved): string {
  return `${found.table.name}.${found.column.name}`;
}

export function refuse(code: ErrorCode, found: Resolved, names: Record<string, string> = {}): never {
  throw new UnsupportedQueryError(code, { table: found.table.name, column: found.column.name, ...names });
}

export function refuseTable(code: ErrorCode, table: Table): never {
  const column = [...table.columns.values()].find((each) => each.element)?.name;
  throw new UnsupportedQueryError(code, { table: table.name, column });
}

/** The database name of a column that is written or merged, as the application writes it. */
export function nameOf(compiler: InternalCompiler): (written: string) => string {
  return (written) => {
    const { path } = databaseNames(written, compiler.client, compiler.builder.queryContext());
    return path.at(-1) ?? '';
  };
}

/** Refuses any of the named columns that is sealed; for clauses that would compare or order ciphertext. */
export function refuseSealed(
  compiler: InternalCompiler,
  names: unknown,
  code: ErrorCode,
  more: Record<string, string> = {},
): void {
  for (const name of [names].flat()) {
    const found = sealedColumn(
      compiler,
      typeof name === 'object' && name !== null && 'column' in name ? name.column : name,
    );
    if (found) refuse(code, found, more);
  }
}

export function isReference(value: unknown): boolean {
  return referenceText(value) !== undefined;
}

/** Text of a `knex.ref()`, the only object that is a column name and nothing else. */
function referenceText(name: unknown): string | undefined {
  return typeof name === 'object' && name !== null && 'ref' in name && typeof name.ref === 'string'
    ? name.ref
    : undefined;
}

export function isExpression(value: unknown): boolean {
  if (typeof value === 'function') return true;
  if (typeof value !== 'object' || value === null) return false;
  return 'isRawInstance' in value || '_statements' in value;
}
