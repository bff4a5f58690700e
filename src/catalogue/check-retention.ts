/**
 * The run-time check of a retention rule: from when, how long, what then, and by whose calendar.
 */
import { isPeriod, meantPeriod } from '../period';
import { checkArchive, refuseArchiveOfPeople, type SettledArchive } from './check-archive';
import { type Draft, shown } from './draft';
import type { Retention } from './spec';
import { suggest } from './suggest';
import { type Fields, isFields } from './written';

/** A checked rule, its time zone written in. */
export type SettledRetention = Retention<Outcome> & { readonly timeZone: string; readonly archive?: SettledArchive };

export type Outcome = 'erase' | 'delete' | 'anonymise' | 'archive';

const OPTIONS = ['from', 'keep', 'then', 'because', 'timeZone', 'archive'];

/** Checks the `retention` option of a declaration; `outcomes` is what may happen at its end, the likeliest first. */
export function checkRetention(draft: Draft, outcomes: readonly Outcome[]): SettledRetention {
  const rule = draft.nested('retention', { from: 'created_on', keep: '6 months', then: outcomes[0] });
  refuseArchiveOfPeople(rule, outcomes);
  rule.refuseUnknownOptions(OPTIONS);
  checkAnchor(rule);
  checkPeriod(rule);
  rule.oneOf('then', outcomes);
  rule.textIfGiven('because', 'the law or the decision');
  const archive = checkArchive(rule);
  return {
    ...rule.given,
    timeZone: checkTimeZone(rule),
    ...(archive ? { archive } : {}),
  } as unknown as SettledRetention;
}

function checkAnchor(rule: Draft): void {
  const { from } = rule.given;
  if (!isFields(from)) {
    rule.text('from', 'service_ended_on');
    return;
  }
  const event = rule.nested('from', { event: 'service_ended' });
  event.refuseUnknownOptions(['event']);
  event.oneOf('event', ['service_ended']);
}

function checkPeriod(rule: Draft): void {
  const { keep } = rule.given;
  if (isPeriod(keep)) return;
  const suggestion = typeof keep === 'string' ? meantPeriod(keep) : undefined;
  const correction: Fields = { keep: suggestion ?? '6 months' };
  if (keep === undefined) rule.refuse('MISSING_OPTION', { option: 'retention.keep' }, correction);
  rule.refuse('BAD_PERIOD', { given: shown(keep), suggestion }, correction);
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
