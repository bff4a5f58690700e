/** What must hold of columns that name their own subject: she is found, in one way, and is not the table's subject again. */
import { AnnotationError, type ErrorCode, type Names } from '../errors';
import { compoundsOf } from './compound';
import type { Catalogue, Column, Table } from './model';
import { ownSubjectOf, partiesOf } from './parties';
import type { ColumnSubject } from './spec';
import { anchorColumns, pathToSubject, type SubjectPath, waysToSubject } from './subject-path';
import { suggest } from './suggest';

/**
 * @returns the ways to the people whom its columns name, to be verified as the table's own is
 * @throws AnnotationError COLUMN_SUBJECT_NOWHERE, COLUMN_SUBJECT_AMBIGUOUS, COLUMN_SUBJECT_OWN, COLUMN_SUBJECT_PLACE or
 *   COLUMN_SUBJECT_TORN
 */
export function verifyParties(catalogue: Catalogue, table: Table): SubjectPath[] {
  const named = [...table.columns.values()].flatMap((column) => {
    const subject = ownSubjectOf(column);
    return subject ? [{ column, subject }] : [];
  });
  if (named.length === 0) return [];
  for (const { column, subject } of named) verifyColumn(catalogue, table, column, subject);
  const [own, ...others] = partiesOf(catalogue, table);
  verifyCompounds(catalogue, table);
  return own ? others.map(({ path }) => path) : [];
}

function verifyColumn(catalogue: Catalogue, table: Table, column: Column, subject: ColumnSubject): void {
  const names = { table: table.name, column: column.name, via: subject.via, kind: subject.kind };
  if (table.declaration?.is !== 'data') throw refusal('COLUMN_SUBJECT_PLACE', names);
  const ways = waysToSubject(catalogue, table, subject);
  const [way, another] = ways;
  if (!way) throw refusal('COLUMN_SUBJECT_NOWHERE', { ...names, suggestion: suggestionFor(catalogue, table, subject) });
  if (another) throw refusal('COLUMN_SUBJECT_AMBIGUOUS', { ...names, kinds: kindsOf(ways) });
  const own = pathToSubject(catalogue, table);
  if (own.hops[0] === way.hops[0] && own.kind === way.kind) throw refusal('COLUMN_SUBJECT_OWN', names);
}

/** A column of the table by which somebody else than its own subject is found. */
function suggestionFor(catalogue: Catalogue, table: Table, { via }: ColumnSubject): string | undefined {
  const own = anchorColumns(pathToSubject(catalogue, table));
  const leading = catalogue
    .keysFrom(table)
    .flatMap(({ columns }) => columns)
    .filter((name) => !own.includes(name) && waysToSubject(catalogue, table, { via: name }).length === 1);
  return suggest(via, leading) ?? leading[0];
}

function kindsOf(ways: readonly { readonly kind: string }[]): string {
  return [...new Set(ways.map(({ kind }) => kind))].join("', '");
}

/** An index over values of two people would outlive one of them in the other's column. */
function verifyCompounds(catalogue: Catalogue, table: Table): void {
  const parties = partiesOf(catalogue, table);
  for (const { carrier, columns } of compoundsOf(table)) {
    const apart = parties.find((party) => {
      const hers = columns.filter((name) => party.columns.some((column) => column.name === name));
      return hers.length > 0 && hers.length < columns.length;
    });
    if (!apart) continue;
    const others = columns.filter((name) => name !== carrier.name).join(', ');
    throw refusal('COLUMN_SUBJECT_TORN', { table: table.name, column: carrier.name, others });
  }
}

function refusal(code: ErrorCode, names: Names): AnnotationError {
  return new AnnotationError(code, names);
}
