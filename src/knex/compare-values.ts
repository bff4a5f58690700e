/** Which of two opened values comes first, as PostgreSQL orders the type they were declared with; texts as a language does. */
import { numericText } from '../crypto/numeric';
import { InvalidValueError, type Names } from '../errors';

type Compare = (a: unknown, b: unknown) => number;

/**
 * @param codec how values of the column are encoded (ENVELOPE.md E7)
 * @returns what answers below, above or at zero; it throws InvalidValueError for what a type parser of the application's made of
 *   a value that has no order
 */
export function compareValues(codec: string, locale: string, names: Names): Compare {
  const ordered = (a: unknown, b: unknown): number => {
    if (typeof a !== typeof b || !['number', 'bigint', 'boolean', 'string'].includes(typeof a))
      throw new InvalidValueError('VALUE_NOT_ORDERED', names);
    return (a as number) < (b as number) ? -1 : a === b ? 0 : 1;
  };
  switch (codec) {
    case 'text': {
      const { compare } = new Intl.Collator(locale);
      return (a, b) => compare(String(a), String(b)) || ordered(String(a), String(b));
    }
    case 'bytes':
      return (a, b) => Buffer.compare(a as Uint8Array, b as Uint8Array);
    case 'integer':
    case 'numeric':
      return (a, b) => compareDecimals(numericText(a, names), numericText(b, names));
    case 'boolean':
      return ordered;
    default:
      return (a, b) => ordered(moment(a), moment(b));
  }
}

const SPECIAL: Readonly<Record<string, number>> = { '-Infinity': -1, Infinity: 1, NaN: 2 };

/** Exactly, whatever the number of digits; NaN is above all, as in PostgreSQL (manual, 8.1.2). */
function compareDecimals(a: string, b: string): number {
  const special = (SPECIAL[a] ?? 0) - (SPECIAL[b] ?? 0);
  if (special !== 0 || a in SPECIAL) return special;
  const scale = Math.max(scaleOf(a), scaleOf(b));
  const [x, y] = [units(a, scale), units(b, scale)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function scaleOf(text: string): number {
  return text.split('.')[1]?.length ?? 0;
}

function units(text: string, scale: number): bigint {
  const [whole = '', fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(scale, '0'));
}

/** A Date, or the text of one where the application reads dates as texts; those of four-digit years are ordered like texts. */
function moment(value: unknown): unknown {
  if (value instanceof Date) return value.getTime();
  return typeof value === 'string' && !/^\d{4}-/.test(value) ? undefined : value;
}
