/**
 * Dates and timestamps between what an application passes and PostgreSQL's numbers. The codecs date, timestamp and
 * timestamptz read and write through it.
 *
 * What is accepted means to PostgreSQL exactly what it means here, and is never rounded: a zone where the column has
 * none, a missing zone where it has one, or nanoseconds are refused instead of dropped without a word.
 */
import { InvalidValueError, type Names } from '../errors';
import {
  type Day,
  dayOf,
  daysOf,
  dayText,
  eraText,
  microsecondsOf,
  splitMicroseconds,
  timeOfDay,
  timeText,
} from './calendar';

/** -infinity and infinity, as PostgreSQL stores them. */
const DATE_INFINITIES = [-(2 ** 31), 2 ** 31 - 1] as const;
const TIMESTAMP_INFINITIES = [-(2n ** 63n), 2n ** 63n - 1n] as const;

/** 4714-11-24 BC, day 0 of the Julian count; then the day after 5874897-12-31, and after 294276-12-31. */
const FIRST_DAY = -2_451_545;
const END_DAY = 2_145_031_949;
const FIRST_MICROSECOND = microsecondsOf(FIRST_DAY, 0n);
const END_MICROSECOND = 9_223_371_331_200_000_000n;

const UNIX_EPOCH = microsecondsOf(-10_957, 0n);

const DATE = /^(\d{4,7})-(\d\d)-(\d\d)( BC)?$/;
const CLOCK = String.raw`(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?`;
const ZONE = String.raw`(Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)`;
const TIMESTAMP = new RegExp(String.raw`^(\d{4,6}-\d\d-\d\d)(?:[T ]${CLOCK}${ZONE}?)?( BC)?$`);

/** Days since 2000-01-01. A Date stands for its day in local time, for that is how node-postgres writes it. */
export function daysFrom(value: unknown, names: Names): number {
  const infinity = signOfInfinity(value);
  if (infinity !== 0) return DATE_INFINITIES[infinity < 0 ? 0 : 1];
  const days = isValidDate(value) ? daysOf(localDayOf(value)) : typeof value === 'string' ? parseDay(value) : undefined;
  if (days === undefined) throw new InvalidValueError('VALUE_NOT_DATE', names);
  if (days < FIRST_DAY || days >= END_DAY) throw new InvalidValueError('VALUE_OUT_OF_RANGE', names);
  return days;
}

/** The text PostgreSQL writes for a date, or undefined for a number that is none. */
export function textOfDays(days: number): string | undefined {
  if (days === DATE_INFINITIES[0]) return '-infinity';
  if (days === DATE_INFINITIES[1]) return 'infinity';
  if (days < FIRST_DAY || days >= END_DAY) return undefined;
  const day = dayOf(days);
  return dayText(day) + eraText(day);
}

/** Microseconds of a wall clock. A Date stands for what a local clock shows: PostgreSQL drops the zone pg sends. */
export function wallClockFrom(value: unknown, names: Names): bigint {
  return momentFrom(value, names, localClock, (text) => {
    const { microseconds, zone } = parseMoment(text, names);
    if (zone !== undefined) throw new InvalidValueError('VALUE_HAS_ZONE', names);
    return microseconds;
  });
}

/** Microseconds of an instant, in UTC. */
export function instantFrom(value: unknown, names: Names): bigint {
  return momentFrom(value, names, instantOf, (text) => {
    const { microseconds, zone } = parseMoment(text, names);
    if (zone === undefined) throw new InvalidValueError('VALUE_LACKS_ZONE', names);
    return microseconds - offsetOf(zone, names);
  });
}

/** The text PostgreSQL writes for a timestamp, or undefined for a number that is none. `zone` is '' or '+00'. */
export function textOfMicroseconds(microseconds: bigint, zone: '' | '+00'): string | undefined {
  if (microseconds === TIMESTAMP_INFINITIES[0]) return '-infinity';
  if (microseconds === TIMESTAMP_INFINITIES[1]) return 'infinity';
  if (!isInRange(microseconds)) return undefined;
  const { days, time } = splitMicroseconds(microseconds);
  const day = dayOf(days);
  return `${dayText(day)} ${timeText(time)}${zone}${eraText(day)}`;
}

