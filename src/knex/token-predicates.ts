/**
 * Comparisons by search tokens, in Knex's own verbs: `whereILike('last_name', 'dup%')` looks for a beginning, `where('bio', '@@',
 * 'garden tools')` for words, all of them. What they are compared with is the expression that the column's GIN index is over.
 *
 * A pattern that tokens cannot answer is refused: one that found less than it says would be believed.
 */
import type { ElementTokens } from '../catalogue/model';
import type { Normaliser } from '../crypto/normaliser';
import { normalised, type TokenKind, wordsOf } from '../crypto/search-tokens';
import { isExpression, isReference, labelOf, type ProtectedColumn, refuse, sealedColumn } from './columns';
import type { InternalCompiler, Statement } from './internals';
import { SearchTokensMarker } from './marker';

/** What an operator asks for, as a text of `like` or of `@@`. */
const OPERATORS = /^(?<not>not )?(?:(?<like>like)|(?<ilike>ilike)|(?<words>@@))$/;
const BEGINNING = /^(?<text>[^%_\\]+)%$/;

/** Compiles `whereLike` and `whereILike`; undefined when Knex's own compilation is right. */
export function compareWithPattern(compiler: InternalCompiler, statement: Statement): string | undefined {
  const found = sealedColumn(compiler, statement.column);
  if (!found) return undefined;
  const operator = statement.type === 'whereILike' ? 'ilike' : 'like';
  return (
    compareByTokens(compiler, statement, found, operator) ?? refuse('OPERATOR', found, { operator: statement.type })
  );
}

/** Compiles `column ilike pattern` and `column @@ words`; undefined where the operator, or the column, knows no tokens. */
export function compareByTokens(
  compiler: InternalCompiler,
  statement: Statement,
  found: ProtectedColumn,
  operator: string,
): string | undefined {
  const { not = '', like, ilike } = OPERATORS.exec(operator)?.groups ?? {};
  const { tokens, state } = found.element;
  if (!tokens || !OPERATORS.test(operator)) return undefined;
  if (like) refuse('TOKENS_CASE', found, { operator });
  const kind = ilike ? 'prefix' : 'words';
  if (!tokens[kind]) refuse('TOKENS_MISSING', found, { kind });
  if (state === 'transition') refuse('IN_TRANSITION', found);
  const text = kind === 'prefix' ? beginning(found, tokens, statement.value) : words(found, tokens, statement.value);
  return `${compiler._not(statement, '')}${not}${storedTokens(compiler, statement.column)} @> ${operand(compiler, found, kind, text)}::int8[]`;
}

/** The indexed expression (`oubli.index_tokens`). */
function storedTokens(compiler: InternalCompiler, written: unknown): string {
  return `oubli.search_tokens(${compiler.formatter.wrap(written)}::bytea)`;
}

function operand(compiler: InternalCompiler, found: ProtectedColumn, kind: TokenKind, text: string): string {
  const marker = new SearchTokensMarker(found.element, labelOf(found), text, kind);
  return compiler.client.parameter(marker, compiler.builder, compiler.bindingsHolder);
}

/** @throws UnsupportedQueryError TOKENS_PATTERN or TOKENS_LENGTH */
function beginning(found: ProtectedColumn, { as, prefix }: ElementTokens, value: unknown): string {
  const { text } = BEGINNING.exec(asText(found, value, 'TOKENS_PATTERN'))?.groups ?? {};
  if (text === undefined || !prefix) return refuse('TOKENS_PATTERN', found);
  const length = [...normalised(as as Normaliser, text, names(found))].length;
  const { min, max } = prefix;
  if (length < min || length > max) refuse('TOKENS_LENGTH', found, { min: `${min}`, max: `${max}` });
  return text;
}

/** @throws UnsupportedQueryError TOKENS_NO_WORD */
function words(found: ProtectedColumn, { as }: ElementTokens, value: unknown): string {
  const text = asText(found, value, 'TOKENS_NO_WORD');
  if (wordsOf(normalised(as as Normaliser, text, names(found))).length === 0) refuse('TOKENS_NO_WORD', found);
  return text;
}

function asText(found: ProtectedColumn, value: unknown, otherwise: 'TOKENS_PATTERN' | 'TOKENS_NO_WORD'): string {
  if (isReference(value) || isExpression(value)) refuse('SUBQUERY_OPERAND', found);
  return typeof value === 'string' ? value : refuse(otherwise, found);
}

function names(found: ProtectedColumn): { table: string; column: string } {
  return { table: found.table.name, column: found.column.name };
}
