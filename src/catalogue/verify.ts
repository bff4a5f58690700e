/**
 * What must hold before anything runs on a catalogue: every column has the protection it was declared with, every declared
 * table leads to its subject, every rule starts from a date. A mistake in a migration is said at start, by name, not when
 * the first row is due.
 */
import { AnnotationError } from '../errors';
import type { Catalogue, Column, Table } from './model';
import { canNameSubject } from './subject-id';
import { suggest } from './suggest';
import { verifyAnchor } from './verify-anchor';
import { verifyArchive } from './verify-archive';
import { verifyParties } from './verify-parties';
import { verifyReference, verifySpelling, verifyWays } from './verify-reference';

/**
 * @throws as `verifyParties`, `verifyReference` and `verifyWays` do; AnnotationError PROTECTION_LOST, NO_SUCH_COLUMN, SUBJECT_ID_TYPE or
 *   those of an anchor or an archive
 */
export function verifyCatalogue(catalogue: Catalogue): void {
  for (const key of catalogue.foreignKeys) if (key.declared) verifyReference(catalogue, key);
  for (const table of catalogue.tables) {
    for (const column of table.columns.values()) verifyProtection(table, column);
    for (const { hops } of verifyParties(catalogue, table)) for (const hop of hops) verifySpelling(catalogue, hop);
    if (!table.declaration) continue;
    verifyWays(catalogue, table);
    verifySubjectId(table);
    verifyAnchor(catalogue, table);
    verifyArchive(table);
  }
}

/** The type is the protection: a column that lost it by raw SQL would take plaintext without a word. */
function verifyProtection(table: Table, { name, type, element, spec }: Column): void {
  const declared = spec?.protect;
  if (declared === undefined || declared === 'clear' || declared === element?.protect) return;
  throw new AnnotationError('PROTECTION_LOST', { table: table.name, column: name, type, protect: declared });
}

function verifySubjectId({ name, columns, declaration }: Table): void {
  if (declaration?.is !== 'subject') return;
  const column = columns.get(declaration.column);
  const names = { table: name, column: declaration.column };
  if (!column)
    throw new AnnotationError('NO_SUCH_COLUMN', { ...names, suggestion: suggest(names.column, [...columns.keys()]) });
  if (column.element || !canNameSubject(column.type))
    throw new AnnotationError('SUBJECT_ID_TYPE', { ...names, type: column.type });
}
