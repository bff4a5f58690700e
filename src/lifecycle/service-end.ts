/**
 * The end of service: the event that starts the clock of a person's retention (ERASURE.md D3). It is written where the rule
 * reads it, in the caller's transaction: the clock starts with the commit, or not at all.
 */
import { quoteIdentifier as q } from '../queryable';
import { anchorType, literal } from './due';
import { rootType } from './root';
import type { Rule } from './rule';

export interface ServiceEnd {
  readonly sql: string;
  readonly parameters: unknown[];
}

/**
 * @param on ISO date of the end; the database's today in the rule's time zone unless given. Said twice without a date, the
 *   first time stands: nobody is kept longer because an event was delivered again.
 */
export function serviceEnd(rule: Rule, id: string, on: string | undefined): ServiceEnd {
  const { declaration, sqlName } = rule.table;
  const column = declaration?.is === 'subject' ? declaration.column : '';
  const mine = `t.${q(column)} = $1::${rootType({ root: rule.table, rootColumn: column })}`;
  const { from } = rule.retention;
  if (typeof from === 'string') {
    const anchor = q(from);
    const end = `coalesce(${given(rule, '$2')}, t.${anchor}, ${now(rule)})`;
    return {
      sql: `update ${sqlName} t set ${anchor} = ${end} where ${mine} returning 1 as ended`,
      parameters: [id, on ?? null],
    };
  }
  const stands = on === undefined ? 'e.ended_on' : 'excluded.ended_on';
  return {
    sql: `insert into oubli.service_end as e (kind, subject_id, ended_on)
select $2, t.${q(column)}::text, coalesce(${given(rule, '$3')}, ${now(rule)}) from ${sqlName} t where ${mine}
on conflict (kind, subject_id) do update set ended_on = ${stands} returning kind`,
    parameters: [id, rule.kind, on ?? null],
  };
}

/** A day is its midnight on the rule's calendar, wherever the session is. */
function given(rule: Rule, parameter: string): string {
  const type = anchorType(rule);
  return isInstant(type)
    ? `${parameter}::timestamp at time zone ${literal(rule.retention.timeZone)}`
    : `${parameter}::${type}`;
}

function now(rule: Rule): string {
  const type = anchorType(rule);
  return isInstant(type) ? 'oubli.now()' : `(oubli.now() at time zone ${literal(rule.retention.timeZone)})::${type}`;
}

function isInstant(type: string): boolean {
  return /with time zone/.test(type);
}
