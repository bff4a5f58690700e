/** The steps of a plan: one table, one thing done to those of its rows that hang on the root. */
import type { ForeignKey, Table } from '../catalogue/model';

/** From a table up to the root, one foreign key after the other; empty for the root itself. */
export type Way = readonly ForeignKey[];

interface AnyStep {
  readonly table: Table;
  /** Why it is this and not what was declared, or the ground for keeping. */
  readonly because?: string | undefined;
  /** How its rows are found; more than one way where nobody declared whose they are. */
  readonly ways: readonly Way[];
}

/** Rows that belong to the root: they leave, are anonymised, are kept, or leave for the archive. */
export interface OwnStep extends AnyStep {
  readonly action: 'delete' | 'anonymise' | 'keep' | 'archive';
}

/** Rows of others that only refer to what leaves: the reference goes, the rows stay. */
export interface DetachStep extends AnyStep {
  readonly action: 'detach';
  /** Rows that these ways find are taken by the table's own step: no row is touched twice (ERASURE.md A1). */
  readonly unless: readonly Way[];
}

export type Step = OwnStep | DetachStep;
/** Whether nothing is left of the rows where they were. */
export function removesRows({ action }: Step): boolean {
  return action === 'delete' || action === 'archive';
}

export type Action = Step['action'];
