/**
 * What a column's declared type promised beside its kind: `varchar(60)` holds at most 60 characters, `char(8)` always 8,
 * `numeric(8,2)` two decimals, `smallint` 16 bits, `timestamp(3)` milliseconds. A sealed column is `bytea` to PostgreSQL, so the promise is kept here.
 */
export interface DeclaredLimits {
  /** Characters (code points, as PostgreSQL counts them). */
  readonly length?: number;
  /** Whether spaces at the end mean nothing and are filled up to `length`: `char(8)` (PostgreSQL manual, 8.3). */
  readonly padded?: true;
  readonly precision?: number;
  /** Decimals; below zero, zeros before the point: `numeric(5,-2)` holds hundreds. */
  readonly scale?: number;
  /** Of an integer, with its sign; 64 are what is sealed. */
  readonly bits?: 16 | 32;
  /** Decimals of a second; six are what is sealed. */
  readonly fraction?: number;
  /** Whether a moment with such a fraction is an instant, and no wall clock. */
  readonly zoned?: boolean;
}

const MOMENT = /^timestamp(tz)?\s*\((\d+)\)(?: (with|without) time zone)?$/;
const INTEGERS: readonly [RegExp, 16 | 32][] = [
  [/^(smallint|int2)$/, 16],
  [/^(integer|int|int4)$/, 32],
];

export function limitsOf(declaredType: string): DeclaredLimits {
  const type = declaredType.toLowerCase();
  const [, tz, fraction, zone] = MOMENT.exec(type) ?? [];
  if (fraction !== undefined) return momentOf(Number(fraction), tz !== undefined || zone === 'with');
  const [, bits] = INTEGERS.find(([name]) => name.test(type)) ?? [];
  return bits ? { bits } : lengthsOf(type);
}

/** PostgreSQL takes up to nine decimals and keeps six. */
function momentOf(fraction: number, zoned: boolean): DeclaredLimits {
  return fraction < 6 ? { fraction, zoned } : {};
}

function lengthsOf(type: string): DeclaredLimits {
  const [, name = '', first, second] = /^([a-z ]+?)\s*(?:\((\d+)(?:\s*,\s*(-?\d+))?\))?$/.exec(type) ?? [];
  if (/^(char|character)$/.test(name)) return { length: Number(first ?? 1), padded: true };
  if (name === 'bpchar') return { padded: true };
  if (first === undefined) return {};
  if (/^(varchar|character varying)$/.test(name)) return { length: Number(first) };
  if (/^(numeric|decimal)$/.test(name)) return { precision: Number(first), scale: Number(second ?? 0) };
  return {};
}
