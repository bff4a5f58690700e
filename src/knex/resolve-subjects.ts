/**
 * Finds out whose rows are being written: asks the database for the ids it would assign, follows foreign keys upward where
 * the row names only its parent, and looks up whom an upsert would meet. All on the statement's own connection, so that
 * rows of the same transaction are seen. One query per question and statement, whatever the number of rows.
 */

import { canonicalIds } from '../catalogue/canonical-ids';
import type { Catalogue, ForeignKey, Table } from '../catalogue/model';
import { referringColumns, refers } from '../catalogue/reference';
import { anchorColumns } from '../catalogue/subject-path';
import { UnsupportedQueryError } from '../errors';
import type { Sealer } from '../keyring/sealer';
import { type Queryable, quoteIdentifier } from '../queryable';
import { meetConflicts } from './meet-conflicts';
import type { SubjectRow } from './subject-row';

export interface RowSubject {
  /** Values of the table's anchor columns. */
  readonly anchor: readonly unknown[];
  readonly kind: string;
  readonly id: string;
}

export type RowSubjects = Map<SubjectRow, RowSubject>;

export class SubjectResolver {
  constructor(
    private readonly catalogue: Catalogue,
    private readonly sealer: Sealer,
    private readonly connection: Queryable,
  ) {}

  async resolve(rows: ReadonlySet<SubjectRow>): Promise<RowSubjects> {
    const anchors = new Map<SubjectRow, readonly unknown[]>();
    for (const row of rows) if (row.anchor) anchors.set(row, row.anchor);
    for (const [, group] of grouped([...rows], (row) => row.path)) {
      await meetConflicts(this.connection, this.sealer, group, anchors);
    }
    await this.assignIds(
      [...rows].filter((row) => !anchors.has(row)),
      anchors,
    );
    return this.climb([...rows], anchors);
  }

  /** The ids the database would have assigned: its own default expression, evaluated beforehand. */
  private async assignIds(rows: readonly SubjectRow[], anchors: Map<SubjectRow, readonly unknown[]>): Promise<void> {
    for (const [table, group] of grouped(rows, (row) => row.path.table)) {
      const column = table.columns.get(group[0]?.path.subjectColumn ?? '');
      const { rows: ids } = await this.connection.query(
        `select (${column?.defaultSql}) as id from generate_series(1, $1::integer)`,
        [group.length],
      );
      for (const [place, row] of group.entries()) anchors.set(row, [ids[place]?.id]);
      if (ids.some(({ id }) => id === null)) throw unpinned(table, column?.name);
    }
  }

  private async climb(
    rows: readonly SubjectRow[],
    anchors: ReadonlyMap<SubjectRow, readonly unknown[]>,
  ): Promise<RowSubjects> {
    const subjects: RowSubjects = new Map();
    for (const [path, group] of grouped(rows, (row) => row.path)) {
      const own = group.map((row) => anchors.get(row) ?? []);
      if (own.some((values) => values.includes(null))) throw nobodys(path);
      let ids = own.map((values) => values.map(String));
      for (const [level, hop] of path.hops.entries()) {
        if (!ids.every((tuple) => refers(hop, tuple))) throw nobodys(path);
        const next = path.hops[level + 1];
        ids = await this.parents(hop, ids, next ? referringColumns(next) : [path.subjectColumn]);
      }
      const type = path.subjects.columns.get(path.subjectColumn)?.type ?? 'text';
      const canonical = await canonicalIds(
        this.connection,
        type,
        ids.map(([id]) => id ?? ''),
      );
      group.forEach((row, place) => {
        subjects.set(row, { anchor: own[place] ?? [], kind: path.kind, id: canonical[place] ?? '' });
      });
    }
    return subjects;
  }

  /** For each tuple of referenced values, the parent row's `onward` columns. */
  private async parents(hop: ForeignKey, tuples: readonly string[][], onward: readonly string[]): Promise<string[][]> {
    const places = onward.map((name) => hop.references.indexOf(name));
    if (places.every((place) => place >= 0))
      return tuples.map((tuple) => places.map((place) => tuple[place] as string));
    const parent = this.catalogue.table(hop.to) as Table;
    const types = hop.references.map((name) => parent.columns.get(name)?.type);
    const { rows } = await this.connection.query(
      `select w.place, ${onward.map((name, i) => `p.${quoteIdentifier(name)}::text as o${i}`).join(', ')}
       from unnest(${types.map((type, i) => `$${i + 1}::${type}[]`).join(', ')})
         with ordinality w(${types.map((_, i) => `r${i}`).join(', ')}, place)
       join ${parent.sqlName} p on ${hop.references.map((name, i) => `p.${quoteIdentifier(name)} = w.r${i}`).join(' and ')}`,
      types.map((_, i) => tuples.map((tuple) => tuple[i])),
    );
    const unset = onward.find((_, i) => rows.some((row) => row[`o${i}`] === null));
    if (unset !== undefined) throw nobodysParent(parent, unset, hop);
    const found = new Map(rows.map((row) => [Number(row.place) - 1, onward.map((_, i) => String(row[`o${i}`]))]));
    return tuples.map((_, place) => found.get(place) ?? noParent(parent, hop));
  }
}

function unpinned(table: Table, column: string | undefined): UnsupportedQueryError {
  return new UnsupportedQueryError('SUBJECT_UNPINNED', { table: table.name, column, given: 'NULL' });
}

/** `String(null)` would name a person 'null', and all rows without one would be hers. */
function nobodys(path: SubjectRow['path']): UnsupportedQueryError {
  return new UnsupportedQueryError('NOBODYS_ROW', { table: path.table.name, column: anchorColumns(path).join(', ') });
}

function nobodysParent(parent: Table, column: string, hop: ForeignKey): UnsupportedQueryError {
  return new UnsupportedQueryError('NOBODYS_PARENT', { table: parent.name, column, via: hop.columns.join(', ') });
}

function noParent(parent: Table, hop: ForeignKey): never {
  throw new UnsupportedQueryError('PARENT_MISSING', { table: parent.name, column: hop.columns.join(', ') });
}

function grouped<K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
