/**
 * Comparisons in a plan that look at ciphertext: the bytes of a sealed column against those of another one, whose blind indexes have
 * another key, or its text against anything. PostgreSQL finds nothing wrong with them, and they match nothing. Comparisons by
 * blind index read `SUBSTRING((email)::bytea FROM 9 FOR 16)` here, and are none of these. Pure: an
 * expression is data.
 */
import { COLUMN, type SealedColumn } from './plan';
import { type BlindUse, closeAt, ENVELOPE, listed, type Meant, openAt, refused } from './plan-expressions';

/** @returns each sealed column that is compared by something else than its blind index */
export function comparisonsIn(expression: string, meant: Meant): BlindUse[] {
  return comparedIn(expression).flatMap(([a, b]) => [...blindOperand(a, b, meant), ...blindOperand(b, a, meant)]);
}

const OPERATOR = / (?:=|<>|<=?|>=?|!?~~?\*?|IS (?:NOT )?DISTINCT FROM|\^@) /g;

/** Both sides of every comparison. PostgreSQL puts each into brackets of its own (ruleutils.c), but not `nullif` and `case`. */
function comparedIn(expression: string): [string, string][] {
  const compared = [...expression.matchAll(OPERATOR)].flatMap(({ 0: { length }, index }): [string, string][] =>
    pairs(
      expression.slice(openAt(expression, index) + 1, index),
      expression.slice(index + length, closeAt(expression, index + length)),
    ),
  );
  const nullif = [...expression.matchAll(/\b(?:NULLIF|starts_with)\(/g)].flatMap(({ 0: { length }, index }) => {
    const [a = '', b = ''] = listed(expression.slice(index + length, closeAt(expression, index + length)));
    return [[a, b] as [string, string]];
  });
  const cases = [...expression.matchAll(CASE)].map(([, a, b]): [string, string] => [`(${a})::bytea`, `(${b})::bytea`]);
  return [...compared, ...nullif, ...cases];
}

const CASE = new RegExp(`\\bCASE (${COLUMN}) WHEN (${COLUMN}) `, 'g');

/** Rows are compared member by member. */
function pairs(a: string, b: string): [string, string][] {
  const [x, y] = [membersOf(a), membersOf(b)];
  return x.map((member, place) => [member, y[place] ?? '']);
}

function membersOf(operand: string): string[] {
  return operand.startsWith('ROW(') ? listed(operand.slice(4, -1)) : [operand];
}

/** What our operators make of a column, as the manual's section 9.5 spells it and as a function. */
const INDEX = new RegExp(`^(?:SUBSTRING|"substring")\\(\\((${COLUMN})\\)::bytea(?: FROM 9 FOR 16|, 9, 16)\\)$`);
const BYTES = new RegExp(`^\\((${COLUMN})\\)::bytea$`);
/** Cast, perhaps several times over, and folded, as `lower(email::text)`. */
const FOLDING = '(?:lower|upper|initcap|btrim|ltrim|rtrim|"?left"?|"?right"?|unaccent|replace|reverse|TRIM)';
const TEXT = new RegExp(
  `^(?:${FOLDING}\\((?:(?:BOTH|LEADING|TRAILING) FROM )?)*\\(+(${COLUMN})\\)+::(text|character varying|character|bpchar|citext)\\b`,
);
const MADE_BYTES = /::bytea(?:\[\])?\)*$/;
const ENVELOPE_LITERAL = `${ENVELOPE}'::bytea`;

function blindOperand(operand: string, other: string, meant: Meant): BlindUse[] {
  const [, bytes] = BYTES.exec(operand) ?? [];
  if (bytes) return blindBytes(meant(bytes), other, meant);
  const [, indexed] = INDEX.exec(operand) ?? [];
  if (indexed && INDEX.test(other))
    return refused(
      meant(indexed).filter(({ compound }) => compound),
      'COMPOUND_ALONE',
    );
  const [, text, type] = TEXT.exec(operand) ?? [];
  return text ? blindText(meant(text), other, `::${type}`, meant) : [];
}

function blindBytes(columns: readonly SealedColumn[], other: string, meant: Meant): BlindUse[] {
  if (/^''::bytea$/.test(other)) return refused(columns, 'OPERATOR', '::bytea');
  // bytes of a parameter are looked at when they are bound, and a column of plain bytes was asked for by a cast
  if (!MADE_BYTES.test(other) || other === ENVELOPE_LITERAL || /^\(\$\d+\)/.test(other)) return [];
  const [, written] = BYTES.exec(other) ?? [];
  return isOneElement(columns, written ? meant(written) : []) ? [] : refused(columns, 'COLUMN_COMPARE');
}

/** A pseudonym is a text by itself: it is compared with texts, and with pseudonyms that were made for the same purpose. */
function blindText(columns: readonly SealedColumn[], other: string, cast: string, meant: Meant): BlindUse[] {
  const sealed = columns.filter(({ protect }) => protect === 'encrypt');
  if (sealed.length > 0) return refused(sealed, 'OPERATOR', cast);
  const [, written] = TEXT.exec(other) ?? [];
  const others = written ? meant(written) : [];
  return others.length === 0 || isOneElement(columns, others) ? [] : refused(columns, 'COLUMN_COMPARE');
}

function isOneElement(columns: readonly SealedColumn[], others: readonly SealedColumn[]): boolean {
  return columns.some(({ element }) => others.some((other) => other.element === element));
}
