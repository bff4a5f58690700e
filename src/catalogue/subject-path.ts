/**
 * The way from a table's rows to the person they are about, through the real foreign keys (ERASURE.md G1). Used to find
 * the key a value is sealed under, and the rows an erasure touches.
 */
import { AnnotationError, UnsupportedQueryError } from '../errors';
import type { Catalogue, ForeignKey, Table } from './model';

/** From a table up to a table of subjects. No hops: the table is the subjects' own. */
export interface SubjectPath {
  readonly table: Table;
  readonly hops: readonly ForeignKey[];
  readonly subjects: Table;
  readonly kind: string;
  /** The column of `subjects` whose value names the person. */
  readonly subjectColumn: string;
}

/**
 * The shortest path from a declared table to a table of subjects.
 * @throws AnnotationError SUBJECT_UNREACHABLE or SUBJECT_AMBIGUOUS, naming what is missing
 * @throws UnsupportedQueryError VIEW_UNPINNED
 */
export function pathToSubject(catalogue: Catalogue, table: Table): SubjectPath {
  const known = paths.get(table);
  if (known) return known;
  const path = findPath(catalogue, table);
  paths.set(table, path);
  return path;
}

/** Every write asks; a table belongs to one catalogue, which never changes. */
const paths = new WeakMap<Table, SubjectPath>();

function findPath(catalogue: Catalogue, table: Table): SubjectPath {
  const own = asSubjects(table);
  if (own) return { table, hops: [], ...own };
  const wanted = table.declaration?.is === 'data' ? table.declaration.spec.subject : undefined;
  const found = waysToSubject(catalogue, table, wanted);
  if (found.length === 1 && found[0]) return { table, ...found[0] };
  throw found.length === 0 ? unreachable(catalogue, table, wanted?.kind) : ambiguous(table, found);
}

/** The shortest ways from a table's rows to a table of subjects: one where it is clear whose they are. */
export function waysToSubject(
  catalogue: Catalogue,
  table: Table,
  wanted?: { readonly kind?: string; readonly via?: string },
): Omit<SubjectPath, 'table'>[] {
  const starts = catalogue.keysFrom(table).filter((key) => !wanted?.via || key.columns.includes(wanted.via));
  return shortest(catalogue, starts, wanted?.kind);
}

/** The columns of the table itself that lead to its subject: its own name, or the first foreign key's columns. */
export function anchorColumns(path: SubjectPath): readonly string[] {
  return path.hops[0]?.columns ?? [path.subjectColumn];
}

type Found = Omit<SubjectPath, 'table'>;

function shortest(catalogue: Catalogue, starts: readonly ForeignKey[], kind: string | undefined): Found[] {
  let frontier: ForeignKey[][] = starts.map((key) => [key]);
  const seen = new Set<number>();
  while (frontier.length > 0) {
    const arrived = frontier.flatMap((hops) => arrival(catalogue, hops)).filter((path) => !kind || path.kind === kind);
    if (arrived.length > 0) return arrived;
    // A table is gone on from once; but two ways into it at one level are two ways, of which neither is to be guessed.
    const level = frontier.flatMap((hops) => last(catalogue, hops) ?? []);
    frontier = frontier.flatMap((hops) => {
      const at = last(catalogue, hops);
      return !at || seen.has(at.oid) ? [] : catalogue.keysFrom(at).map((key) => [...hops, key]);
    });
    for (const at of level) seen.add(at.oid);
  }
  return [];
}

function arrival(catalogue: Catalogue, hops: readonly ForeignKey[]): Found[] {
  const at = last(catalogue, hops);
  const own = at && asSubjects(at);
  return own ? [{ hops, ...own }] : [];
}

function last(catalogue: Catalogue, hops: readonly ForeignKey[]): Table | undefined {
  const key = hops.at(-1);
  return key && catalogue.table(key.to);
}

function asSubjects(table: Table): Omit<Found, 'hops'> | undefined {
  const { declaration } = table;
  if (declaration?.is !== 'subject') return undefined;
  return { subjects: table, kind: declaration.kind, subjectColumn: declaration.column };
}

function unreachable(catalogue: Catalogue, table: Table, kind?: string): AnnotationError | UnsupportedQueryError {
  if (table.isView) return new UnsupportedQueryError('VIEW_UNPINNED', { table: table.name });
  const kinds = kind ?? (catalogue.subjectKinds.join("', '") || '(no table is declared with .dataSubject())');
  const subjects = catalogue.tables.find(
    (t) => t.declaration?.is === 'subject' && (!kind || t.declaration.kind === kind),
  );
  return new AnnotationError('SUBJECT_UNREACHABLE', { table: table.name, kinds, subjects: subjects?.name ?? 'users' });
}

function ambiguous(table: Table, found: readonly Found[]): AnnotationError {
  const ways = found.map((path) => path.hops[0]?.columns.join(', ')).join("', '");
  return new AnnotationError('SUBJECT_AMBIGUOUS', { table: table.name, ways, via: found[0]?.hops[0]?.columns[0] });
}
