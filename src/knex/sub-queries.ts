/**
 * A sub-select as the operand of a protected column: blind index against blind index where both share an index key, kept
 * address against kept address. Anything else a sub-select gives is no value that was sealed alike, and is refused by name.
 */
import type { Element } from '../catalogue/model';
import { sharesIndex } from '../catalogue/search';
import { columnNamed } from './columns';
import { currentFrame } from './frame';
import { type InternalBuilder, type InternalCompiler, type Statement, verbatim } from './internals';
import { EQUALITY, indexExpression } from './predicates';
import { builderOf, onlyColumn } from './selection';

/** @returns the statement in terms of the index; undefined where the operand is not such a sub-select */
export function compareWithSubquery(compiler: InternalCompiler, statement: Statement): Statement | undefined {
  const outer = columnNamed(compiler, statement.column);
  const element = outer?.column.element;
  if (!element || !EQUALITY.has((statement.operator ?? '=').toLowerCase())) return undefined;
  const builder = builderOf(compiler.client, statement.value);
  const scope = builder && currentFrame()?.scope.within(builder);
  const inner = builder && scope && onlyColumn(builder, scope, compiler.client);
  const other = inner?.found.column.element;
  if (!inner || !other || !isComparable(element, other)) return undefined;
  if (element.protect === 'truncate-ip') return { ...statement, value: builder };
  return {
    ...statement,
    column: verbatim(indexExpression(compiler, { ...outer, element }, statement.column)),
    value: listing(builder, indexExpression(compiler, { ...inner.found, element: other }, inner.written)),
  };
}

function isComparable(a: Element, b: Element): boolean {
  if (a.protect !== 'truncate-ip' || b.protect !== 'truncate-ip') return sharesIndex(a, b);
  return a.v4 === b.v4 && a.v6 === b.v6 && a.declaredOid === b.declaredOid;
}

/** The same select with an expression in place of its column. */
function listing(builder: InternalBuilder, expression: string): InternalBuilder {
  const clone = builder.clone().clear('select');
  clone._statements = [...clone._statements, { grouping: 'columns', type: 'columns', value: [verbatim(expression)] }];
  return clone;
}
