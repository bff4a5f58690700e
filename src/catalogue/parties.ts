/**
 * The people whose data stand in one row (ERASURE.md G3): the table's own subject, and those whom columns of it name for
 * themselves, as the recipient of a message beside its sender. Each party's columns are sealed under her key, leave with her
 * and are exported to her alone.
 */
import { type Catalogue, type Column, isPersonal, type Table } from './model';
import type { ColumnSubject } from './spec';
import { pathToSubject, type SubjectPath, waysToSubject } from './subject-path';

export interface Party {
  readonly path: SubjectPath;
  /** Her personal columns. */
  readonly columns: readonly Column[];
}

/** The person that a column names for itself. */
export function ownSubjectOf({ spec }: Column): ColumnSubject | undefined {
  return spec && 'subject' in spec ? spec.subject : undefined;
}

/** Whether columns of the table are about others than its subject. */
export function isOfSeveral(table: Table): boolean {
  let known = several.get(table);
  if (known === undefined) {
    known = [...table.columns.values()].some((column) => ownSubjectOf(column) !== undefined);
    several.set(table, known);
  }
  return known;
}

/** Every write asks. */
const several = new WeakMap<Table, boolean>();

/**
 * @returns the table's own subject first, with the columns that name nobody else
 * @throws as `pathToSubject` does; that each column's own subject is found was verified when the catalogue was loaded
 */
export function partiesOf(catalogue: Catalogue, table: Table): readonly Party[] {
  let parties = known.get(table);
  if (!parties) {
    parties = findParties(catalogue, table);
    known.set(table, parties);
  }
  return parties;
}

const known = new WeakMap<Table, readonly Party[]>();

function findParties(catalogue: Catalogue, table: Table): Party[] {
  const personal = [...table.columns.values()].filter(isPersonal);
  const own = { path: pathToSubject(catalogue, table), columns: personal.filter((column) => !ownSubjectOf(column)) };
  const others = new Map<string, Party>();
  for (const column of personal) {
    const subject = ownSubjectOf(column);
    const [way] = subject ? waysToSubject(catalogue, table, subject) : [];
    if (!way) continue;
    const name = way.hops.map((hop) => hop.name).join(' ');
    const party = others.get(name);
    others.set(name, { path: party?.path ?? { table, ...way }, columns: [...(party?.columns ?? []), column] });
  }
  return [own, ...others.values()];
}

/** Whose column it is. */
export function partyOf(catalogue: Catalogue, table: Table, column: string): Party {
  const parties = partiesOf(catalogue, table);
  return parties.find(({ columns }) => columns.some(({ name }) => name === column)) ?? (parties[0] as Party);
}
