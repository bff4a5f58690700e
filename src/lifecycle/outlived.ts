/**
 * What stays of people who are gone, and is seen to after the sweeps: events from which rows of theirs were kept go with the last of
 * those rows, and what a trigger did about somebody gets its entry in the ledger.
 */
import type { Catalogue } from '../catalogue/model';
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

/** @returns a statement over those events only that somebody left behind */
export function forgetEvents(catalogue: Catalogue): string {
  const kinds = catalogue.subjectKinds.map((kind) => `when ${literal(kind)} then ${isNeeded(catalogue, kind)}`);
  const needed = kinds.length === 0 ? 'false' : `case e.kind ${kinds.join(' ')} else false end`;
  return `delete from oubli.person_event e where e.left_behind and not ${needed}`;
}

function isNeeded(catalogue: Catalogue, kind: string): string {
  const uses = eventRules(catalogue, kind)
    .filter((rule) => rule.kind === undefined)
    .map((rule) => `${isEvent(rule.retention.from, kind, 'e')} and exists (${rowsOf(rule)})`);
  return uses.length === 0 ? 'false' : `(${uses.join(' or ')})`;
}

function rowsOf({ table, person }: Rule): string {
  const { chain, type } = person as RulePerson;
  const { tables, conditions, root } = chain('t');
  const where = [...conditions, `${root} = e.subject_id::${type}`].join(' and ');
  return `select from ${[`${table.sqlName} t`, ...tables].join(', ')} where ${where}`;
}
