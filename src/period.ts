/**
 * A calendar period as a retention rule writes it: `'6 months'`, `'10 years'`, `'14 days'`. Months and days are kept
 * apart, because a month has no fixed number of days: only the database adds them to a date (ERASURE.md D2).
 */
import { AnnotationError, type Names } from './errors';

type NonZeroDigit = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
type Digit = 0 | NonZeroDigit;
type Unit = 'day' | 'days' | 'week' | 'weeks' | 'month' | 'months' | 'year' | 'years';

/**
 * A whole number from 1 to 999, one space, and a unit: what does not read like this does not compile. Spelt out digit
 * by digit, because a `${bigint}` pattern refuses '100 days', accepts '1-5 days', and cannot propose '6 months'.
 *
 * @example
 * const keep: Period = '6 months';
 */
export type Period = `${NonZeroDigit}${Digit | ''}${Digit | ''} ${Unit}`;

/** Whole months and whole days, as PostgreSQL's interval keeps them (manual 8.5.4). */
export interface Span {
  readonly months: number;
  readonly days: number;
}

const SPANS = {
  day: { months: 0, days: 1 },
  week: { months: 0, days: 7 },
  month: { months: 1, days: 0 },
  year: { months: 12, days: 0 },
} as const satisfies Record<string, Span>;

const PERIOD = /^([1-9]\d{0,2}) (day|week|month|year)s?$/;

export function isPeriod(text: unknown): text is Period {
  return typeof text === 'string' && PERIOD.test(text);
}

/**
 * Reads a period written by a person.
 *
 * @param names what the error may speak of, such as `{ table: 'users' }`
 * @throws AnnotationError `BAD_PERIOD`, with the corrected text when the meaning is plain
 * @example parsePeriod('10 years') // { months: 120, days: 0 }
 */
export function parsePeriod(text: string, names: Names = {}): Span {
  const [, count, unit] = PERIOD.exec(text) ?? [];
  if (count === undefined || unit === undefined) throw badPeriod(text, names);
  const one = SPANS[unit as keyof typeof SPANS];
  return { months: Number(count) * one.months, days: Number(count) * one.days };
}

/**
 * The period as PostgreSQL reads an interval: months and days in fields of their own, so that adding it clamps to the
 * month's last day instead of counting 30 days a month.
 *
 * @example toInterval('10 years') // '120 mons'
 */
export function toInterval(period: Period): string {
  const { months, days } = parsePeriod(period);
  return months > 0 ? `${months} mons` : `${days} days`;
}

/** The words people write for a unit, in English, in French and in ISO 8601 ('P6M'). 'm' and 'ms' alone stay unread. */
const WORDS: readonly (readonly [RegExp, keyof typeof SPANS])[] = [
  [/^(p?d|d?ays?|jours?|j)$/, 'day'],
  [/^(p?w|we*ks?|semaines?)$/, 'week'],
  [/^(pm|(?!ms?$)mo?n?t?h?s?|mois)$/, 'month'],
  [/^(p?y|ye?a?rs?|ans?|années?)$/, 'year'],
];

/** What was meant, when there is only one reading: `'6monts'` is `'6 months'`, `'1.5 years'` is `'18 months'`. */
export function meantPeriod(text: string): Period | undefined {
  const [, iso, number, word] = MISWRITTEN.exec(text.trim().toLowerCase()) ?? [];
  const unit = WORDS.find(([spelling]) => spelling.test(`${iso}${word}`))?.[1];
  if (number === undefined || unit === undefined) return undefined;
  const count = Number(number.replace(',', '.'));
  return written(count, unit) ?? (unit === 'year' ? written(count * 12, 'month') : undefined);
}

const MISWRITTEN = /^(p?)[+-]?(\d+(?:[.,]\d+)?)\s*(\p{L}+)\.?$/u;

function written(count: number, unit: keyof typeof SPANS): Period | undefined {
  const period = `${count} ${unit}${count === 1 ? '' : 's'}`;
  return isPeriod(period) ? period : undefined;
}

function badPeriod(text: string, names: Names): AnnotationError {
  const suggestion = meantPeriod(text);
  return new AnnotationError('BAD_PERIOD', {
    ...names,
    given: text,
    suggestion,
    corrected: `keep: '${suggestion ?? '6 months'}'`,
  });
}
