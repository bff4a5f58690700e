/**
 * A plan: what an end would do, as data (DESIGN.md mechanism 7). Made from the catalogue alone, printed by whoever wants to
 * look first, and run by `apply.ts`, whose receipt is the plan as applied.
 */
import type { SettledRetention } from '../catalogue/check-retention';
import type { Catalogue, Table } from '../catalogue/model';
import { PlanBlockedError } from '../errors';
import type { TreatedColumn } from '../registers/receipt';
import { treatmentOf } from './anonymise';
import { graphBelow, type RootAction } from './graph';
import type { Review } from './reviews';
import { type Root, rowColumn } from './root';
import { sharedColumns } from './shared-rows';
import type { Action, Step } from './step';

export interface PlannedStep {
  readonly table: string;
  readonly action: Action;
  readonly because?: string;
  /** What is done to each personal column of rows that are anonymised, and its legal effect. */
  readonly columns?: readonly TreatedColumn[];
}

export interface Plan extends Root {
  /** Set when what leaves is a person, whose key is destroyed with her. */
  readonly kind: string | undefined;
  readonly steps: readonly Step[];
  readonly reviews: readonly Review[];
}

/** The plan for the people of a kind. */
export function planErasure(catalogue: Catalogue, subjects: Table): Plan {
  const { declaration } = subjects;
  if (declaration?.is !== 'subject') throw new TypeError(`${subjects.name} is no table of data subjects`);
  const graph = graphBelow(catalogue, subjects, declaration.spec.retention.then as RootAction);
  return { ...graph, rootColumn: declaration.column, kind: declaration.kind };
}

/** The plan for rows that end by a rule of their table. */
export function planRows(catalogue: Catalogue, table: Table, retention: SettledRetention): Plan {
  const graph = graphBelow(catalogue, table, retention.then as RootAction);
  return { ...graph, rootColumn: rowColumn(table), kind: undefined };
}

/** The same, for people to read and for a dry run to print. */
export function describePlan(plan: Plan): { steps: PlannedStep[]; reviews: Review[] } {
  const steps = plan.steps.map((step) => ({
    table: step.table.displayName,
    action: step.action,
    ...(step.because ? { because: step.because } : {}),
    ...(step.action === 'anonymise' ? { columns: treatmentOf(step.table, sharedColumns(step)) } : {}),
  }));
  return { steps, reviews: [...plan.reviews] };
}

/** @throws PlanBlockedError naming what has to be declared first */
export function refuseBlocked(plan: Plan): void {
  const [first] = plan.reviews;
  if (!first) return;
  const reasons = plan.reviews.map((review) => review.reason).join('; ');
  const tables = [...new Set(plan.reviews.map(({ table }) => table))].join(', ');
  throw new PlanBlockedError('PLAN_BLOCKED', {
    table: first.table,
    kind: plan.kind ?? plan.root.name,
    reasons,
    tables,
  });
}

/**
 * What PostgreSQL found when it checked the foreign keys, as the reader's own: a row that stays refers to one that was to be
 * deleted, and the catalogue could not know it. Other errors pass as they are.
 */
export function blockedBy(error: unknown, plan: Plan): unknown {
  const { code, table, constraint } = error as { code?: string; table?: string; constraint?: string };
  if (code !== '23503') return error;
  const reasons = `rows of ${table} that are not hers refer to what would be deleted (${constraint})`;
  return new PlanBlockedError('PLAN_BLOCKED', { table, kind: plan.kind ?? plan.root.name, reasons });
}
