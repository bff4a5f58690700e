/**
 * Exact numbers as PostgreSQL's `numeric` writes them: no exponent, no plus sign, no needless zero in front, and the
 * scale as given (`1.50` stays `1.50`). Used by the codec, and by blind indexes, where `1.5` must find `1.50`.
 */
import { InvalidValueError, type Names } from '../errors';

/** Digits before and after the point, PostgreSQL documentation, table 8.2. */
const MAX_WHOLE_DIGITS = 131_072;
const MAX_SCALE = 16_383;

/** Sign, digits, fraction, exponent; the digits may stand on either side of the point. */
const DECIMAL = /^([+-]?)(?=\.?\d)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,6}))?$/i;
/** As PostgreSQL writes them; it reads them in any case, and `inf` for short. */
const SPECIAL: Readonly<Record<string, string>> = {
  nan: 'NaN',
  inf: 'Infinity',
  '+inf': 'Infinity',
  '-inf': '-Infinity',
  infinity: 'Infinity',
  '+infinity': 'Infinity',
  '-infinity': '-Infinity',
};

/**
 * @param value a decimal string, a finite number or a bigint
 * @throws {InvalidValueError} for anything else, and for more digits than PostgreSQL holds
 */
export function numericText(value: unknown, names: Names): string {
  const given = asText(value, names);
  return SPECIAL[given.toLowerCase()] ?? plainDecimal(given, names);
}

/** One text for all equal numbers: without the zeros that only tell the scale. */
export function comparableNumericText(value: unknown, names: Names): string {
  const text = numericText(value, names);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** Whether a stored text is one that `numericText` writes. */
export function isNumericText(text: string): boolean {
  return /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?|NaN|-?Infinity)$/.test(text);
}

function asText(value: unknown, names: Names): string {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'bigint' || Number.isFinite(value)) return String(value);
  throw new InvalidValueError('VALUE_NOT_NUMERIC', names);
}

function plainDecimal(text: string, names: Names): string {
  const match = DECIMAL.exec(text);
  if (match === null) throw new InvalidValueError('VALUE_NOT_NUMERIC', names);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const moved = movePoint(whole, fraction, Number(exponent), names);
  const isZero = !/[1-9]/.test(moved);
  return sign === '-' && !isZero ? `-${moved}` : moved;
}

/** Writes an exponent out. The scale is what PostgreSQL gives: `1.50e1` is `15.0`, `1.50e3` is `1500`. */
function movePoint(whole: string, fraction: string, exponent: number, names: Names): string {
  const point = whole.length + exponent;
  const scale = Math.max(0, fraction.length - exponent);
  if (point > MAX_WHOLE_DIGITS || scale > MAX_SCALE) throw new InvalidValueError('VALUE_OUT_OF_RANGE', names);
  const digits = (whole + fraction).padStart(whole.length + fraction.length + Math.max(0, -point), '0');
  const start = Math.max(0, point);
  const before = digits.slice(0, start).padEnd(start, '0').replace(/^0+/, '') || '0';
  return scale === 0 ? before : `${before}.${digits.slice(start)}`;
}
