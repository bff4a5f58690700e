/**
 * Raw SQL that casts a sealed column to text and compares that with a parameter: `email::text = ?`. PostgreSQL sees two texts, one of
 * them the hex of ciphertext, and answers with nothing. Read by pattern, since by then no type tells: rather too many are refused.
 */
import type { Catalogue, Column, Element, Table } from '../catalogue/model';
import { isSealed, refuse } from './columns';
import { isWatched, mentionsTable } from './watched-names';

/** text, varchar, and arrays of them; tsquery, for which `@@` takes a text on its other side. */
const TEXTS = new Set([25, 1043, 1009, 1015, 3615]);
const CAST = '(?:text|varchar|character varying|citext)';
const MATCHED = '(?:=|@@|(?:not\\s+)?(?:in|like|ilike|similar)\\b)';
/** Inside a function, as in `lower(…) like`, or by itself; `position(… in …) > 0` looks for text in ciphertext on purpose. */
const COMPARED = `\\s*(?:\\)\\s*${MATCHED}|${MATCHED}|[<>~]|!=|!~|between\\b)`;

const patterns = new WeakMap<Column, RegExp>();

/** @param type what the server said a parameter is */
export function refuseForCast(catalogue: Catalogue, sql: string, type: number): void {
  if (!TEXTS.has(type)) return;
  for (const table of catalogue.tables.filter((each) => isWatched(each) && mentionsTable(sql, each.name))) {
    const column = [...table.columns.values()].find((each) => isCompared(table, each, sql));
    if (!column) continue;
    const code = looksForTokens(column.element, sql) ? 'TOKENS_IN_RAW' : 'OPERATOR';
    refuse(code, { table, column }, { operator: '::text' });
  }
}

const PATTERN = /\bi?like\b|@@|~~/i;

/** Whether a text about a column in which the builder finds beginnings or words is after some. */
export function looksForTokens(element: Element | undefined, sql: string): boolean {
  return element?.tokens !== undefined && PATTERN.test(sql);
}

function isCompared(table: Table, column: Column, sql: string): boolean {
  return isSealed({ table, column }) && patternOf(column).test(sql);
}

function patternOf(column: Column): RegExp {
  let pattern = patterns.get(column);
  if (!pattern) {
    const name = `(?<![\\w$])${column.name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}"?`;
    pattern = new RegExp(`${name}\\s*(?:::\\s*${CAST}|\\s+as\\s+${CAST}\\s*\\))${COMPARED}`, 'i');
    patterns.set(column, pattern);
  }
  return pattern;
}
