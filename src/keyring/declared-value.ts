/**
 * A value as its column's declared type would have taken it: refused when too long, rounded to the scale. What PostgreSQL did
 * before the column was sealed (manual, 8.1.2 and 8.3).
 */
import type { DeclaredLimits } from '../catalogue/declared-limits';
import { InvalidValueError, type Names } from '../errors';

/** @throws InvalidValueError LONGER_THAN_DECLARED or WIDER_THAN_DECLARED */
export function declaredValue(value: unknown, limits: DeclaredLimits, names: Names): unknown {
  if (limits.length !== undefined && typeof value === 'string') return fitting(value, limits.length, names);
  if (limits.scale === undefined || limits.precision === undefined) return value;
  const text = String(value);
  // anything else (NaN, an exponent, no number at all) is the codec's to judge
  return /^[+-]?\d+(\.\d*)?$/.test(text) ? scaled(text, limits.precision, limits.scale, names) : value;
}

/** Spaces beyond the length are dropped and anything else is refused, as the SQL standard has it. */
function fitting(text: string, length: number, names: Names): string {
  const characters = [...text];
  if (characters.length <= length) return text;
  if (characters.slice(length).some((character) => character !== ' ')) {
    throw new InvalidValueError('LONGER_THAN_DECLARED', { ...names, most: length });
  }
  return characters.slice(0, length).join('');
}

/** Half away from zero, like PostgreSQL's numeric; on integers of 10^-scale, so that nothing passes through a float. */
function scaled(text: string, precision: number, scale: number, names: Names): string {
  const [, sign = '', whole = '0', fraction = ''] = /^([+-]?)(\d+)\.?(\d*)$/.exec(text) ?? [];
  const kept = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'));
  const units = kept + (Number(fraction[scale] ?? 0) >= 5 ? 1n : 0n);
  const digits = units.toString().padStart(scale + 1, '0');
  if (units.toString().length > precision && units !== 0n)
    throw new InvalidValueError('WIDER_THAN_DECLARED', { ...names, precision, scale });
  const written = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return sign === '-' && units !== 0n ? `-${written}` : written;
}
