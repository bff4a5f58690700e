/**
 * What is due, as SQL conditions. Due means `from + period <= now`, on the rule's calendar and by the database's clock only
 * (ERASURE.md D2). PostgreSQL's own addition clamps to the last day of a month, so nobody stays longer than promised, and the
 * other way round (`now - period >= from`) would be up to three days late.
 */
import { type Period, toInterval } from '../period';
import { quoteLiteral as literal } from '../queryable';
import { anchorOf, reached } from './anchor';
import type { Rule } from './rule';

export interface DueCondition {
  /** Further tables, when the clock starts with an event. */
  readonly join: string;
  /** The moment or the day on which the clock started; what the sweep orders by. */
  readonly anchor: string;
  /** A range on the bare anchor column, for its index; a little too wide. */
  readonly prefilter: string;
  /** The truth. */
  readonly exact: string;
  /** The moment at which the row is due. */
  readonly moment: string;
  /** The day on which the row is due, in the rule's time zone; stands without the join. */
  readonly day: string;
  /** The joined table that says when the clock started. */
  readonly event: string | undefined;
}

export interface DueAt {
  /** SQL of the moment in question; oubli's now unless said otherwise. */
  readonly at?: string;
  /** How long before the due date: for notices. */
  readonly lead?: Period;
}

/** @param alias of the rule's table */
export function dueCondition(rule: Rule, alias: string, { at = 'oubli.now()', lead }: DueAt = {}): DueCondition {
  const { keep, timeZone } = rule.retention;
  const anchor = anchorOf(rule, alias);
  const period = `interval '${toInterval(keep)}'`;
  const zone = literal(timeZone);
  const due = `(${anchor.start} + ${period})`;
  const noticed = lead === undefined ? due : `(${due} - interval '${toInterval(lead)}')`;
  return {
    join: anchor.join,
    anchor: anchor.value,
    prefilter: reached(rule, anchor, { keep, lead, at }),
    exact: `${noticed} at time zone ${zone} <= ${at}`,
    moment: `${due} at time zone ${zone}`,
    day: `(${anchor.startOfRow} + ${period})::date`,
    event: anchor.event,
  };
}

/** PostgreSQL's name of the anchor's type. */
export function anchorType(rule: Rule): string {
  return anchorOf(rule, 't').type;
}
