/**
 * Triggers of the team's that fire while a plan is carried out: whatever they do to the rows, or write elsewhere, is looked at before
 * the commit. Without any, nothing more is asked.
 */
import type { Catalogue, Table } from '../catalogue/model';
import type { TeamTrigger } from '../catalogue/team-trigger';
import { holderOfRows } from './families';
import { removesRows, type Step } from './step';

export interface FiringTrigger {
  /** Of a partition the table that it is one of. */
  readonly table: Table;
  readonly name: string;
}

export function firingTriggers(catalogue: Catalogue, steps: readonly Step[]): FiringTrigger[] {
  const found = new Map<string, FiringTrigger>();
  for (const step of steps) {
    for (const member of catalogue.family(step.table)) {
      for (const trigger of member.triggers) if (firesOn(trigger, step)) note(found, catalogue, member, trigger);
    }
  }
  return [...found.values()];
}

/** Rows that are kept are updated, too: their values are sealed anew. */
function firesOn({ onDelete, onUpdate }: TeamTrigger, step: Step): boolean {
  return removesRows(step) ? onDelete : onUpdate;
}

/** Triggers of a partitioned table stand on each of its partitions. */
function note(found: Map<string, FiringTrigger>, catalogue: Catalogue, member: Table, { name }: TeamTrigger): void {
  const table = holderOfRows(catalogue, member.oid) ?? member;
  found.set(`${table.oid} ${name}`, { table, name });
}
