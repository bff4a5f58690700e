/**
 * Triggers and rules of the team's that were placed on a plan's tables since the catalogue was read of which it is made. To place one
 * PostgreSQL waits for whoever writes to the table and keeps the next one waiting (manual 13.3.1), so after the statement
 * all that could have had a hand in it is seen.
 */
import type { Catalogue } from '../catalogue/model';
import { FIRES_ON_DELETE, FIRES_ON_UPDATE, IS_TEAM_TRIGGER, IS_WRITING_RULE } from '../catalogue/team-trigger';
import { PlanBlockedError } from '../errors';
import type { Queryable, Row } from '../queryable';
import type { Question } from '../registers/errand';
import { holderOfRows } from './families';
import type { Plan } from './plan';

/** Partitions and tables that inherit are among them, also those that were made since: those have the triggers of what they are parts of. */
const standing = (tables: string): string => `
with recursive member(rel) as (
  select unnest(${tables}::bigint[])::oid union select i.inhrelid from member m join pg_catalog.pg_inherits i on i.inhparent = m.rel)
select m.rel::int8 as rel, g.tgname as name, ${FIRES_ON_DELETE} as "onDelete", ${FIRES_ON_UPDATE} as "onUpdate" from member m
join pg_catalog.pg_trigger g on g.tgrelid = m.rel join pg_catalog.pg_proc f on f.oid = g.tgfoid where ${IS_TEAM_TRIGGER} and g.tgparentid = 0
union all
select m.rel::int8, w.rulename, null, null from member m join pg_catalog.pg_rewrite w on w.ev_class = m.rel where ${IS_WRITING_RULE}`;

/** To be asked after the statement and before the commit: `refusePlaced` has the answer. */
export function placedSince({ steps }: Plan): Question {
  return { sql: standing, parameter: steps.map(({ table }) => table.oid) };
}

/** By itself, before anything is made of what triggers did. @throws PlanBlockedError TRIGGER_PLACED */
export async function refusePlacedSince(catalogue: Catalogue, plan: Plan, connection: Queryable): Promise<void> {
  const { sql, parameter } = placedSince(plan);
  refusePlaced(catalogue, plan, (await connection.query(sql('$1'), [parameter])).rows);
}

/** @throws PlanBlockedError TRIGGER_PLACED; all is undone then */
export function refusePlaced(catalogue: Catalogue, plan: Plan, found: readonly Row[]): void {
  const placed = found.find((row) => !isKnown(catalogue, row));
  if (!placed) return;
  const table = holderOfRows(catalogue, Number(placed.rel)) ?? plan.root;
  throw new PlanBlockedError('TRIGGER_PLACED', { table: table.displayName, trigger: String(placed.name) });
}

function isKnown(catalogue: Catalogue, { rel, name, onDelete, onUpdate }: Row): boolean {
  const table = catalogue.table(Number(rel));
  if (onDelete === null) return table?.rules.includes(String(name)) ?? false;
  return (
    table?.triggers.some((each) => each.name === name && each.onDelete === onDelete && each.onUpdate === onUpdate) ??
    false
  );
}
