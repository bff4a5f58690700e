/**
 * One row being written, as far as its person is concerned: every protected value of the row is sealed under her key.
 * The compiler notes what the statement itself says of her; `resolve-subjects.ts` finds out the rest before sealing.
 */
import type { Element, Table } from '../catalogue/model';
import type { SubjectPath } from '../catalogue/subject-path';

/** An insert that may turn into an update of somebody's existing row. */
export interface ConflictTarget {
  readonly table: Table;
  readonly columns: readonly ConflictColumn[];
}

export interface ConflictColumn {
  readonly column: string;
  /** Set when the target is protected: a sealed, searchable column is found by its blind index. */
  readonly element: Element | undefined;
  /** Hidden in a marker, for it may be personal. */
  readonly value: { readonly value: unknown };
}

export class SubjectRow {
  /**
   * @param path from the row's table to its subject
   * @param anchor values of the table's anchor columns, in order; undefined while they are not known
   * @param conflict what an `onConflict().merge()` would match
   */
  constructor(
    readonly path: SubjectPath,
    readonly anchor: readonly unknown[] | undefined,
    readonly conflict: ConflictTarget | undefined = undefined,
  ) {}

  /** The other people's rows of the same stored row: who is two of them has one key in it (ENVELOPE.md E5). */
  beside: readonly SubjectRow[] | undefined;

  /** Whether the database assigns this row's name, so that it has to be asked for one first. */
  get needsId(): boolean {
    return this.anchor === undefined && this.path.hops.length === 0;
  }
}

/** What one stored row is written as, for each of the people whose values are written in it. */
export function ofOneRow(rows: readonly SubjectRow[]): readonly SubjectRow[] {
  if (rows.length > 1) for (const row of rows) row.beside = rows;
  return rows;
}

/** The rows of an update that does not say whose they are: that is selected first (`narrowed-update.ts`). */
export class UnnamedRow extends SubjectRow {
  constructor(path: SubjectPath) {
    super(path, undefined);
  }
}
