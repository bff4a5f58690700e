/**
 * Marks the personal values of an insert or an update: which element each belongs to, and whose row it is. Nothing is
 * sealed here; compilation is synchronous and may run any number of times.
 */

import { type Compound, compoundsOf } from '../catalogue/compound';
import { type Catalogue, type Column, needsKey, type Table } from '../catalogue/model';
import { partiesOf } from '../catalogue/parties';
import { anchorColumns, type SubjectPath } from '../catalogue/subject-path';
import { isEnvelope } from '../crypto/envelope';
import { OVERHEAD, SUITE, SUITE_OFFSET } from '../crypto/layout';
import { UnsupportedQueryError } from '../errors';
import { isClearPersonal, isExpression, labelOf, refuse } from './columns';
import { type PreparedInsert, quoted, verbatim } from './internals';
import { AddressMarker, AnchorMarker, ClearMarker, CompoundMarker, SealMarker } from './marker';
import { refuseExpression } from './predicates';
import { type ConflictColumn, type ConflictTarget, ofOneRow, SubjectRow } from './subject-row';

/** Database name of a column as the application writes it. */
export type NameOf = (written: string) => string;

/** Whose a column's value is, in the row that is written; undefined where nothing of hers is sealed. */
export type RowOf = (column: string) => SubjectRow | undefined;

/** Somebody whose values stand in the rows, and the columns of the table that lead to her. */
interface InsertParty {
  readonly path: SubjectPath;
  readonly anchors: readonly string[];
  readonly holds: (column: string) => boolean;
}

/** Replaces the personal values of a prepared insert by markers, adding the subject's own column where it was left out. */
export class InsertMarks {
  /** Of each row in which something is sealed, whose its values are. */
  readonly rows: RowOf[] = [];
  private readonly parties: readonly InsertParty[];

  constructor(
    private readonly table: Table,
    catalogue: Catalogue,
    private readonly prepared: PreparedInsert,
    private readonly nameOf: NameOf,
    private readonly conflict: readonly string[] | undefined,
    /** Whether the insert may turn into an update with sealed values of its own, among these columns: they need their person. */
    private readonly mergesSealed: (among: (column: string) => boolean) => boolean,
  ) {
    this.parties = needsKey(table) ? insertParties(catalogue, table) : [];
  }

  mark(): PreparedInsert {
    const names = this.prepared.columns.map(this.nameOf);
    for (const values of this.prepared.values) {
      const { own, rowOf } = this.peopleOf(names, values);
      const given = compoundsOf(this.table).length > 0 ? [...values] : values;
      const besides = (name: string): unknown => given[names.indexOf(name)];
      names.forEach((name, place) => {
        values[place] = markValue(this.table, name, values[place], rowOf(name), besides);
      });
      if (own?.needsId) this.addId(names, values, own);
    }
    return this.prepared;
  }

  /** Whoever has a sealed value in the row. */
  private peopleOf(
    names: readonly string[],
    values: readonly unknown[],
  ): { own: SubjectRow | undefined; rowOf: RowOf } {
    const rows = this.parties.map((party) =>
      this.mergesSealed(party.holds) || this.holdsSealed(party, names, values)
        ? this.rowOf(party, names, values)
        : undefined,
    );
    const [own, ...others] = rows;
    if (others.length > 0) ofOneRow(rows.flatMap((row) => row ?? []));
    const find: RowOf = (name) => rows[this.parties.findIndex(({ holds }) => holds(name))];
    const rowOf: RowOf = others.length === 0 ? () => own : find;
    if (rows.some((row) => row !== undefined)) this.rows.push(rowOf);
    return { own, rowOf };
  }

  private holdsSealed({ holds }: InsertParty, names: readonly string[], values: readonly unknown[]): boolean {
    return names.some((name, place) => {
      const element = this.table.columns.get(name)?.element;
      return isGiven(values[place]) && element !== undefined && element.protect !== 'truncate-ip' && holds(name);
    });
  }

  private rowOf({ path, anchors }: InsertParty, names: readonly string[], values: readonly unknown[]): SubjectRow {
    const anchor = anchors.map((name) => values[names.indexOf(name)]);
    const given = anchor.every(isGiven);
    if (anchor.some(isExpression)) throw this.unpinned(anchors, 'an expression');
    if (!given && path.hops.length > 0) throw this.unpinned(anchors, 'nothing');
    if (!given) this.refuseUnassignable(anchors);
    return new SubjectRow(path, given ? anchor : undefined, this.conflictOf(anchors, names, values));
  }

  private refuseUnassignable(anchors: readonly string[]): void {
    const column = this.table.columns.get(anchors[0] ?? '');
    if (column?.identityAlways) throw this.refusal('IDENTITY_ALWAYS', anchors);
    if (column?.defaultSql === undefined) throw this.unpinned(anchors, 'nothing');
  }

  private conflictOf(
    anchors: readonly string[],
    names: readonly string[],
    values: readonly unknown[],
  ): ConflictTarget | undefined {
    const columns = (this.conflict ?? []).map((column) => ({ column, given: values[names.indexOf(column)] }));
    // NULL meets nobody
    if (columns.length === 0 || !columns.every(({ given }) => isGiven(given))) return undefined;
    if (columns.length === 1 && anchors.includes(columns[0]?.column ?? '')) return undefined;
    return { table: this.table, columns: columns.map(({ column, given }) => this.conflictColumn(column, given)) };
  }

