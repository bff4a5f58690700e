/**
 * Where a rule's clock starts, as SQL (ERASURE.md D3): one file for all anchors. What each of them gives is a bare value that an
 * index is over, and the moment from which the period counts; the two differ where rows of a whole year start together.
 */
import type { Anchor } from '../catalogue/anchor-spec';
import { type Period, toInterval } from '../period';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import { rootType } from './root';
import type { Rule, RulePerson } from './rule';

export interface AnchorSql {
  /** The tables that hold it, joined, when it is no column of the rule's own. */
  readonly join: string;
  /** What the index is over, and the sweep orders by. */
  readonly value: string;
  /** PostgreSQL's name of that value's type. */
  readonly type: string;
  /** The moment from which the period counts, on the rule's calendar: a date is its midnight. */
  readonly start: string;
  /** The same for a row that is read without the join; today where the event has not happened, for the end of all ends it. */
  readonly startOfRow: string;
  /** Name of the joined table whose row says it, to be locked while one relies on it. */
  readonly event: string | undefined;
}

export function anchorOf(rule: Rule, alias: string): AnchorSql {
  const { from } = rule.retention;
  if (typeof from === 'string') return ofColumn(rule, `${alias}.${q(from)}`, from);
  if ('event' in from) return ofEvent(rule, alias, from);
  if ('latestOf' in from) {
    // NULL only where all of them are (PostgreSQL manual 9.18.4); what is infinite never ends
    return ofColumn(
      rule,
      `greatest(${from.latestOf.map((name) => `${alias}.${q(name)}`).join(', ')})`,
      from.latestOf[0],
    );
  }
  if ('deletionOf' in from) return ofDeletion(rule, alias);
  const column = ofColumn(rule, `${alias}.${q(from.endOfFiscalYear)}`, from.endOfFiscalYear);
  const start = `oubli.fiscal_year_end((${column.start})::date, ${literal(firstDay(from))})`;
  return { ...column, start, startOfRow: start };
}

/** A moment by which something is reached: so long after the start, or, before that, with so long still to go. */
export interface Reach {
  readonly keep: Period;
  /** How long before the end of the period. */
  readonly lead?: Period | undefined;
  /** SQL of the moment. */
  readonly at: string;
}

/** SQL condition on the bare value: all that has reached it is within, and little else. */
export function reached(rule: Rule, { value, type }: AnchorSql, { keep, lead, at }: Reach): string {
  const { from, timeZone } = rule.retention;
  const zone = literal(timeZone);
  const [period, before] = [`interval '${toInterval(keep)}'`, `interval '${lead ? toInterval(lead) : '0 days'}'`];
  if (typeof from === 'object' && 'endOfFiscalYear' in from) {
    const closed = `oubli.fiscal_year_closed(${at}, ${literal(firstDay(from))}, ${period}, ${before}, ${zone})`;
    return `${value} < ${isInstant(type) ? `(${closed}::timestamp at time zone ${zone})` : `${closed}::${type}`}`;
  }
  const latest = `(${at} at time zone ${zone} - ${period}${lead ? ` + ${before}` : ''} + ${lead ? WIDEST : WIDER})`;
  return `${value} <= ${isInstant(type) ? `${latest} at time zone ${zone}` : `${latest}::${type}`}`;
}

/**
 * Three days, by which a month may be longer than another (31 August + 6 months is 28 February), and one for the hour that
 * exists twice, or not at all, where summer time begins or ends; one more for the day that was left out where the date line moved.
 */
const WIDER = "interval '5 days'";
/** Months are added and taken away again. */
const WIDEST = "interval '9 days'";

/** How people call it: in receipts, errors and reports. */
export function anchorName({ table, retention: { from } }: Pick<Rule, 'table' | 'retention'>): string {
  if (typeof from === 'string') return `${table.name}.${from}`;
  if ('latestOf' in from) return `the latest of ${from.latestOf.map((name) => `${table.name}.${name}`).join(', ')}`;
  if ('deletionOf' in from) return `the deletion of what ${table.name}.${from.deletionOf} referred to`;
  if ('endOfFiscalYear' in from) return `the end of the fiscal year of ${table.name}.${from.endOfFiscalYear}`;
  if (from.event === 'consent_ended') return `the end of the consent to ${from.purpose}`;
  return from.event === 'last_activity' ? 'the last activity' : 'the end of service';
}

