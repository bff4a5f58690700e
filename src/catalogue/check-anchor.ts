/** The run-time check of `from`: when the clock of a retention rule starts (ERASURE.md D3). */

import type { Anchor } from './anchor-spec';
import { type Draft, shown } from './draft';
import { suggest } from './suggest';
import { type Fields, isFields } from './written';

/** The word that tells an anchor apart, and what else stands beside it. */
const FORMS: Readonly<Record<string, readonly string[]>> = {
  event: ['event', 'purpose'],
  latestOf: ['latestOf'],
  endOfFiscalYear: ['endOfFiscalYear', 'startsOn'],
  deletionOf: ['deletionOf'],
};
const EVENTS = ['service_ended', 'last_activity', 'consent_ended'];

/** @returns the anchor, its defaults written in */
export function checkAnchor(rule: Draft): Anchor {
  const { from } = rule.given;
  if (!isFields(from)) return rule.text('from', 'service_ended_on');
  const anchor = rule.nested('from', { event: 'service_ended' });
  const form = Object.keys(FORMS).find((word) => anchor.has(word));
  anchor.refuseUnknownOptions(form ? (FORMS[form] ?? []) : [...new Set(Object.values(FORMS).flat())]);
  switch (form) {
    case 'event':
      checkEvent(anchor);
      return anchor.given as unknown as Anchor;
    case 'latestOf':
      checkColumns(anchor);
      return anchor.given as unknown as Anchor;
    case 'endOfFiscalYear':
      anchor.text('endOfFiscalYear', 'issued_on');
      return { ...anchor.given, startsOn: checkFirstDay(anchor) } as unknown as Anchor;
    case 'deletionOf':
      anchor.text('deletionOf', 'order_id');
      return anchor.given as unknown as Anchor;
    default:
      return anchor.refuse('MISSING_OPTION', { option: 'retention.from' }, { ...EMPTY, event: 'service_ended' });
  }
}

const EMPTY: Fields = { purpose: undefined, startsOn: undefined };

/** A consent is given, and ends, for a purpose (GDPR Art. 7); the other events are of the person as a whole. */
function checkEvent(anchor: Draft): void {
  const event = anchor.oneOf('event', EVENTS);
  if (event === 'consent_ended') anchor.text('purpose', 'newsletter');
  else anchor.refuseUnknownOptions(['event']);
}

function checkColumns(anchor: Draft): void {
  const { latestOf } = anchor.given;
  const columns = Array.isArray(latestOf)
    ? latestOf.filter((each) => typeof each === 'string' && each.trim() !== '')
    : [];
  if (Array.isArray(latestOf) && new Set(columns).size === latestOf.length && columns.length > 1) return;
  const correction = [...new Set([...columns, 'last_login_on', 'last_order_on'])].slice(0, Math.max(2, columns.length));
  anchor.refuse('BAD_LATEST_OF', {}, { latestOf: correction });
}

const MONTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** A day that every year has: 29 February would leave three years out of four without an end. */
function checkFirstDay(anchor: Draft): string {
  const { startsOn = '01-01' } = anchor.given;
  const [, month, day] = /^(\d\d)-(\d\d)$/.exec(String(startsOn)) ?? [];
  const length = MONTHS[Number(month) - 1] ?? 0;
  if (typeof startsOn === 'string' && Number(day) >= 1 && Number(day) <= length) return startsOn;
  const suggestion = suggest(shown(startsOn), ['01-01', '04-01', '07-01', '10-01']) ?? '01-01';
  return anchor.refuse('BAD_FIRST_DAY', { given: shown(startsOn) }, { startsOn: suggestion });
}
