/** The steps of a plan: one table, one thing done to those of its rows that hang on the root. */
import type { Column, ForeignKey, Table } from '../catalogue/model';
import type { Party } from '../catalogue/parties';

/** From a table up to the root, one foreign key after the other; empty for the root itself. */
export type Way = readonly ForeignKey[];

/** One way by which rows of several people are hers who leaves, or only refer to what leaves. */
export interface Share {
  readonly way: Way;
  /** Her place among the people of the rows; none where the rows only refer to what leaves. */
  readonly person?: number;
  /** Her columns. */
  readonly columns: readonly Column[];
  /** Columns that referred to what leaves and are emptied. */
  readonly detaches: readonly string[];
}

/** Rows in which the data of several people stand (ERASURE.md G3). */
export interface SharedRows {
  readonly shares: readonly Share[];
  /** Whose data stand in a row: the table's own subject first. */
  readonly people: readonly Party[];
  /** Whether a row leaves in which nobody's data is left. */
  readonly mayLeave: boolean;
}

interface AnyStep {
  readonly table: Table;
  /** Set where the rows are several people's: what is done is done by these shares. */
  readonly shared?: SharedRows;
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