/** SQL condition: this is the row of `oubli.person_event` that the anchor means. */
export function isEvent(from: Anchor, kind: string, alias: string): string {
  const { event, purpose } = eventOf(from);
  return `${alias}.kind = ${literal(kind)} and ${alias}.event = ${literal(event)} and ${alias}.purpose = ${literal(purpose)}`;
}

export function eventOf(from: Anchor): { readonly event: string; readonly purpose: string } {
  if (typeof from === 'string' || !('event' in from)) throw new TypeError('no event of a person');
  return { event: from.event, purpose: from.event === 'consent_ended' ? from.purpose : '' };
}

/** A moment in absolute time, and not one of a calendar. */
export function isInstant(type: string): boolean {
  return /with time zone/.test(type);
}

function ofColumn({ table, retention }: Rule, value: string, name: string): AnchorSql {
  const type = table.columns.get(name)?.type ?? 'date';
  // A date is its midnight and a timestamp without time zone its moment, both on the rule's calendar.
  const start = isInstant(type) ? `${value} at time zone ${literal(retention.timeZone)}` : value;
  return { join: '', value, type, start, startOfRow: start, event: undefined };
}

/** The cast stands on the event's side: the index over the person's own id finds her row. */
function ofEvent(rule: Rule, alias: string, from: Anchor): AnchorSql {
  const { person } = rule;
  if (!person) throw new TypeError(`${rule.name} starts with an event, and nobody is known whose it is`);
  const { tables, conditions, root } = person.chain(alias);
  const hers = [isEvent(from, person.kind, 'e'), `${root} = e.subject_id::${person.type}`, stillCounts(rule, person)];
  const mine = [...conditions, ...hers].join(' and ');
  const alone = ['oubli.person_event e', ...tables].join(', ');
  return {
    join: [...tables.map((table) => `join ${table} on true`), `join oubli.person_event e on ${mine}`].join(' '),
    value: 'e.happened_on',
    type: 'date',
    start: 'e.happened_on',
    startOfRow: `coalesce((select e.happened_on from ${alone} where ${mine}), (oubli.now() at time zone ${literal(rule.retention.timeZone)})::date)`,
    event: 'e',
  };
}

/**
 * What somebody left behind is the clock of rows that have outlived her, and of nothing else: neither of a newcomer who
 * bears her name, nor of that person's rows.
 */
function stillCounts({ kind: own }: Rule, { kind, type, subjects, column }: RulePerson): string {
  if (own !== undefined) return 'not e.left_behind';
  const erased = `select from oubli.subject_link l where l.kind = ${literal(kind)} and l.subject_id = e.subject_id and l.erased_at is not null`;
  const newcomer = `select from ${subjects} s where s.${q(column)} = e.subject_id::${type} and not exists (${erased})`;
  return `(not e.left_behind or not exists (${newcomer}))`;
}

function ofDeletion(rule: Rule, alias: string): AnchorSql {
  const { table, retention } = rule;
  const reference = (retention.from as { readonly deletionOf: string }).deletionOf;
  const key = table.primaryKey.map((name, place) => {
    const type = rootType({ root: table, rootColumn: name });
    return `${alias}.${q(name)} = e.row_key[${place + 1}]::${type}`;
  });
  const mine = [`e.rel = ${literal(table.sqlName)}::regclass`, ...key, `${alias}.${q(reference)} is null`].join(
    ' and ',
  );
  return {
    join: `join oubli.parent_deletion e on ${mine}`,
    value: 'e.deleted_on',
    type: 'date',
    start: 'e.deleted_on',
    startOfRow: `(select e.deleted_on from oubli.parent_deletion e where ${mine})`,
    event: 'e',
  };
}

function firstDay({ startsOn }: { readonly startsOn?: string }): string {
  return startsOn ?? '01-01';
}
