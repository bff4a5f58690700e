/**
 * JSON values as Knex and node-postgres hand them to a `json` column: an object, array, number or boolean is
 * serialised; a string is JSON text already. The text is kept as given, as PostgreSQL's `json` does.
 */
import { InvalidValueError, type Names } from '../errors';
import { refuseIllFormed } from './text';

/** @throws {InvalidValueError} for what has no JSON form, or hides NUL or a lone surrogate behind an escape */
export function jsonText(value: unknown, names: Names): string {
  const text = typeof value === 'string' ? value : serialise(value, names);
  refuseIllFormed(text, names);
  parse(text, names);
  return text;
}

function serialise(value: unknown, names: Names): string {
  if (!losesItself(value)) {
    try {
      const text: string | undefined = JSON.stringify(value);
      if (text !== undefined) return text;
    } catch {
      // A cycle, or a bigint somewhere inside. The engine's message quotes the value's keys, so it goes no further.
    }
  }
  throw new InvalidValueError('VALUE_NOT_JSON', names);
}

/** What JSON.stringify would turn into something else without a word: NaN into null, a Map into {}. */
function losesItself(value: unknown): boolean {
  if (value === null || value instanceof Map || value instanceof Set) return true;
  return ArrayBuffer.isView(value) || (typeof value === 'number' && !Number.isFinite(value));
}

/** RFC 8259 grammar; and every string and key looked at unescaped, for PostgreSQL's `jsonb` refuses these two there. */
function parse(text: string, names: Names): void {
  try {
    JSON.parse(text, (key, value: unknown) => {
      refuseIllFormed(key, names);
      if (typeof value === 'string') refuseIllFormed(value, names);
      return value;
    });
  } catch (error) {
    throw error instanceof InvalidValueError ? error : new InvalidValueError('VALUE_NOT_JSON', names);
  }
}
