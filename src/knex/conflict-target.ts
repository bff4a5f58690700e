/** The target of an `onConflict().merge()`: the columns by which the person of the row that would be updated is found. */
import { type Catalogue, needsKey, type Table } from '../catalogue/model';
import { anchorColumns, pathToSubject } from '../catalogue/subject-path';
import { nameOf, refuseTable } from './columns';
import type { InternalCompiler } from './internals';

/** @returns undefined where it does not matter: nothing is merged or sealed, or the target names the person herself */
export function conflictColumns(
  compiler: InternalCompiler,
  catalogue: Catalogue,
  table: Table,
): readonly string[] | undefined {
  const { onConflict, merge } = compiler.single;
  if (!merge || !needsKey(table)) return undefined;
  const columns = [onConflict].flat();
  if (!columns.every((column) => typeof column === 'string')) return refuseTable('MERGE_TARGET', table);
  const names = columns.map(nameOf(compiler));
  if (anchorColumns(pathToSubject(catalogue, table)).every((anchor) => names.includes(anchor))) return undefined;
  return names.length > 0 && names.every((name) => table.columns.has(name))
    ? names
    : refuseTable('MERGE_TARGET', table);
}