/**
 * Microseconds of a moment with fewer decimals: half away from 2000-01-01, as PostgreSQL rounds to a declared precision
 * (AdjustTimestampForTypmod, src/backend/utils/adt/timestamp.c).
 */
export function rounded(microseconds: bigint, decimals: number): bigint {
  if (TIMESTAMP_INFINITIES.some((infinity) => infinity === microseconds)) return microseconds;
  const unit = 10n ** BigInt(6 - decimals);
  const away = microseconds < 0n ? -(unit / 2n) : unit / 2n;
  return ((microseconds + away) / unit) * unit;
}

function momentFrom(
  value: unknown,
  names: Names,
  fromDate: (date: Date) => bigint | undefined,
  fromText: (text: string) => bigint,
): bigint {
  const infinity = signOfInfinity(value);
  if (infinity !== 0) return TIMESTAMP_INFINITIES[infinity < 0 ? 0 : 1];
  const microseconds = isValidDate(value) ? fromDate(value) : typeof value === 'string' ? fromText(value) : undefined;
  if (microseconds === undefined) throw new InvalidValueError('VALUE_NOT_TIMESTAMP', names);
  if (!isInRange(microseconds)) throw new InvalidValueError('VALUE_OUT_OF_RANGE', names);
  return microseconds;
}

/** node-postgres reads PostgreSQL's 'infinity' as the number Infinity, so it comes back as either. */
function signOfInfinity(value: unknown): number {
  if (value === 'infinity' || value === Infinity) return 1;
  return value === '-infinity' || value === -Infinity ? -1 : 0;
}

function isInRange(microseconds: bigint): boolean {
  return microseconds >= FIRST_MICROSECOND && microseconds < END_MICROSECOND;
}

function isValidDate(value: unknown): value is Date {
  return value instanceof Date && !Number.isNaN(value.getTime());
}

function localDayOf(date: Date): Day {
  return { year: date.getFullYear(), month: date.getMonth() + 1, day: date.getDate() };
}

/** What the local clock shows, whatever its zone. */
function localClock(date: Date): bigint | undefined {
  const days = daysOf(localDayOf(date));
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0');
  const time = timeOfDay(date.getHours(), date.getMinutes(), date.getSeconds(), milliseconds);
  return days === undefined || time === undefined ? undefined : microsecondsOf(days, time);
}

function instantOf(date: Date): bigint {
  return BigInt(date.getTime()) * 1000n + UNIX_EPOCH;
}

function parseDay(text: string): number | undefined {
  const [, year, month, day, bc] = DATE.exec(text) ?? [];
  if (year === undefined || Number(year) === 0) return undefined;
  return daysOf({ year: bc ? 1 - Number(year) : Number(year), month: Number(month), day: Number(day) });
}

function parseMoment(text: string, names: Names): { microseconds: bigint; zone: string | undefined } {
  const [, date = '', hour, minute, second, fraction = '', zone, bc = ''] = TIMESTAMP.exec(text) ?? [];
  const days = parseDay(date + bc);
  const time = timeOfDay(Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0), fraction);
  if (days === undefined || time === undefined) throw new InvalidValueError('VALUE_NOT_TIMESTAMP', names);
  if (/[1-9]/.test(fraction.slice(6))) throw new InvalidValueError('VALUE_TOO_PRECISE', names);
  return { microseconds: microsecondsOf(days, time), zone };
}

/** Offsets go to 15:59:59 either way, as in PostgreSQL (MAX_TZDISP_HOUR). */
function offsetOf(zone: string, names: Names): bigint {
  if (zone === 'Z') return 0n;
  const [hours = '0', minutes = '0', seconds = '0'] = zone.slice(1).match(/\d\d/g) ?? [];
  const offset = timeOfDay(Number(hours), Number(minutes), Number(seconds), '');
  if (offset === undefined || Number(hours) > 15) throw new InvalidValueError('VALUE_NOT_TIMESTAMP', names);
  return zone.startsWith('-') ? -offset : offset;
}
