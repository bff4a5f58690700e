/**
 * The way from a table's rows to the person they are about, through the real foreign keys and the declared references
 * (ERASURE.md G1). Used to find the key a value is sealed under, and the rows an erasure touches.
 */
import { AnnotationError, UnsupportedQueryError } from '../errors';
import type { Catalogue, ForeignKey, Table } from './model';
import { areAlternatives, isByType, referringColumns } from './reference';

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
 * @throws AnnotationError SUBJECT_UNREACHABLE or SUBJECT_AMBIGUOUS, naming what is missing; SUBJECT_BY_TYPE where another column
 *   of each row says whose it is
 * @throws UnsupportedQueryError VIEW_UNPINNED
 */
export function pathToSubject(catalogue: Catalogue, table: Table): SubjectPath {
  const [path, another] = pathsToSubject(catalogue, table);
  if (path && !another) return path;
  throw new AnnotationError('SUBJECT_BY_TYPE', {
    table: table.displayName,
    column: path?.hops.find(isByType)?.columns[0],
  });
}

/**
 * The same where a polymorphic reference has each row belong to one of several people, or of several kinds of them: a path for each
 * of its types that leads to somebody. No row is on two of them.
 */
export function pathsToSubject(catalogue: Catalogue, table: Table): readonly SubjectPath[] {
  const known = paths.get(table);
  if (known) return known;
  const found = findPaths(catalogue, table);
  paths.set(table, found);
  return found;
}

/** Every write asks; a table belongs to one catalogue, which never changes. */
const paths = new WeakMap<Table, readonly SubjectPath[]>();

function findPaths(catalogue: Catalogue, table: Table): readonly SubjectPath[] {
  const wanted = table.declaration?.is === 'data' ? table.declaration.spec.subject : undefined;
  const found = pathsFrom(catalogue, table, wanted ?? {}, new Set());
  if (found.length === 0) throw unreachable(catalogue, table, wanted?.kind);
  return found.map((path) => ({ table, ...path }));
}

interface Wanted {
  readonly kind?: string;
  readonly via?: string;
}

function pathsFrom(catalogue: Catalogue, table: Table, wanted: Wanted, passed: ReadonlySet<number>): Found[] {
  const own = asSubjects(catalogue, table);
  if (own) return [{ hops: [], ...own }];
  const found = waysToSubject(catalogue, table, wanted);
  const [first] = found;
  if (!first) return [];
  const turn = first.hops.findIndex(isByType);
  if (found.some(({ hops }) => hops !== first.hops && !turnsAt(turn, first.hops, hops))) throw ambiguous(table, found);
  if (turn === -1) return [first];
  const before = first.hops.slice(0, turn);
  return catalogue.foreignKeys
    .filter((key) => areAlternatives(key, first.hops[turn] as ForeignKey))
    .filter((key) => turn > 0 || !wanted.via || key.columns.includes(wanted.via))
    .flatMap((key) => pathsOnward(catalogue, key, wanted, new Set([...passed, key.from])))
    .map((path) => ({ ...path, hops: [...before, ...path.hops] }));
}

/** Another type's rows may belong to nobody: then there is no path. */
function pathsOnward(catalogue: Catalogue, key: ForeignKey, { kind }: Wanted, passed: ReadonlySet<number>): Found[] {
  const next = catalogue.table(key.to);
  if (!next || passed.has(next.oid)) return [];
  const onward = pathsFrom(catalogue, next, kind === undefined ? {} : { kind }, passed);
  return onward.filter((path) => !kind || path.kind === kind).map((path) => ({ ...path, hops: [key, ...path.hops] }));
}

/** Two ways that part where the rows of one table are told apart by their type: no row is on both. */
function turnsAt(turn: number, one: readonly ForeignKey[], other: readonly ForeignKey[]): boolean {
  if (turn === -1) return false;
  const [a, b] = [one[turn], other[turn]];
  return (
    one.slice(0, turn).every((key, place) => key === other[place]) &&
    a !== undefined &&
    b !== undefined &&
    areAlternatives(a, b)
  );
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

/** The columns of the table itself that lead to its subject: its own name, or those of the first reference. */
export function anchorColumns(path: SubjectPath): readonly string[] {
  const [first] = path.hops;
  return first ? referringColumns(first) : [path.subjectColumn];
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
      return !at || seen.has(at.oid) ? [] : keysOnward(catalogue, at).map((key) => [...hops, key]);
    });
    for (const at of level) seen.add(at.oid);
  }
  return [];
}

/** Whose the rows of a declared table are, its declaration says: a file is that of its message's sender, not of the recipient. */
function keysOnward(catalogue: Catalogue, table: Table): ForeignKey[] {
  const via = table.declaration?.is === 'data' ? table.declaration.spec.subject?.via : undefined;
  return catalogue.keysFrom(table).filter((key) => via === undefined || key.columns.includes(via));
}

function arrival(catalogue: Catalogue, hops: readonly ForeignKey[]): Found[] {
  const at = last(catalogue, hops);
  const own = at && asSubjects(catalogue, at);
  return own ? [{ hops, ...own }] : [];
}

function last(catalogue: Catalogue, hops: readonly ForeignKey[]): Table | undefined {
  const key = hops.at(-1);
  return key && catalogue.table(key.to);
}

/** Rows of a partition, and of a table that inherits, are those of the table above it. */
function asSubjects(catalogue: Catalogue, table: Table): Omit<Found, 'hops'> | undefined {
  const { declaration, parents } = table;
  if (declaration?.is === 'subject') {
    return { subjects: table, kind: declaration.kind, subjectColumn: declaration.column };
  }
  if (declaration) return undefined;
  for (const oid of parents) {
    const parent = catalogue.table(oid);
    const above = parent && asSubjects(catalogue, parent);
    if (above) return above;
  }
  return undefined;
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
