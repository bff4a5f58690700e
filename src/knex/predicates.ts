/**
 * Comparisons with protected columns. A searchable sealed column is compared by its blind index, written out as the
 * expression that is indexed, so that it does not depend on the session's search_path; an address is truncated first.
 */
import { sharesIndex } from '../catalogue/search';
import {
  columnNamed,
  isClearPersonal,
  isExpression,
  isReference,
  labelOf,
  type ProtectedColumn,
  refuse,
} from './columns';
import { compareCompound, refuseAlone, storedIndex } from './compound-predicates';
import { type InternalCompiler, type Statement, verbatim } from './internals';
import { AddressMarker, ClearMarker, IndexMarker } from './marker';
import type { Resolved } from './scope';
import { compareByTokens } from './token-predicates';

export const EQUALITY = new Set(['=', '!=', '<>']);

/** Compiles `column operator value`; undefined when Knex's own compilation is right. */
export function compareWithValue(compiler: InternalCompiler, statement: Statement): string | Statement | undefined {
  const found = columnNamed(compiler, statement.column);
  if (!found) return undefined;
  const { element } = found.column;
  if (!element) return undefined;
  const column = { ...found, element };
  const compound = compareCompound(compiler, statement, column);
  if (compound !== undefined) return compound;
  const operator = (statement.operator ?? '=').toLowerCase();
  if (element.protect === 'truncate-ip') return compareAddress(column, statement, operator);
  const byTokens = compareByTokens(compiler, statement, column, operator);
  if (byTokens !== undefined) return byTokens;
  if (!EQUALITY.has(operator)) refuse('OPERATOR', column, { operator });
  if (statement.value === null || statement.value === undefined) return undefined;
  if (isReference(statement.value)) {
    return `${compiler._not(statement, '')}${compareColumns(compiler, statement.column, operator, statement.value)}`;
  }
  return `${compiler._not(statement, '')}${indexExpression(compiler, column, statement.column)} ${operator} ${operand(compiler, column, statement.value)}`;
}

/** Compiles `column in (…)`; undefined when Knex's own compilation is right. */
export function compareWithList(compiler: InternalCompiler, statement: Statement): string | Statement | undefined {
  const found = columnNamed(compiler, statement.column);
  if (!found) return undefined;
  const { element } = found.column;
  const { value } = statement;
  if (!element) return undefined;
  const column = { ...found, element };
  if (!Array.isArray(value)) refuse('SUBQUERY_OPERAND', column);
  if (element.protect === 'truncate-ip') return addressIn(compiler, statement, column, value);
  const operands = value.map((each) => (each === null ? 'null' : operand(compiler, column, each)));
  return `${indexExpression(compiler, column, statement.column)} ${compiler._not(statement, 'in ')}(${operands.join(', ')})`;
}

/** Compiles `(a, b) in ((…), (…))`: the index of each sealed column against the index of each value. */
export function compareWithTuples(compiler: InternalCompiler, statement: Statement): Statement | undefined {
  const names = statement.column as unknown[];
  const found = names.map((name) => columnNamed(compiler, name));
  const sealed = found.find((each) => each?.column.element);
  if (!sealed) return undefined;
  const { value } = statement;
  if (!Array.isArray(value) || !value.every((row) => Array.isArray(row))) refuse('SUBQUERY_OPERAND', sealed);
  const column = names.map((name, place) => {
    const of = indexed(found[place]);
    return of ? verbatim(indexExpression(compiler, of, name)) : name;
  });
  return { ...statement, column, value: value.map((row) => row.map((each, place) => inTuple(found[place], each))) };
}

function inTuple(found: Resolved | undefined, value: unknown): unknown {
  const element = found?.column.element;
  if (value === null || !found) return value;
  if (!element) return isClearPersonal(found.column) ? new ClearMarker(labelOf(found), value) : value;
  refuseExpression(found, value, 'SUBQUERY_OPERAND');
  if (Array.isArray(value)) refuse('ARRAY_OPERAND', found);
  const Operand = element.protect === 'truncate-ip' ? AddressMarker : IndexMarker;
  return new Operand(element, labelOf(found), value);
}

function indexed(found: Resolved | undefined): ProtectedColumn | undefined {
  const element = found?.column.element;
  return found && element && element.protect !== 'truncate-ip' ? { ...found, element } : undefined;
}

/** Two columns: compared where both are searchable and of one element or one search group, refused otherwise. */
export function compareColumns(
  compiler: InternalCompiler,
  left: unknown,
  operator: string,
  right: unknown,
): string | undefined {
  const [a, b] = [columnNamed(compiler, left), columnNamed(compiler, right)];
  const sealed = [a, b].find((each) => each?.column.element && each.column.element.protect !== 'truncate-ip');
  if (!sealed) return undefined;
  if (!a?.column.element || !b?.column.element || !sharesIndex(a.column.element, b.column.element))
    refuse('COLUMN_COMPARE', sealed);
  if (!EQUALITY.has(operator)) refuse('OPERATOR', sealed, { operator });
  const x: ProtectedColumn = { ...a, element: a.column.element };
  const y: ProtectedColumn = { ...b, element: b.column.element };
  return `${indexExpression(compiler, x, left)} ${operator} ${indexExpression(compiler, y, right)}`;
}

export function indexExpression(compiler: InternalCompiler, found: ProtectedColumn, written: unknown): string {
  if (found.element.normaliser === undefined) refuse('NOT_SEARCHABLE', found);
  if (found.element.compound) refuseAlone(found, found.element.compound);
  if (found.element.state === 'transition') refuse('IN_TRANSITION', found);
  return storedIndex(compiler, written);
}

function operand(compiler: InternalCompiler, found: ProtectedColumn, value: unknown): string {
  refuseExpression(found, value, 'SUBQUERY_OPERAND');
  if (Array.isArray(value) && found.element.codec !== 'json') refuse('ARRAY_OPERAND', found);
  return compiler.client.parameter(
    new IndexMarker(found.element, labelOf(found), value),
    compiler.builder,
    compiler.bindingsHolder,
  );
}

function compareAddress(found: ProtectedColumn, statement: Statement, operator: string): Statement | undefined {
  if (statement.asColumn || statement.value === null || statement.value === undefined) return undefined;
  if (!EQUALITY.has(operator)) return undefined;
  return { ...statement, value: address(found, statement.value) };
}

/** Of a list, our own operator would be asked for each value, and no index: the base type's is. */
function addressIn(
  compiler: InternalCompiler,
  statement: Statement,
  found: ProtectedColumn,
  values: readonly unknown[],
): Statement {
  const base = found.element.declaredOid === INET ? 'inet' : 'text';
  const column = verbatim(`${compiler.formatter.wrap(statement.column)}::${base}`);
  return { ...statement, column, value: values.map((each) => address(found, each)) };
}

const INET = 869;

function address(found: ProtectedColumn, value: unknown): unknown {
  return value === null || isExpression(value) ? value : new AddressMarker(found.element, labelOf(found), value);
}

export function refuseExpression(found: Resolved, value: unknown, code: 'EXPRESSION' | 'SUBQUERY_OPERAND'): void {
  if (isExpression(value)) refuse(code, found);
}
