/**
 * The run-time check of a retention rule: from when, how long, what then, and by whose calendar.
 */
import type { Notices } from './anchor-spec';
import { checkAnchor } from './check-anchor';
import { checkArchive, refuseArchiveOfPeople, type SettledArchive } from './check-archive';
import { checkNotices, checkPeriod } from './check-notices';
import { type Draft, shown } from './draft';
import type { Retention } from './spec';
import { suggest } from './suggest';

/** A checked rule, its time zone written in. */
export type SettledRetention = Retention<Outcome> & {
  readonly timeZone: string;
  readonly notices?: Notices;
  readonly archive?: SettledArchive;
};

export type Outcome = 'erase' | 'delete' | 'anonymise' | 'archive';

const OPTIONS = ['from', 'keep', 'then', 'because', 'timeZone', 'notices', 'archive'];

/**
 * Checks the `retention` option of a declaration; `outcomes` is what may happen at its end, the likeliest first.
 *
 * @param whose people are told of their end; rows are not
 */
export function checkRetention(
  draft: Draft,
  outcomes: readonly Outcome[],
  whose: 'people' | 'rows' = 'rows',
): SettledRetention {
  const rule = draft.nested('retention', { from: 'created_on', keep: '6 months', then: outcomes[0] });
  refuseArchiveOfPeople(rule, outcomes);
  rule.refuseUnknownOptions(OPTIONS);
  const from = checkAnchor(rule);
  checkPeriod(rule, 'keep', '6 months');
  rule.oneOf('then', outcomes);
  rule.textIfGiven('because', 'the law or the decision');
  checkNotices(rule, whose);
  const archive = checkArchive(rule);
  const settled = { ...rule.given, from, timeZone: checkTimeZone(rule), ...(archive ? { archive } : {}) };
  return settled as unknown as SettledRetention;
}

/** Names only: '+02:00' means the opposite in POSIX, and so in PostgreSQL (manual 8.5.3), and knows no summer time. */
function checkTimeZone(rule: Draft): string {
  const { timeZone = 'UTC' } = rule.given;
  if (typeof timeZone === 'string' && /^[A-Z]/i.test(timeZone) && isKnownTimeZone(timeZone)) return timeZone;
  const suggestion = suggest(shown(timeZone), Intl.supportedValuesOf('timeZone'));
  const correction = { timeZone: suggestion ?? 'Europe/Paris' };
  return rule.refuse('BAD_TIME_ZONE', { given: shown(timeZone), suggestion }, correction);
}

function isKnownTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}
