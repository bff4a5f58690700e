/** The run-time check of `notices`, and of the periods a rule is written in (ERASURE.md D4). */
import { isPeriod, meantPeriod, toInterval } from '../period';
import { type Draft, shown } from './draft';

const EXAMPLE = { before: ['30 days', '7 days'], minimum: '7 days' };

/** @param whose rows are nobody to write to: their person is told of her own end */
export function checkNotices(rule: Draft, whose: 'people' | 'rows'): void {
  if (!rule.has('notices')) return;
  if (whose === 'rows') rule.refuse('NOTICES_OF_ROWS', {}, { notices: undefined });
  const notices = rule.nested('notices', EXAMPLE);
  notices.refuseUnknownOptions(['before', 'minimum']);
  checkBefore(notices);
  checkPeriod(notices, 'minimum', EXAMPLE.minimum);
}

/** @param example what to write where nothing was meant that could be read */
export function checkPeriod(draft: Draft, option: string, example: string): void {
  const given = draft.given[option];
  if (isPeriod(given)) return;
  const suggestion = typeof given === 'string' ? meantPeriod(given) : undefined;
  const correction = { [option]: suggestion ?? example };
  if (given === undefined) draft.refuse('MISSING_OPTION', { option: draft.nameOf(option) }, correction);
  draft.refuse('BAD_PERIOD', { given: shown(given), suggestion }, correction);
}

/** Periods, and each of them once: 7 days and 1 week are the same notice. */
function checkBefore(notices: Draft): void {
  const { before } = notices.given;
  if (before === undefined)
    notices.refuse('MISSING_OPTION', { option: notices.nameOf('before') }, { before: EXAMPLE.before });
  const given: readonly unknown[] = Array.isArray(before) ? before : [before];
  const bad = given.find((each) => !isPeriod(each));
  const meant = given.flatMap((each) => (typeof each === 'string' ? (meantPeriod(each) ?? []) : []));
  const once = [...new Map(meant.map((each) => [toInterval(each), each])).values()];
  const correction = { before: once.length > 0 ? once : EXAMPLE.before };
  if (bad !== undefined) notices.refuse('BAD_PERIOD', { given: shown(bad), suggestion: once[0] }, correction);
  if (!Array.isArray(before) || before.length === 0 || once.length < before.length) {
    notices.refuse('BAD_NOTICES', {}, correction);
  }
}
