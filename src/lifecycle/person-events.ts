/**
 * What happened to a person, as statements (ERASURE.md D3). An event is written where the rules read it: in the date column that
 * her table's rule names, or in `oubli.person_event`.
 */
import type { Catalogue } from '../catalogue/model';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import { anchorOf, eventOf, isEvent, isInstant } from './anchor';
import type { Plan } from './plan';
import { rootType } from './root';
import { type Rule, rulesOf } from './rule';

/** Statements of which $1 is what names the person; each answers with a row when she is there. */
export interface Statement {
  readonly sql: string;
  readonly parameters: unknown[];
}

/** What an event said again means: nobody is kept longer because it was delivered twice, and activity only goes forward. */
export type Again = 'first stands' | 'latest stands';

/** Rules whose clock starts with an event of a person of this kind. */
export function eventRules(catalogue: Catalogue, kind: string): Rule[] {
  return rulesOf(catalogue).filter((rule) => rule.person?.kind === kind);
}

/**
 * @param rule of the person's own table, whose calendar says what day it is
 * @param on ISO date; the database's today on that calendar unless given
 */
export function happened(rule: Rule, id: string, event: Event, on: string | undefined, again: Again): Statement {
  const stands = {
    'first stands': on === undefined ? 'e.happened_on' : 'excluded.happened_on',
    'latest stands': 'greatest(e.happened_on, excluded.happened_on)',
  };
  // what somebody who bore her name left behind is no event of hers
  const day = `case when e.left_behind then excluded.happened_on else ${stands[again]} end`;
  return {
    sql: `with her as (
  select ${ownId(rule)} as id, coalesce($3::date, ${today(rule)}) as day, ${today(rule)} as today from ${rule.table.sqlName} t where ${named(rule)}),
said as (
  insert into oubli.person_event as e (kind, event, purpose, subject_id, happened_on)
  select $2, ${literal(event.event)}, ${literal(event.purpose)}, id, day from her${again === 'latest stands' ? ' where day <= today' : ''}
  on conflict (kind, event, purpose, subject_id) do update set happened_on = ${day}, left_behind = false, look_on = '-infinity'
  ${again === 'latest stands' ? 'where e.left_behind or excluded.happened_on > e.happened_on' : ''})
select day <= today as past from her`,
    parameters: [id, rule.kind, on ?? null],
  };
}

export interface Event {
  readonly event: string;
  readonly purpose: string;
}

/** The column from which the rule starts. Said again without a date, the first time stands. */
export function dated(rule: Rule, id: string, on: string | undefined): Statement {
  const { type, value } = anchorOf(rule, 't');
  const zone = literal(rule.retention.timeZone);
  const [given, now] = isInstant(type)
    ? [`$2::timestamp at time zone ${zone}`, 'oubli.now()'] // a day is its midnight on the rule's calendar, wherever the session is
    : [`$2::${type}`, `(oubli.now() at time zone ${zone})::${type}`];
  return {
    sql: `update ${rule.table.sqlName} t set ${columnOf(rule)} = coalesce(${given}, ${value}, ${now}) where ${named(rule)} returning 1 as ended`,
    parameters: [id, on ?? null],
  };
}

/**
 * The person's row, which an erasure locks too: one of the two waits for the other (ERASURE.md A2).
 * @returns her name as the database writes it
 * @param strength `key share` for what others may say at the same time
 */
export function lockPerson(rule: Rule, id: string, strength: 'key share' | 'no key update'): Statement {
  return {
    sql: `select ${ownId(rule)} as name from ${rule.table.sqlName} t where ${named(rule)} for ${strength}`,
    parameters: [id],
  };
}

export function undated(rule: Rule, id: string): Statement {
  return { sql: `update ${rule.table.sqlName} t set ${columnOf(rule)} = null where ${named(rule)}`, parameters: [id] };
}

export function undone(rule: Rule, id: string, { event, purpose }: Event): Statement {
  const mine = `e.kind = $2 and e.event = ${literal(event)} and e.purpose = ${literal(purpose)} and e.subject_id = $1`;
  return { sql: `delete from oubli.person_event e where ${mine}`, parameters: [id, rule.kind] };
}

/** A new end has notices of its own anyway; this forgets that there were any. */
export function noticesForgotten(rule: Rule, id: string): Statement {
  return { sql: `delete from oubli.notice n where n.rule = $2 and n.subject_id = $1`, parameters: [id, rule.name] };
}

/**
 * What an erasure does to a person's events and notices: they go. An event from which rows of hers are kept stays with them, or
 * happens now if it had not: the erasure is the end of the service, too.
 *
 * @returns branches of the erasing statement, over `root r`
 */
export function eventBranches(catalogue: Catalogue, { kind, root, steps }: Plan): string[] {
  if (kind === undefined) return [];
  const kept = new Set(steps.filter(({ action }) => action === 'keep').map(({ table }) => table.oid));
  const needed = eventRules(catalogue, kind).filter(({ table }) => kept.has(table.oid));
  const events = needed.map(({ retention }) => isEvent(retention.from, kind, 'l'));
  const gone = `l.kind = ${literal(kind)} and l.subject_id = r.id::text`;
  const own = rulesOf(catalogue).find(({ table }) => table === root);
  return [
    `events as (delete from oubli.person_event l using root r where ${[gone, ...events.map((each) => `not (${each})`)].join(' and ')})`,
    ...needed.map((rule, place) => endsWithHer(rule, kind, place)),
    ...(own
      ? [
          `notices as (delete from oubli.notice l using root r where l.rule = ${literal(own.name)} and l.subject_id = r.id::text)`,
        ]
      : []),
  ];
}

function endsWithHer({ retention }: Rule, kind: string, place: number): string {
  const { event, purpose } = eventOf(retention.from);
  const day = `(oubli.now() at time zone ${literal(retention.timeZone)})::date`;
  return `event${place} as (insert into oubli.person_event as e (kind, event, purpose, subject_id, happened_on, left_behind)
  select ${literal(kind)}, ${literal(event)}, ${literal(purpose)}, r.id::text, ${day}, true from root r
  on conflict (kind, event, purpose, subject_id) do update
    set happened_on = case when e.left_behind then excluded.happened_on else e.happened_on end, left_behind = true, look_on = '-infinity')`;
}

function today({ retention }: Rule): string {
  return `(oubli.now() at time zone ${literal(retention.timeZone)})::date`;
}

function columnOf({ retention: { from } }: Rule): string {
  if (typeof from !== 'string') throw new TypeError('the rule starts from no column');
  return q(from);
}

function ownId({ table }: Rule): string {
  return `t.${q(idColumn(table))}::text`;
}

function named({ table }: Rule): string {
  return `t.${q(idColumn(table))} = $1::${rootType({ root: table, rootColumn: idColumn(table) })}`;
}

function idColumn({ declaration }: Rule['table']): string {
  return declaration?.is === 'subject' ? declaration.column : '';
}
