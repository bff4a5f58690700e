/** Whether a declared rule can start its clock in the table as it is (ERASURE.md D3): its columns, their types, its reference. */
import { AnnotationError } from '../errors';
import type { Anchor } from './anchor-spec';
import type { Catalogue, Column, Table } from './model';
import { suggest } from './suggest';

const DATES = /^(date|timestamp)/;

/** @throws AnnotationError UNKNOWN_ANCHOR, MIXED_ANCHORS, PARENT_NOT_FORGOTTEN, PARENT_NEEDS_KEY */
export function verifyAnchor(catalogue: Catalogue, table: Table): void {
  const from = table.declaration?.spec.retention?.from;
  if (from === undefined) return;
  const columns = dateColumnsOf(from).map((name) => dateColumn(table, name));
  const [first, ...others] = columns;
  const other = others.find(({ type }) => type !== first?.type);
  if (first && other) {
    const names = columns.map(({ name }) => name).join("', '");
    throw new AnnotationError('MIXED_ANCHORS', {
      table: table.displayName,
      columns: names,
      column: other.name,
      type: first.type,
    });
  }
  if (typeof from === 'object' && 'deletionOf' in from) verifyReference(catalogue, table, from.deletionOf);
}

/** The columns of the rule's own table from which its clock starts. */
export function dateColumnsOf(from: Anchor): readonly string[] {
  if (typeof from === 'string') return [from];
  if ('latestOf' in from) return from.latestOf;
  return 'endOfFiscalYear' in from ? [from.endOfFiscalYear] : [];
}

/** @throws AnnotationError UNKNOWN_ANCHOR */
export function dateColumn(table: Table, name: string): Column {
  const column = table.columns.get(name);
  if (column && column.element === undefined && DATES.test(column.type)) return column;
  const dates = [...table.columns.values()].filter((each) => DATES.test(each.type)).map((each) => each.name);
  throw new AnnotationError('UNKNOWN_ANCHOR', {
    table: table.name,
    column: name,
    suggestion: suggest(name, dates) ?? dates[0],
  });
}

/** Rows that leave with their parent, or keep it from leaving, never come to the day from which they are kept. */
function verifyReference(catalogue: Catalogue, table: Table, column: string): void {
  const names = { table: table.displayName, column };
  const forgets = catalogue.keysFrom(table).some((key) => key.columns.includes(column) && key.onDelete === 'set null');
  if (!forgets) throw new AnnotationError('PARENT_NOT_FORGOTTEN', names);
  if (table.primaryKey.length === 0) throw new AnnotationError('PARENT_NEEDS_KEY', names);
}
