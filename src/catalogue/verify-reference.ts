/** What must hold of the ways to people: their columns are there and can be compared, and one key is found for what is sealed. */
import { AnnotationError } from '../errors';
import { type Catalogue, type ForeignKey, isPersonal, needsKey, type Table } from './model';
import { isOfSeveral } from './parties';
import { isComparable, isNullable, referringColumns } from './reference';
import { writesAlike } from './subject-id';
import { pathsToSubject, pathToSubject } from './subject-path';
import { suggest } from './suggest';

/** A declared reference whose columns were renamed, dropped or retyped by raw SQL would find nobody's rows. */
export function verifyReference(catalogue: Catalogue, key: ForeignKey): void {
  const [from, to] = [catalogue.table(key.from), catalogue.table(key.to)];
  if (!from || !to) return; // a dropped table has no rows, and one that lost its way is refused as such
  for (const name of referringColumns(key)) refuseMissing(from, name);
  for (const name of key.references) refuseMissing(to, name);
  if (isComparable(key)) return;
  throw new AnnotationError('REFERENCE_TYPE', {
    table: from.displayName,
    column: key.columns[0],
    of: `${to.displayName}.${key.references[0]}`,
  });
}

function refuseMissing({ displayName, columns }: Table, name: string): void {
  if (columns.has(name)) return;
  const suggestion = suggest(name, [...columns.keys()]);
  throw new AnnotationError('NO_SUCH_COLUMN', { table: displayName, column: name, suggestion });
}

export function verifyWays(catalogue: Catalogue, table: Table): void {
  const isArchived = table.declaration?.spec.retention?.archive !== undefined;
  const isOnePersons = needsKey(table) || isOfSeveral(table) || isArchived;
  const paths = isOnePersons ? [pathToSubject(catalogue, table)] : pathsToSubject(catalogue, table);
  for (const { hops } of paths) {
    for (const hop of hops) {
      verifySpelling(catalogue, hop);
      if (hop.declared?.path && isOnePersons) throw sealedByJson(catalogue, table, hop);
    }
  }
  if (table.declaration?.is === 'data' && table.declaration.spec.onErase === 'detach')
    verifyDetached(table, paths[0]?.hops[0]);
}

/** A person's key is found by the text of her id, as the rows below her have it. */
export function verifySpelling(catalogue: Catalogue, hop: ForeignKey): void {
  if (hop.declared) return; // one that is compared in another form is cast, and so spelt anew
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

function sealedByJson(catalogue: Catalogue, table: Table, hop: ForeignKey): AnnotationError {
  const column = `${hop.from === table.oid ? '' : `${catalogue.table(hop.from)?.displayName}.`}${hop.columns[0]}`;
  const to = catalogue.table(hop.to)?.displayName;
  return new AnnotationError('SUBJECT_IN_JSON', { table: table.displayName, column, to, of: hop.references[0] });
}

/** Rows that stay when their link is taken away must then be nobody's (ERASURE.md G2). */
function verifyDetached(table: Table, link: ForeignKey | undefined): void {
  const personal = [...table.columns.values()].find(isPersonal);
  if (personal) throw new AnnotationError('DETACH_PERSONAL', { table: table.displayName, column: personal.name });
  if (!link || isNullable(table, link)) return;
  const column = referringColumns(link).find((name) => table.columns.get(name)?.notNull);
  throw new AnnotationError('DETACH_NOT_NULL', { table: table.displayName, column });
}
