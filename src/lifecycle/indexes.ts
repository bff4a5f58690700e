/**
 * The indexes without which a plan is not carried out: where a reference has none on its own side, each row that leaves reads the
 * whole table that refers to it (RUNTIME.md section 5: 188 ms a row), once for us and once more for PostgreSQL's own check.
 */
import type { Catalogue } from '../catalogue/model';
import { PlanBlockedError } from '../errors';
import type { Queryable } from '../queryable';
import { keysToRowsOf } from './families';
import type { Plan } from './plan';
import { removesRows } from './step';

/** What a plan goes by downwards, and what PostgreSQL checks when rows are deleted, whoever declared the table: their ids. */
export function referencesOf(catalogue: Catalogue, { steps }: Plan): number[] {
  const ids = new Set<number>();
  for (const step of steps) {
    for (const { id } of step.ways.flat()) ids.add(id);
    if (step.action === 'detach') for (const { id } of step.unless.flat()) ids.add(id);
    if (removesRows(step)) for (const { id } of keysToRowsOf(catalogue, step.table)) ids.add(id);
  }
  return [...ids];
}

const MISSING = 'select "table", columns, statement from oubli.missing_indexes($1::oid[])';
/** References that have their index, for as long as the schema is the one of which this catalogue was read. */
const served = new WeakMap<Catalogue, Set<number>>();

/** @throws PlanBlockedError INDEX_MISSING, with the statement that creates each of them */
export async function refuseUnindexed(catalogue: Catalogue, plan: Plan, connection: Queryable): Promise<void> {
  const known = served.get(catalogue) ?? new Set();
  const asked = referencesOf(catalogue, plan).filter((id) => !known.has(id));
  if (asked.length === 0) return;
  const { rows } = await connection.query(MISSING, [asked]);
  if (rows.length === 0) {
    served.set(catalogue, new Set([...known, ...asked]));
    return;
  }
  throw new PlanBlockedError('INDEX_MISSING', {
    table: String(rows[0]?.table),
    kind: plan.kind ?? plan.root.displayName,
    references: rows.map((row) => `${row.table} (${row.columns})`).join(', '),
    statements: rows.map((row) => `${row.statement};`).join('\n'),
  });
}
