/** Whose rows an update touches, so far as its own text says; and that it does not hand them to somebody else. */
import { anchorColumns, type SubjectPath } from '../catalogue/subject-path';
import { columnNamed, nameOf, refuse } from './columns';
import { currentFrame } from './frame';
import { type InternalCompiler, quoted, type Statement } from './internals';
import { AnchorMarker } from './marker';
import type { SubjectRow } from './subject-row';

/** The anchor values that the where clause fixes by itself: top-level equalities joined by AND. */
export function anchorInWhere(compiler: InternalCompiler, anchors: readonly string[]): unknown[] | undefined {
  const wheres = compiler.grouped.where ?? [];
  if (wheres.some((each, place) => place > 0 && each.bool === 'or')) return undefined;
  const values = anchors.map((anchor) => wheres.find((each) => pins(compiler, each, anchor))?.value);
  return values.every((value) => ['string', 'number', 'bigint'].includes(typeof value)) ? values : undefined;
}

function pins(compiler: InternalCompiler, where: Statement, anchor: string): boolean {
  if (where.type !== 'whereBasic' || where.operator !== '=' || where.not || where.asColumn) return false;
  const found = columnNamed(compiler, where.column);
  if (found?.column.name !== anchor || found.table !== currentFrame()?.scope.target) return false;
  // a column of the other table may have the same name
  return !compiler.single.updateFrom || String(where.column).includes('.');
}

/** A sealed row cannot be handed to another person by writing its anchor: its values stay under the first one's key. */
export function refuseMoving(
  compiler: InternalCompiler,
  path: SubjectPath,
  pinned: readonly unknown[] | undefined,
  data: Record<string, unknown>,
): void {
  const anchors = anchorColumns(path);
  for (const [written, value] of Object.entries(data)) {
    const place = anchors.indexOf(nameOf(compiler)(written));
    const column = path.table.columns.get(anchors[place] ?? '');
    if (column && value !== undefined && String(pinned?.[place]) !== String(value)) {
      refuse('SUBJECT_MOVED', { table: path.table, column });
    }
  }
}

/** The where clause of an update that is sent once for each person, or for all the people of a row, bound to them. */
export function boundToPeople(
  compiler: InternalCompiler,
  rows: readonly SubjectRow[],
  sql: string | undefined,
): string {
  const pinned = rows.flatMap((row) =>
    anchorColumns(row.path).map((name, place) => {
      const marker = new AnchorMarker(`${row.path.table.name}.${name}`, row, place);
      return `${quoted(name)} = ${compiler.client.parameter(marker, compiler.builder, compiler.bindingsHolder)}`;
    }),
  );
  return `where ${sql ? `(${sql.slice('where '.length)}) and ` : ''}${pinned.join(' and ')}`;
}
