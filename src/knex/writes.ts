/**
 * Marks the personal values of an insert or an update: which element each belongs to, and whose row it is. Nothing is
 * sealed here; compilation is synchronous and may run any number of times.
 */

import { type Compound, compoundsOf } from '../catalogue/compound';
import { type Catalogue, type Column, needsKey, type Table } from '../catalogue/model';
import { anchorColumns, pathToSubject, type SubjectPath } from '../catalogue/subject-path';
import { isEnvelope } from '../crypto/envelope';
import { OVERHEAD, SUITE, SUITE_OFFSET } from '../crypto/layout';
import { UnsupportedQueryError } from '../errors';
import { isClearPersonal, isExpression, labelOf, refuse } from './columns';
import { type PreparedInsert, quoted, verbatim } from './internals';
import { AddressMarker, AnchorMarker, ClearMarker, CompoundMarker, SealMarker } from './marker';
import { refuseExpression } from './predicates';
import { type ConflictColumn, type ConflictTarget, SubjectRow } from './subject-row';

/** Database name of a column as the application writes it. */
export type NameOf = (written: string) => string;

/** Replaces the personal values of a prepared insert by markers, adding the subject's own column where it was left out. */
export class InsertMarks {
  readonly rows: SubjectRow[] = [];
  private readonly path: SubjectPath | undefined;
  private readonly anchors: readonly string[];

  constructor(
    private readonly table: Table,
    catalogue: Catalogue,
    private readonly prepared: PreparedInsert,
    private readonly nameOf: NameOf,
    private readonly conflict: readonly string[] | undefined,
    /** Whether the insert may turn into an update with sealed values of its own, which need the row's person. */
    private readonly mergesSealed: boolean,
  ) {
    this.path = needsKey(table) ? pathToSubject(catalogue, table) : undefined;
    this.anchors = this.path ? anchorColumns(this.path) : [];
  }

  mark(): PreparedInsert {
    const names = this.prepared.columns.map(this.nameOf);
    for (const values of this.prepared.values) {
      const row = this.mergesSealed || this.holdsSealed(names, values) ? this.rowOf(names, values) : undefined;
      const given = compoundsOf(this.table).length > 0 ? [...values] : values;
      const besides = (name: string): unknown => given[names.indexOf(name)];
      names.forEach((name, place) => {
        values[place] = markValue(this.table, name, values[place], row, besides);
      });
      if (row) {
        this.rows.push(row);
        if (row.needsId) this.addId(names, values, row);
      }
    }
    return this.prepared;
  }

  private holdsSealed(names: readonly string[], values: readonly unknown[]): boolean {
    return names.some((name, place) => {
      const element = this.table.columns.get(name)?.element;
      return isGiven(values[place]) && element !== undefined && element.protect !== 'truncate-ip';
    });
  }

  private rowOf(names: readonly string[], values: readonly unknown[]): SubjectRow {
    const path = this.path as SubjectPath;
    const anchor = this.anchors.map((name) => values[names.indexOf(name)]);
    const given = anchor.every(isGiven);
    if (anchor.some(isExpression)) throw this.unpinned('an expression');
    if (!given && path.hops.length > 0) throw this.unpinned('nothing');
    if (!given) this.refuseUnassignable();
    return new SubjectRow(path, given ? anchor : undefined, this.conflictOf(names, values));
  }

  private refuseUnassignable(): void {
    const column = this.table.columns.get(this.anchors[0] ?? '');
    if (column?.identityAlways) throw this.refusal('IDENTITY_ALWAYS');
    if (column?.defaultSql === undefined) throw this.unpinned('nothing');
  }

  private conflictOf(names: readonly string[], values: readonly unknown[]): ConflictTarget | undefined {
    const columns = (this.conflict ?? []).map((column) => ({ column, given: values[names.indexOf(column)] }));
    // NULL meets nobody
    if (columns.length === 0 || !columns.every(({ given }) => isGiven(given))) return undefined;
    if (columns.length === 1 && this.anchors.includes(columns[0]?.column ?? '')) return undefined;
    return { table: this.table, columns: columns.map(({ column, given }) => this.conflictColumn(column, given)) };
  }

  private conflictColumn(column: string, given: unknown): ConflictColumn {
    const found = this.table.columns.get(column) as Column;
    if (isExpression(given)) throw new UnsupportedQueryError('MERGE_TARGET', { table: this.table.name, column });
    const value = new ClearMarker(labelOf({ table: this.table, column: found }), given);
    return { column, element: found.element, value };
  }

  private addId(names: string[], values: unknown[], row: SubjectRow): void {
    const name = this.anchors[0] as string;
    let place = names.indexOf(name);
    if (place === -1) {
      place = names.length;
      names.push(name);
      this.prepared.columns.push(verbatim(quoted(name)));
      for (const others of this.prepared.values) while (others.length <= place) others.push(undefined);
    }
    values[place] = new AnchorMarker(`${this.table.name}.${name}`, row, 0);
  }

  private unpinned(given: string): UnsupportedQueryError {
    return this.refusal('SUBJECT_UNPINNED', given);
  }

  private refusal(code: 'SUBJECT_UNPINNED' | 'IDENTITY_ALWAYS', given?: string): UnsupportedQueryError {
    return new UnsupportedQueryError(code, { table: this.table.name, column: this.anchors[0], given });
  }
}

/** The same update with its personal values marked. @param row whose values they are; undefined where nothing is sealed */
export function markUpdate(
  table: Table,
  data: Record<string, unknown>,
  nameOf: NameOf,
  row: SubjectRow | undefined,
): Record<string, unknown> {
  const named = new Map(Object.entries(data).map(([written, value]) => [nameOf(written), value]));
  refuseTornCompound(
    table,
    [...named].flatMap(([name, value]) => (value === undefined ? [] : [name])),
  );
  const besides = (name: string): unknown => named.get(name);
  return Object.fromEntries(
    Object.entries(data).map(([written, value]) => [written, markValue(table, nameOf(written), value, row, besides)]),
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

/** Whether an update writes something that must be sealed under somebody's key. */
export function sealsAnything(table: Table, data: Record<string, unknown>, nameOf: NameOf): boolean {
  return Object.entries(data).some(([written, value]) => {
    const element = table.columns.get(nameOf(written))?.element;
    return isGiven(value) && element !== undefined && element.protect !== 'truncate-ip';
  });
}

function isGiven(value: unknown): boolean {
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
