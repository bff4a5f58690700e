/**
 * Days and microseconds as PostgreSQL counts them, and the texts it writes for them. Used by the codecs date, timestamp
 * and timestamptz.
 *
 * PostgreSQL's own numbers: from 2000-01-01, days in 32 bits, microseconds in 64, the two extremes of each for the
 * infinities (src/include/datatype/timestamp.h). So every date it can hold fits, and a sealed one has one length.
 * The calendar is Gregorian, also before 1582; there is a year 1 BC and no year 0.
 */

/** 2000-01-01 is this many days after 1970-01-01. */
const EPOCH_DAYS = 10_957;
const DAYS_PER_ERA = 146_097;
const YEARS_PER_ERA = 400;
/** 0000-03-01 to 1970-01-01. Years counted from March have their leap day last. */
const MARCH_ZERO_TO_1970 = 719_468;

const MICROSECONDS = { day: 86_400_000_000n, hour: 3_600_000_000n, minute: 60_000_000n, second: 1_000_000n } as const;

/** A day of the calendar; `year` is astronomical: 0 is 1 BC, -1 is 2 BC. */
export interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Days since 2000-01-01, or undefined when the calendar has no such day. */
export function daysOf({ year, month, day }: Day): number | undefined {
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  const marchYear = month > 2 ? year : year - 1;
  const era = Math.floor(marchYear / YEARS_PER_ERA);
  const yearOfEra = marchYear - era * YEARS_PER_ERA;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_PER_ERA + dayOfEra - MARCH_ZERO_TO_1970 - EPOCH_DAYS;
}

/** The inverse of `daysOf`, after Howard Hinnant, "chrono-compatible low-level date algorithms". */
export function dayOf(days: number): Day {
  const z = days + EPOCH_DAYS + MARCH_ZERO_TO_1970;
  const era = Math.floor(z / DAYS_PER_ERA);
  const dayOfEra = z - era * DAYS_PER_ERA;
  const leapDays = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = ((monthFromMarch + 2) % 12) + 1;
  const year = era * YEARS_PER_ERA + yearOfEra + (month <= 2 ? 1 : 0);
  return { year, month, day };
}

/** `2024-05-01`; the year has four digits or more. The era is written last, after the time if there is one. */
export function dayText({ year, month, day }: Day): string {
  const written = year > 0 ? year : 1 - year;
  return `${digits(written, 4)}-${digits(month, 2)}-${digits(day, 2)}`;
}

export function eraText({ year }: Day): string {
  return year > 0 ? '' : ' BC';
}

/** The time of a day in microseconds, or undefined when no clock shows it. */
export function timeOfDay(hour: number, minute: number, second: number, fraction: string): bigint | undefined {
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const { hour: h, minute: m, second: s } = MICROSECONDS;
  return BigInt(hour) * h + BigInt(minute) * m + BigInt(second) * s + BigInt(fraction.slice(0, 6).padEnd(6, '0'));
}

/** `10:00:00.12`: microseconds without the zeros at their end, as PostgreSQL trims them. */
export function timeText(microseconds: bigint): string {
  const { hour, minute, second } = MICROSECONDS;
  const clock = [microseconds / hour, (microseconds % hour) / minute, (microseconds % minute) / second];
  const fraction = digits(microseconds % second, 6).replace(/0+$/, '');
  return clock.map((part) => digits(part, 2)).join(':') + (fraction && `.${fraction}`);
}

export function microsecondsOf(days: number, time: bigint): bigint {
  return BigInt(days) * MICROSECONDS.day + time;
}

/** Whole days (downwards, also before 2000) and what is left of the last. */
export function splitMicroseconds(microseconds: bigint): { days: number; time: bigint } {
  const time = ((microseconds % MICROSECONDS.day) + MICROSECONDS.day) % MICROSECONDS.day;
  return { days: Number((microseconds - time) / MICROSECONDS.day), time };
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function digits(value: number | bigint, width: number): string {
  return String(value).padStart(width, '0');
}
