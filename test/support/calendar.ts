/**
 * When a period ends, worked out without PostgreSQL: the calendar by hand, the time zones by ICU. The oracle of the properties of
 * what is due; it shares nothing with the SQL that is tested.
 */

/** A wall clock: milliseconds as if it were UTC. */
type Wall = number;

const HOUR = 3_600_000;
const formats = new Map<string, Intl.DateTimeFormat>();

/** What a clock on the wall shows at an instant. */
export function wallAt(instant: number, zone: string): Wall {
  const format = formats.get(zone) ?? formatOf(zone);
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/**
 * The instant at which the wall shows this. An hour that exists twice is its second time, one that does not exist is counted by
 * the clock before: in both cases the later instant, and so never an early one.
 */
export function instantOf(wall: Wall, zone: string): number {
  const offsets = [-36 * HOUR, 36 * HOUR].map((away) => wallAt(wall + away, zone) - (wall + away));
  const [before = 0, after = 0] = offsets;
  const shown = [wall - before, wall - after].filter((instant) => wallAt(instant, zone) === wall);
  return shown.length > 0 ? Math.max(...shown) : wall - before;
}

/** Months first, ending with the month where the day does not exist; then days. */
export function plus(wall: Wall, { months = 0, days = 0 }: { readonly months?: number; readonly days?: number }): Wall {
  const date = new Date(wall);
  const midnight = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate());
  const total = date.getUTCFullYear() * 12 + date.getUTCMonth() + months;
  const [year, month] = [Math.floor(total / 12), total % 12];
  const day = Math.min(date.getUTCDate(), lengthOf(year, month));
  return Date.UTC(year, month, day) + days * 24 * HOUR + (wall - midnight);
}

/** The first day after the fiscal year in which the day lies. */
export function fiscalYearEnd(wall: Wall, startsOn: string): Wall {
  const [month = 1, day = 1] = startsOn.split('-').map(Number);
  const year = new Date(wall).getUTCFullYear();
  const begins = Date.UTC(year, month - 1, day);
  return wall < begins ? begins : Date.UTC(year + 1, month - 1, day);
}

function lengthOf(year: number, month: number): number {
  if (month !== 1) return [3, 5, 8, 10].includes(month) ? 30 : 31;
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const number = {
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  } as const;
  const format = new Intl.DateTimeFormat('en-u-ca-iso8601', { timeZone, hourCycle: 'h23', ...number });
  formats.set(timeZone, format);
  return format;
}
