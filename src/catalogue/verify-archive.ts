/** Whether a declared archive can take the rows of its table as it is: its columns, its start, and where the table stands by now. */
import { AnnotationError } from '../errors';
import type { Table } from './model';
import { isOfSeveral } from './parties';
import { suggest } from './suggest';
import { dateColumn } from './verify-anchor';

/** @throws AnnotationError NO_SUCH_COLUMN, UNKNOWN_ANCHOR, ARCHIVE_BESIDE, ARCHIVE_OF_SEVERAL */
export function verifyArchive(table: Table): void {
  const archive = table.declaration?.spec.retention?.archive;
  if (!archive) return;
  const unknown = archive.columns?.find((column) => !table.columns.has(column));
  if (unknown !== undefined) {
    const suggestion = suggest(unknown, [...table.columns.keys()]);
    throw new AnnotationError('NO_SUCH_COLUMN', { table: table.name, column: unknown, suggestion });
  }
  if (archive.from !== undefined) dateColumn(table, archive.from);
  const { displayName, schema } = table;
  if (schema === archive.schema) throw new AnnotationError('ARCHIVE_BESIDE', { table: displayName, schema });
  // a row leaves with the last of its people, and an archived row has one whose key seals it
  if (isOfSeveral(table)) throw new AnnotationError('ARCHIVE_OF_SEVERAL', { table: displayName });
}
