/**
 * What must hold before anything runs on a catalogue: every declared table leads to its subject, every rule starts from a
 * date. A mistake in a migration is said at start, by name, not when the first row is due.
 */
import { AnnotationError } from '../errors';
import type { Catalogue, Table } from './model';
import { pathToSubject } from './subject-path';
import { suggest } from './suggest';

const DATES = /^(date|timestamp)/;

/** @throws AnnotationError SUBJECT_UNREACHABLE, SUBJECT_AMBIGUOUS or UNKNOWN_ANCHOR */
export function verifyCatalogue(catalogue: Catalogue): void {
  for (const table of catalogue.tables) {
    if (!table.declaration) continue;
    pathToSubject(catalogue, table);
    verifyAnchor(table);
  }
}

function verifyAnchor(table: Table): void {
  const from = table.declaration?.spec.retention?.from;
  if (typeof from !== 'string') return;
  const column = table.columns.get(from);
  if (column && column.element === undefined && DATES.test(column.type)) return;
  const dates = [...table.columns.values()].filter((each) => DATES.test(each.type)).map((each) => each.name);
  throw new AnnotationError('UNKNOWN_ANCHOR', {
    table: table.name,
    column: from,
    suggestion: suggest(from, dates) ?? dates[0],
  });
}
