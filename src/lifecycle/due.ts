/**
 * What is due, as SQL conditions. Due means `from + period <= now`, in the rule's time zone and by the database's clock only
 * (ERASURE.md D2). PostgreSQL's own addition clamps to the last day of a month, so nobody stays longer than promised, and the
 * other way round (`now - period >= from`) would be up to three days late.
 */
import type { Table } from '../catalogue/model';
import { toInterval } from '../period';
import { quoteIdentifier as q } from '../queryable';
import type { Rule } from './rule';

export interface DueCondition {
  /** A second table, when the clock starts with an event. */
  readonly join: string;
  /** A range on the bare anchor column, for its index; a little too wide. */
  readonly prefilter: string;
  /** The truth. */
  readonly exact: string;
  /** The day on which the row is due, in the rule's time zone. */
  readonly day: string;
}

/** More than any month is longer than another: `31 August + 6 months` is 28 February, three days "early". */
const CLAMPED_DAYS = "interval '3 days'";

/** @param alias of the rule's table */
export function dueCondition(rule: Rule, alias: string): DueCondition {
  const { from, keep, timeZone } = rule.retention;
  const period = `interval '${toInterval(keep)}'`;
  const zone = literal(timeZone);
  const now = `(oubli.now() at time zone ${zone})`;
  const anchor = typeof from === 'string' ? `${alias}.${q(from)}` : 'e.ended_on';
  const type = typeof from === 'string' ? (rule.table.columns.get(from)?.type ?? 'date') : 'date';
  const zoned = /with time zone/.test(type);
  const due = `(${zoned ? `(${anchor} at time zone ${zone})` : anchor} + ${period})`;
  const latest = `(${now} - ${period} + ${CLAMPED_DAYS})`;
  return {
    join: typeof from === 'string' ? '' : joinEvent(rule, rule.table, alias),
    prefilter: `${anchor} <= ${zoned ? `(${latest} at time zone ${zone})` : `${latest}::${type}`}`,
    exact: `${due} <= ${now}`,
    day: `${due}::date`,
  };
}

function joinEvent(rule: Rule, table: Table, alias: string): string {
  const column = table.declaration?.is === 'subject' ? table.declaration.column : '';
  return `join oubli.service_end e on e.kind = ${literal(rule.kind ?? '')} and e.subject_id = ${alias}.${q(column)}::text`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
