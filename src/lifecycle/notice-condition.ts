/** Notices as SQL conditions (ERASURE.md D4): nobody leaves before the last one was sent, and the minimum has gone by since. */
import type { Notices } from '../catalogue/anchor-spec';
import { type Period, parsePeriod, toInterval } from '../period';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import { anchorOf } from './anchor';
import type { Rule } from './rule';

/** The earliest notice first. Days of a month are an average here: it is an order, and no date. */
export function inOrder({ before }: Notices): Period[] {
  const length = (period: Period): number => {
    const { months, days } = parsePeriod(period);
    return months * 30.4375 + days;
  };
  return [...before].sort((a, b) => length(b) - length(a));
}

/** @returns what has to hold besides the date; nothing where the rule asks for no notices */
export function noticesSent(rule: Rule): string[] {
  const { notices, timeZone } = rule.retention;
  if (!notices) return [];
  const zone = literal(timeZone);
  const last = inOrder(notices).at(-1) as Period;
  const graceOver = `(n.sent_at at time zone ${zone} + interval '${toInterval(notices.minimum)}') at time zone ${zone} <= oubli.now()`;
  return [`exists (select from oubli.notice n where ${isNotice(rule, last)} and ${graceOver})`];
}

/** SQL condition: the row of `oubli.notice`, alias `n`, about the end that this person, alias `t`, is approaching. */
export function isNotice(rule: Rule, notice: Period): string {
  return [
    `n.rule = ${literal(rule.name)}`,
    `n.subject_id = ${idOf(rule)}`,
    `n.due_on = ${dueOn(rule)}`,
    `n.notice = ${literal(notice)}`,
  ].join(' and ');
}

/** SQL of what the application calls the person, as text. */
export function idOf({ table }: Rule): string {
  const { declaration } = table;
  return `t.${q(declaration?.is === 'subject' ? declaration.column : '')}::text`;
}

/** SQL of the day on which she is due, on the rule's calendar: what a notice announces. */
export function dueOn(rule: Rule): string {
  return `(${anchorOf(rule, 't').start} + interval '${toInterval(rule.retention.keep)}')::date`;
}
