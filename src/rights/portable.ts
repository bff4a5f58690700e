/**
 * What a person may take with her (GDPR Art. 20(1)): data she provided, knowingly or by being observed, whose processing rests
 * on consent or on a contract. What was derived or inferred about her, and what is kept under a legal obligation, is not
 * hers to port (WP 242 rev. 01); it is hers to see, by the right of access.
 */
import { type Catalogue, type Column, type ForeignKey, isPersonal, type Table } from '../catalogue/model';
import { isOfSeveral, type Party, partiesOf } from '../catalogue/parties';
import type { PersonalSpec } from '../catalogue/spec';
import { pathsToSubject } from '../catalogue/subject-path';
import { rootType } from '../lifecycle/root';

const PORTABLE_ORIGINS = new Set<string>(['provided', 'observed']);
const PORTABLE_BASES = new Set<string>(['consent', 'contract']);

export interface PortableColumn {
  readonly column: Column;
  readonly category: string;
  readonly origin: string;
  readonly purpose: string;
  readonly basis: string;
}

/** One way by which rows of several people are hers, and the columns that are hers then (ERASURE.md G3). */
export interface PortableShare {
  readonly hops: readonly ForeignKey[];
  readonly columns: ReadonlySet<string>;
}

export interface PortableTable {
  readonly table: Table;
  /** Set where the rows are several people's: a column is given where it is hers, and null otherwise. */
  readonly shares?: readonly PortableShare[];
  /** From the table to its person; more than one way where the rows have types, and no row goes by two of them. */
  readonly ways: readonly (readonly ForeignKey[])[];
  readonly subjectColumn: string;
  /** PostgreSQL's name of that column's type. */
  readonly subjectType: string;
  readonly columns: readonly PortableColumn[];
}

export function portableTables(catalogue: Catalogue, kind: string): PortableTable[] {
  return catalogue.tables.flatMap((table) => {
    if (!table.declaration) return [];
    if (isOfSeveral(table)) return sharedTable(partiesOf(catalogue, table), kind);
    const columns = [...table.columns.values()].flatMap((column) => portableColumn(table, column));
    const [path, ...others] = pathsToSubject(catalogue, table).filter((each) => each.kind === kind);
    if (!path || columns.length === 0) return [];
    const { subjectColumn, subjects } = path;
    const subjectType = rootType({ root: subjects, rootColumn: subjectColumn });
    return [{ table, ways: [path, ...others].map(({ hops }) => hops), subjectColumn, subjectType, columns }];
  });
}

/** Also where she is only the subject of a column. */
function sharedTable(parties: readonly Party[], kind: string): PortableTable[] {
  const hers = parties.filter(({ path }) => path.kind === kind);
  const [{ path } = { path: undefined }] = hers;
  if (!path) return [];
  const { table, subjects, subjectColumn } = path;
  const columns = [...table.columns.values()].flatMap((column) => portableColumn(table, column));
  const shares = hers.flatMap((party): PortableShare[] => {
    const names = new Set(party.columns.map(({ name }) => name));
    return columns.some(({ column }) => names.has(column.name)) ? [{ hops: party.path.hops, columns: names }] : [];
  });
  const subjectType = rootType({ root: subjects, rootColumn: subjectColumn });
  const ways = shares.map(({ hops }) => hops);
  return shares.length === 0 ? [] : [{ table, ways, subjectColumn, subjectType, columns, shares }];
}

function portableColumn(table: Table, column: Column): PortableColumn[] {
  if (!isPersonal(column) || !table.declaration) return [];
  const spec = column.spec as PersonalSpec;
  const origin = spec.origin ?? 'provided';
  const basis = spec.basis ?? table.declaration.spec.basis;
  if (!PORTABLE_ORIGINS.has(origin) || !PORTABLE_BASES.has(basis)) return [];
  return [{ column, category: spec.category, origin, basis, purpose: spec.purpose ?? table.declaration.spec.purpose }];
}
