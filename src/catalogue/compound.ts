/**
 * Compound indexes: one blind index over the values of several columns, which stands in the sealed value of one of them, the
 * *carrier*. Whoever reads the database sees which rows are equal in all of them, and not which are equal in one.
 */
import type { Column, Element, Table } from './model';

export interface Compound {
  readonly carrier: Column;
  /** The carrier's column, then the others, in the order in which they are indexed. */
  readonly columns: readonly string[];
  readonly parts: readonly Element[];
}

const made = new WeakMap<Table, readonly Compound[]>();

/** The compound indexes of a table; not one of which a column is missing, as after a renaming past oubli. */
export function compoundsOf(table: Table): readonly Compound[] {
  let compounds = made.get(table);
  if (!compounds) {
    compounds = [...table.columns.values()].flatMap((carrier) => compoundOf(table, carrier));
    made.set(table, compounds);
  }
  return compounds;
}

function compoundOf(table: Table, carrier: Column): Compound[] {
  const { compound } = carrier.element ?? {};
  if (!compound) return [];
  const columns = [carrier.name, ...compound.map((member) => member.column)];
  const parts = columns.flatMap((name) => table.columns.get(name)?.element ?? []);
  return parts.length === columns.length ? [{ carrier, columns, parts }] : [];
}
