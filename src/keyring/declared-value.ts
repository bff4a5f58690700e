/**
 * A value as its column's declared type would have taken it: refused when too long, filled up, rounded to the scale. What
 * PostgreSQL did before the column was sealed (manual, 8.1.2 and 8.3). Both what is sealed and what is looked for by blind index
 * go through it, so that a row is found by what was read from it.
 */
import type { DeclaredLimits } from '../catalogue/declared-limits';
import { integerFrom } from '../crypto/integer';
import { instantFrom, rounded as roundedMoment, textOfMicroseconds, wallClockFrom } from '../crypto/moment';
import { numericText } from '../crypto/numeric';
import { InvalidValueError, type Names } from '../errors';

interface Declared {
  /** The value itself where it is beyond the type: equal to nothing that is stored. */
  readonly form: unknown;
  readonly beyond?: 'LONGER_THAN_DECLARED' | 'WIDER_THAN_DECLARED' | 'VALUE_OUT_OF_RANGE';
}

/**
 * What is stored of a value.
 * @throws InvalidValueError LONGER_THAN_DECLARED, WIDER_THAN_DECLARED or VALUE_OUT_OF_RANGE
 */
export function declaredValue(value: unknown, limits: DeclaredLimits, names: Names): unknown {
  const { form, beyond } = declared(value, limits, names);
  const { length: most, precision, scale } = limits;
  if (beyond) throw new InvalidValueError(beyond, { ...names, most, precision, scale });
  return form;
}

/** What a value is compared as, written or looked for. One that is beyond the type equals nothing, and is no error. */
export function comparedValue(value: unknown, limits: DeclaredLimits, names: Names): unknown {
  const { form } = declared(value, limits, names);
  return limits.padded && typeof form === 'string' ? form.replace(/ +$/, '') : form;
}

function declared(value: unknown, limits: DeclaredLimits, names: Names): Declared {
  if (limits.length !== undefined && typeof value === 'string') return fitted(value, limits.length, limits.padded);
  if (limits.bits !== undefined) return within(value, limits.bits, names);
  if (limits.fraction !== undefined) return { form: moment(value, limits.fraction, limits.zoned ?? false, names) };
  if (limits.precision === undefined || limits.scale === undefined) return { form: value };
  return scaled(numericText(value, names), limits.precision, limits.scale);
}

function within(value: unknown, bits: number, names: Names): Declared {
  const integer = integerFrom(value, names);
  return BigInt.asIntN(bits, integer) === integer ? { form: value } : { form: value, beyond: 'VALUE_OUT_OF_RANGE' };
}

/** Rounded like PostgreSQL's, so that what is read is what an unsealed column would have given. */
function moment(value: unknown, fraction: number, zoned: boolean, names: Names): unknown {
  const microseconds = zoned ? instantFrom(value, names) : wallClockFrom(value, names);
  return textOfMicroseconds(roundedMoment(microseconds, fraction), zoned ? '+00' : '') ?? value;
}

/** Spaces beyond the length are dropped and anything else is refused, as the SQL standard has it. */
function fitted(text: string, length: number, padded = false): Declared {
  if (text.length <= length && !padded) return { form: text };
  const characters = [...text];
  if (characters.length <= length) return { form: padded ? text + ' '.repeat(length - characters.length) : text };
  if (characters.slice(length).some((character) => character !== ' '))
    return { form: text, beyond: 'LONGER_THAN_DECLARED' };
  return { form: characters.slice(0, length).join('') };
}

/** On integers of 10^-scale, so that nothing passes through a float. */
function scaled(text: string, precision: number, scale: number): Declared {
  const [, sign = '', whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  // a numeric with a precision takes NaN and has no room for infinity (manual, 8.1.2)
  if (whole === undefined) return text === 'NaN' ? { form: text } : { form: text, beyond: 'WIDER_THAN_DECLARED' };
  const units = rounded(BigInt(whole + fraction), fraction.length - scale);
  const form = written(sign, units, scale);
  return units < 10n ** BigInt(precision) ? { form } : { form, beyond: 'WIDER_THAN_DECLARED' };
}

/** Without its last digits; half away from zero, like PostgreSQL's numeric. */
function rounded(digits: bigint, dropped: number): bigint {
  if (dropped <= 0) return digits * 10n ** BigInt(-dropped);
  const unit = 10n ** BigInt(dropped);
  return (digits + unit / 2n) / unit;
}

function written(sign: string, units: bigint, scale: number): string {
  const digits = scale > 0 ? units.toString().padStart(scale + 1, '0') : `${units * 10n ** BigInt(-scale)}`;
  const text = scale > 0 ? `${digits.slice(0, -scale)}.${digits.slice(-scale)}` : digits;
  return units === 0n ? text : sign + text;
}
