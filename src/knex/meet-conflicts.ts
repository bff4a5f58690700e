/**
 * Whom an upsert would meet: the rows that exist already are looked up by the conflict's columns, on the statement's own
 * connection. What a merge writes is sealed for the person of the row it would update, not for a new one.
 */

import { canonicalIds } from '../catalogue/canonical-ids';
import type { Element } from '../catalogue/model';
import { anchorColumns } from '../catalogue/subject-path';
import { UnsupportedQueryError } from '../errors';
import type { Sealer } from '../keyring/sealer';
import { type Queryable, quoteIdentifier } from '../queryable';
import type { ConflictColumn, ConflictTarget, SubjectRow } from './subject-row';

/** Notes in `anchors` the person of each row that would be updated instead of inserted. */
export async function meetConflicts(
  connection: Queryable,
  sealer: Sealer,
  rows: readonly SubjectRow[],
  anchors: Map<SubjectRow, readonly unknown[]>,
): Promise<void> {
  const meeting = rows.filter((row) => row.conflict);
  const { conflict, path } = meeting[0] ?? {};
  if (!conflict || !path) return;
  const names = anchorColumns(path);
  const met = await rowsMet(
    connection,
    conflict,
    names,
    conflict.columns.map((_, place) => meeting.map((row) => wanted(sealer, row.conflict ?? conflict, place))),
  );
  for (const { place, anchor } of met) {
    const row = meeting[place] as SubjectRow;
    if (path.hops.length === 0) anchors.set(row, anchor);
    else await refuseOtherPerson(connection, row, names, anchor);
  }
}

function wanted(sealer: Sealer, { table, columns }: ConflictTarget, place: number): unknown {
  const { column, element, value } = columns[place] as ConflictColumn;
  const names = { table: table.name, column };
  if (!element) return value.value;
  if (element.protect === 'truncate-ip') return sealer.truncate(element, value.value, names);
  return Buffer.from(sealer.index(element, value.value, names));
}

async function rowsMet(
  connection: Queryable,
  { table, columns }: ConflictTarget,
  names: readonly string[],
  values: readonly (readonly unknown[])[],
): Promise<{ place: number; anchor: unknown[] }[]> {
  const lists = columns.map(
    ({ column, element }, i) => `$${i + 1}::${isSealed(element) ? 'bytea' : table.columns.get(column)?.type}[]`,
  );
  const met = columns.map(({ column, element }, i) => {
    const name = `t.${quoteIdentifier(column)}`;
    return `${isSealed(element) ? `substring(${name}::bytea, 9, 16)` : name} = w.v${i}`;
  });
  const { rows } = await connection.query(
    `select w.place, ${names.map((name, i) => `t.${quoteIdentifier(name)} as a${i}`).join(', ')}
     from unnest(${lists.join(', ')}) with ordinality w(${columns.map((_, i) => `v${i}`).join(', ')}, place)
     join ${table.sqlName} t on ${met.join(' and ')}`,
    [...values],
  );
  return rows.map((row) => ({ place: Number(row.place) - 1, anchor: names.map((_, i) => row[`a${i}`]) }));
}

function isSealed(element: Element | undefined): boolean {
  return element?.protect === 'encrypt';
}

/** A merge would leave the row's other sealed values under the first person's key, or this one's under the second's. */
async function refuseOtherPerson(
  connection: Queryable,
  row: SubjectRow,
  names: readonly string[],
  met: readonly unknown[],
): Promise<void> {
  const { table } = row.path;
  for (const [place, name] of names.entries()) {
    const type = table.columns.get(name)?.type ?? 'text';
    const [given] = await canonicalIds(connection, type, [String(row.anchor?.[place])]);
    if (met[place] === null || given !== String(met[place]))
      throw new UnsupportedQueryError('SUBJECT_MOVED', { table: table.name, column: name });
  }
}
