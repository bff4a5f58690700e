/**
 * What is due, as SQL conditions. Due means `from + period <= now`, on the rule's calendar and by the database's clock only
 * (ERASURE.md D2). PostgreSQL's own addition clamps to the last day of a month, so nobody stays longer than promised, and the
 * other way round (`now - period >= from`) would be up to three days late.
 */
import { toInterval } from '../period';
import { quoteIdentifier as q } from '../queryable';
import type { Rule } from './rule';

export interface DueCondition {
  /** A second table, when the clock starts with an event. */
  readonly join: string;
  /** The moment or the day on which the clock started; what the sweep orders by. */
  readonly anchor: string;
  /** A range on the bare anchor column, for its index; a little too wide. */
  readonly prefilter: string;
  /** The truth. */
  readonly exact: string;
  /** The moment on which the row is due. */
  readonly moment: string;
  /** The day on which the row is due, in the rule's time zone. */
  readonly day: string;
}

/**
 * Three days, by which a month may be longer than another (31 August + 6 months is 28 February), and one for the hour that
 * exists twice, or not at all, where summer time begins or ends.
 */
const WIDER = "interval '4 days'";

/** @param alias of the rule's table */
export function dueCondition(rule: Rule, alias: string): DueCondition {
  const { from, keep, timeZone } = rule.retention;
  const period = `interval '${toInterval(keep)}'`;
  const zone = literal(timeZone);
  const anchor = typeof from === 'string' ? `${alias}.${q(from)}` : 'e.ended_on';
  const type = anchorType(rule);
  const zoned = /with time zone/.test(type);
  // A date is its midnight and a timestamp without time zone its moment, both on the rule's calendar.
  const local = zoned ? `${anchor} at time zone ${zone}` : anchor;
  const due = `(${local} + ${period})`;
  const latest = `(oubli.now() at time zone ${zone} - ${period} + ${WIDER})`;
  return {
    join: typeof from === 'string' ? '' : joinEvent(rule, alias),
    anchor,
    prefilter: `${anchor} <= ${zoned ? `${latest} at time zone ${zone}` : `${latest}::${type}`}`,
    exact: `${due} at time zone ${zone} <= oubli.now()`,
    moment: `(${due} at time zone ${zone})`,
    day: `${due}::date`,
  };
}

/** PostgreSQL's name of the anchor's type. */
export function anchorType({ table, retention: { from } }: Rule): string {
  return typeof from === 'string' ? (table.columns.get(from)?.type ?? 'date') : 'date';
}

function joinEvent(rule: Rule, alias: string): string {
  const { declaration } = rule.table;
  const column = declaration?.is === 'subject' ? declaration.column : '';
  return `join oubli.service_end e on e.kind = ${literal(rule.kind ?? '')} and e.subject_id = ${alias}.${q(column)}::text`;
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