  private conflictColumn(column: string, given: unknown): ConflictColumn {
    const found = this.table.columns.get(column) as Column;
    if (isExpression(given)) throw new UnsupportedQueryError('MERGE_TARGET', { table: this.table.name, column });
    const value = new ClearMarker(labelOf({ table: this.table, column: found }), given);
    return { column, element: found.element, value };
  }

  private addId(names: string[], values: unknown[], row: SubjectRow): void {
    const name = this.parties[0]?.anchors[0] as string;
    let place = names.indexOf(name);
    if (place === -1) {
      place = names.length;
      names.push(name);
      this.prepared.columns.push(verbatim(quoted(name)));
      for (const others of this.prepared.values) while (others.length <= place) others.push(undefined);
    }
    values[place] = new AnchorMarker(`${this.table.name}.${name}`, row, 0);
  }

  private unpinned(anchors: readonly string[], given: string): UnsupportedQueryError {
    return this.refusal('SUBJECT_UNPINNED', anchors, given);
  }

  private refusal(
    code: 'SUBJECT_UNPINNED' | 'IDENTITY_ALWAYS',
    anchors: readonly string[],
    given?: string,
  ): UnsupportedQueryError {
    return new UnsupportedQueryError(code, { table: this.table.name, column: anchors[0], given });
  }
}

function insertParties(catalogue: Catalogue, table: Table): InsertParty[] {
  const [own, ...others] = partiesOf(catalogue, table);
  const named = others.map(({ path, columns }) => {
    const names = new Set(columns.map(({ name }) => name));
    return { path, anchors: anchorColumns(path), holds: (name: string) => names.has(name) };
  });
  const isOwn = (name: string): boolean => !named.some(({ holds }) => holds(name));
  return own ? [{ path: own.path, anchors: anchorColumns(own.path), holds: isOwn }, ...named] : [];
}

/** The same update with its personal values marked. @param rowOf whose each value is; undefined where nothing is sealed */
export function markUpdate(
  table: Table,
  data: Record<string, unknown>,
  nameOf: NameOf,
  rowOf: RowOf,
): Record<string, unknown> {
  const named = new Map(Object.entries(data).map(([written, value]) => [nameOf(written), value]));
  refuseTornCompound(
    table,
    [...named].flatMap(([name, value]) => (value === undefined ? [] : [name])),
  );
  const besides = (name: string): unknown => named.get(name);
  return Object.fromEntries(
    Object.entries(data).map(([written, value]) => {
      const name = nameOf(written);
      return [written, markValue(table, name, value, rowOf(name), besides)];
    }),
  );
}

/** What is indexed together is written together: of a value that stays as it is, the new index could not be computed. */
export function refuseTornCompound(table: Table, written: readonly string[]): void {
  for (const { carrier, columns } of compoundsOf(table)) {
    const missing = columns.filter((name) => !written.includes(name));
    if (missing.length === 0 || missing.length === columns.length) continue;
    const names = { table: table.name, column: carrier.name, columns: columns.join(', '), missing: missing.join(', ') };
    throw new UnsupportedQueryError('COMPOUND_TOGETHER', names);
  }
}

/** Whether an update writes something that must be sealed under somebody's key. @param among which columns, all otherwise */
export function sealsAnything(
  table: Table,
  data: Record<string, unknown>,
  nameOf: NameOf,
  among: (column: string) => boolean = () => true,
): boolean {
  return Object.entries(data).some(([written, value]) => {
    const name = nameOf(written);
    const element = table.columns.get(name)?.element;
    return isGiven(value) && element !== undefined && element.protect !== 'truncate-ip' && among(name);
  });
}

export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function markValue(
  table: Table,
  name: string,
  value: unknown,
  row: SubjectRow | undefined,
  besides: (column: string) => unknown,
): unknown {
  if (!isGiven(value)) return value;
  const column = table.columns.get(name);
  if (!column?.element)
    return showsNothing(column) || isExpression(value) ? value : new ClearMarker(`${table.name}.${name}`, value);
  const found = { table, column };
  const label = labelOf(found);
  refuseExpression(found, value, 'EXPRESSION');
  if (isSealedAlready(value)) refuse('ALREADY_SEALED', found);
  if (column.element.protect === 'truncate-ip') return new AddressMarker(column.element, label, value);
  const compound = column.element.compound && compoundsOf(table).find(({ carrier }) => carrier === column);
  return new SealMarker(
    column.element,
    label,
    value,
    row as SubjectRow,
    compound && together(compound, label, besides),
  );
}

function together({ parts, columns }: Compound, label: string, besides: (column: string) => unknown): CompoundMarker {
  return new CompoundMarker(parts, label, columns.map(besides));
}

/** A misspelt name may stand before anybody's words: what is not known not to be personal is hidden. */
function showsNothing(column: Column | undefined): boolean {
  return column !== undefined && !isClearPersonal(column);
}

/** What was read through an unprotected handle: bytes of ours, or their text where `bytea` has a type parser of its own. */
function isSealedAlready(value: unknown): boolean {
  const bytes = typeof value === 'string' && value.startsWith('\\xa70b01') ? Buffer.from(value.slice(2), 'hex') : value;
  return bytes instanceof Uint8Array && bytes.length >= OVERHEAD && isEnvelope(bytes) && bytes[SUITE_OFFSET] === SUITE;
}
