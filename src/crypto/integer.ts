/** Whole numbers of PostgreSQL's widest type, `bigint`: 64 bits with a sign, none of them lost. For the codec. */
import { InvalidValueError, type Names } from '../errors';

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/**
 * @param value a bigint, a decimal string, or a number that is still exact (at most 2^53 - 1)
 * @throws {InvalidValueError} for anything else, and beyond 64 bits
 */
export function integerFrom(value: unknown, names: Names): bigint {
  if (!isWholeNumber(value)) throw new InvalidValueError('VALUE_NOT_INTEGER', names);
  const integer = BigInt(value);
  if (integer < MIN || integer > MAX) throw new InvalidValueError('VALUE_OUT_OF_RANGE', names);
  return integer;
}

function isWholeNumber(value: unknown): value is bigint | number | string {
  if (typeof value === 'string') return /^[+-]?\d{1,40}$/.test(value);
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}
