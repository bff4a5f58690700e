/** When the clock of a rule starts, and what is said before it ends, as types: a misspelt anchor does not compile. */
import type { Period } from '../period';

type Month = `0${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}` | '10' | '11' | '12';
type DayOfMonth = `${0 | 1 | 2}${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}` | '10' | '20' | '30' | '31';
/** The first day of a fiscal year: `'04-01'` is the first of April. A day that every year has. */
export type FirstDay = Exclude<
  `${Month}-${DayOfMonth}`,
  '02-29' | '02-30' | '02-31' | '04-31' | '06-31' | '09-31' | '11-31'
>;

/**
 * When the clock of a rule starts (ERASURE.md D3): at the date in a column; when the person's service ends, when she was last
 * active, when her consent to a purpose ended (`subject(…).serviceEnded()`, `.active()`, `.consentEnded()` say it); at the latest
 * of several dates; at the end of the fiscal year in which a date lies; when the row that a reference named was deleted.
 *
 * NULL means that it has not started, `infinity` that it never will, `-infinity` that it started before all time: such a row is due.
 */
export type Anchor =
  | string
  | { readonly event: 'service_ended' | 'last_activity' }
  | { readonly event: 'consent_ended'; readonly purpose: string }
  | { readonly latestOf: readonly [string, string, ...string[]] }
  | { readonly endOfFiscalYear: string; readonly startsOn?: FirstDay }
  | { readonly deletionOf: string };

/**
 * What a person is told before she leaves (ERASURE.md D4): each notice so long before the due date, by `onNotice` of the sweep.
 * Nobody leaves before the last of them was sent, and `minimum` has gone by since.
 */
export interface Notices {
  readonly before: readonly [Period, ...Period[]];
  readonly minimum: Period;
}
