/**
 * Partitions, and tables that inherit: their rows are rows of the table above them, and a foreign key may be to one of them, or from
 * one of them alone (PostgreSQL manual 5.12, 5.11).
 */
import type { Catalogue, ForeignKey, Table } from '../catalogue/model';

/** What refers to rows of a table, to all of them or to some. */
export function keysToRowsOf(catalogue: Catalogue, table: Table): ForeignKey[] {
  return catalogue.family(table).flatMap((each) => catalogue.keysTo(each));
}

/** The table whose rows hold a reference: for a partition that is what it is a partition of. */
export function holderOf(catalogue: Catalogue, key: ForeignKey): Table | undefined {
  return holderOfRows(catalogue, key.from);
}

/** The table that is declared, or not, for rows that stand in this one. */
export function holderOfRows(catalogue: Catalogue, oid: number): Table | undefined {
  let table = catalogue.table(oid);
  while (table?.isPartition) table = catalogue.table(table.parents[0] ?? 0);
  return table;
}

/** The tables that inherit from a table, partitions aside: they may have columns of their own. */
export function heirsOf(catalogue: Catalogue, table: Table): Table[] {
  return catalogue.family(table).filter((each) => each !== table && !each.isPartition);
}
