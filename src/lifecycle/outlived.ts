/**
 * What stays of people who are gone, and is seen to after the sweeps: events from which rows of theirs were kept go with the last of
 * those rows, and what a trigger did about somebody gets its entry in the ledger.
 */
import type { Catalogue } from '../catalogue/model';
import { toInterval } from '../period';
import { quoteLiteral as literal } from '../queryable';
import type { LedgerEntry } from '../registers/ledger';
import { isEvent } from './anchor';
import type { Engine } from './engine';
import { eventRules } from './person-events';
import type { Rule, RulePerson } from './rule';

export async function tendOutlived({ catalogue, database, ledger }: Engine): Promise<void> {
  await database.transaction(async (connection) => {
    await connection.query(forgetEvents(catalogue));
    const { rows } = await connection.query(UNRECORDED);
    const entries = rows.map(({ act, key_id, because, details }) => ({ act, keyId: key_id, because, details }));
    if (entries.length > 0) await ledger.record(connection, entries as unknown as LedgerEntry[]);
  });
}

const UNRECORDED = `
with taken as (delete from oubli.unrecorded returning *)
select act, key_id, because, details from taken order by id`;

/** Of rows that leave before their day, past the life cycle, the event is found so many days later at the latest. */
const LOOKED_AT_AFTER = 30;
const TODAY = "(oubli.now() at time zone 'UTC')::date";

/**
 * Of the events that somebody left behind only those are looked at of which rows may have left since they were looked at last: it
 * is written beside each of them when that is. Two workers pass over what the other one looks at.
 */
export function forgetEvents(catalogue: Catalogue): string {
  const kinds = catalogue.subjectKinds.flatMap((kind) => {
    const ends = endsOfRows(catalogue, kind);
    return ends.length === 0 ? [] : [`when ${literal(kind)} then least(${ends.join(', ')})`];
  });
  const next = kinds.length === 0 ? 'null::date' : `case e.kind ${kinds.join(' ')} end`;
  const same =
    'e.kind = l.kind and e.event = l.event and e.purpose = l.purpose and e.subject_id = l.subject_id and e.left_behind';
  return `
with looked as materialized (
  select e.kind, e.event, e.purpose, e.subject_id, ${next} as next from oubli.person_event e
  where e.left_behind and e.look_on <= ${TODAY} order by e.look_on for update of e skip locked),
forgotten as (delete from oubli.person_event e using looked l where ${same} and l.next is null)
update oubli.person_event e set look_on = least(l.next, ${TODAY} + ${LOOKED_AT_AFTER}) from looked l where ${same} and l.next is not null`;
}

/**
 * SQL of the day on which rows end that are still there, NULL where there are none, for each rule that has a use for the event. A day
 * early, for it begins earlier in the east.
 */
function endsOfRows(catalogue: Catalogue, kind: string): string[] {
  return eventRules(catalogue, kind)
    .filter((rule) => rule.kind === undefined)
    .map((rule) => {
      const { from, keep } = rule.retention;
      const end = `(e.happened_on + interval '${toInterval(keep)}')::date - 1`;
      return `case when ${isEvent(from, kind, 'e')} and exists (${rowsOf(rule)}) then ${end} end`;
    });
}

function rowsOf({ table, person }: Rule): string {
  const { chain, type } = person as RulePerson;
  const { tables, conditions, root } = chain('t');
  const where = [...conditions, `${root} = e.subject_id::${type}`].join(' and ');
  return `select from ${[`${table.sqlName} t`, ...tables].join(', ')} where ${where}`;
}
