/**
 * What must hold before anything runs on a catalogue: every column has the protection it was declared with, every declared
 * table leads to its subject, every rule starts from a date. A mistake in a migration is said at start, by name, not when
 * the first row is due.
 */
import { AnnotationError } from '../errors';
import type { Catalogue, Column, Table } from './model';
import { canNameSubject, writesAlike } from './subject-id';
import { pathToSubject, type SubjectPath } from './subject-path';
import { suggest } from './suggest';
import { verifyAnchor } from './verify-anchor';
import { verifyArchive } from './verify-archive';
import { verifyParties } from './verify-parties';

/** @throws as `verifyParties` does; AnnotationError PROTECTION_LOST, SUBJECT_UNREACHABLE, SUBJECT_AMBIGUOUS, NO_SUCH_COLUMN, SUBJECT_ID_TYPE, SUBJECT_KEY_TYPE or those of an anchor or an archive */
export function verifyCatalogue(catalogue: Catalogue): void {
  for (const table of catalogue.tables) {
    for (const column of table.columns.values()) verifyProtection(table, column);
    for (const path of verifyParties(catalogue, table)) verifyKeys(catalogue, path);
    if (!table.declaration) continue;
    verifyKeys(catalogue, pathToSubject(catalogue, table));
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

/** A person's key is found by the text of her id, as the rows below her have it. */
function verifyKeys(catalogue: Catalogue, { hops }: SubjectPath): void {
  for (const hop of hops) {
    const [from, to] = [catalogue.table(hop.from), catalogue.table(hop.to)];
    for (const [place, column] of hop.columns.entries()) {
      const type = from?.columns.get(column)?.type ?? '';
      const wanted = to?.columns.get(hop.references[place] ?? '')?.type ?? '';
      if (writesAlike(type, wanted)) continue;
      throw new AnnotationError('SUBJECT_KEY_TYPE', {
        table: from?.displayName,
        column,
        type,
        wanted,
        of: to?.displayName,
      });
    }
  }
}
