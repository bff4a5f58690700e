/**
 * Expressions of a plan as PostgreSQL writes them (ruleutils.c): every operation in brackets of its own, every cast shown. Pure; what
 * compares and what computes is found in them by `plan-comparisons.ts` and `plan-computations.ts`.
 */
import type { PlanNode, SealedColumn } from './plan';

export interface BlindUse {
  readonly table: string;
  readonly column: string;
  readonly code: 'AGGREGATE' | 'COLUMN_COMPARE' | 'COMPOUND_ALONE' | 'OPERATOR' | 'SEALED_IN_TEXT';
  /** The cast or the function that ciphertext goes through; undefined where another sealed column is on the other side. */
  readonly operator: string | undefined;
}

/** Every sealed column that a column of the expression can be. */
export type Meant = (written: string) => readonly SealedColumn[];

export function expressionsOf(node: PlanNode): string[] {
  return Object.entries(node).flatMap(([key, value]) =>
    key === 'Plans'
      ? []
      : [value].flat().filter((each): each is string => typeof each === 'string' && IS_MORE.test(each)),
  );
}

/** A name alone compares nothing. */
const IS_MORE = /[( ]/;
/** How a literal begins that can be a sealed value. */
export const ENVELOPE = "'\\xa70b01";

/** Nothing that stands in a literal is code; of one that can be a sealed value, so much is kept. */
export function masked(expression: string): string {
  return expression.replace(/'(?:[^']|'')*'/g, (literal) => (literal.startsWith(ENVELOPE) ? `${ENVELOPE}'` : `''`));
}

/** The members of a list, at its commas. */
export function listed(text: string): string[] {
  const parts: string[] = [];
  let [depth, from] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    depth += depthOf(text[at]);
    if (text[at] !== ',' || depth > 0) continue;
    parts.push(text.slice(from, at).trim());
    from = at + 1;
  }
  return [...parts, text.slice(from).trim()];
}

/** The bracket that is open at a place, looking back. */
export function openAt(text: string, place: number): number {
  let depth = 0;
  let at = place - 1;
  for (; at >= 0 && depth <= 0; at--) depth += depthOf(text[at]);
  return depth > 0 ? at + 1 : -1;
}

/** The bracket that closes what is open at a place. */
export function closeAt(text: string, place: number): number {
  let depth = 0;
  for (let at = place; at < text.length; at++) {
    depth += depthOf(text[at]);
    if (depth < 0) return at;
  }
  return text.length;
}

function depthOf(character: string | undefined): number {
  return character === '(' ? 1 : character === ')' ? -1 : 0;
}

/** A pseudonym is a text, of which anything may be made. */
export function refusedSealed(written: string, meant: Meant, code: BlindUse['code'], operator: string): BlindUse[] {
  return refused(
    meant(written).filter(({ protect }) => protect === 'encrypt'),
    code,
    operator,
  );
}

export function refused(columns: readonly SealedColumn[], code: BlindUse['code'], operator?: string): BlindUse[] {
  return columns.slice(0, 1).map(({ table, column }) => ({ table, column, code, operator }));
}
