/**
 * Whose values an update writes, each column's own person's: named by the update itself, or to be selected before it is sent
 * (`narrowed-update.ts`).
 */
import type { Catalogue, Table } from '../catalogue/model';
import { type Party, partiesOf } from '../catalogue/parties';
import { anchorColumns } from '../catalogue/subject-path';
import { isExpression, nameOf, refuse } from './columns';
import type { InternalCompiler } from './internals';
import { ofOneRow, SubjectRow, UnnamedRow } from './subject-row';
import { anchorInWhere, refuseMoving } from './update-subject';
import { isGiven, type RowOf, sealsAnything } from './writes';

export interface PeopleOfUpdate {
  readonly rowOf: RowOf;
  /** Those whom the update does not name. */
  readonly unnamed: readonly SubjectRow[];
}

/** @throws UnsupportedQueryError SUBJECT_MOVED or COLUMN_SUBJECT_MOVED */
export function peopleOfUpdate(
  compiler: InternalCompiler,
  catalogue: Catalogue,
  table: Table,
  data: Record<string, unknown>,
): PeopleOfUpdate {
  const [own, ...others] = partiesOf(catalogue, table) as [Party, ...Party[]];
  const rows = new Map<Party, SubjectRow>();
  const note = (party: Party, row: SubjectRow | undefined): unknown => row && rows.set(party, row);
  note(own, rowOfOwn(compiler, own, others, data));
  for (const party of others) note(party, rowOfOther(compiler, party, data));
  ofOneRow([...rows.values()]);
  const partyOf = (name: string): Party => others.find((party) => holds(party, name)) ?? own;
  return {
    rowOf: (name) => rows.get(others.length === 0 ? own : partyOf(name)),
    unnamed: [...rows.values()].filter((row) => row instanceof UnnamedRow),
  };
}

function rowOfOwn(
  compiler: InternalCompiler,
  { path }: Party,
  others: readonly Party[],
  data: Record<string, unknown>,
): SubjectRow | undefined {
  const anchor = anchorInWhere(compiler, anchorColumns(path));
  refuseMoving(compiler, path, anchor, data);
  const hers = others.length === 0 ? undefined : (name: string) => !others.some((party) => holds(party, name));
  if (!sealsAnything(path.table, data, nameOf(compiler), hers)) return undefined;
  return anchor ? new SubjectRow(path, anchor) : new UnnamedRow(path);
}

/**
 * A column's own person may be given by an update, with her values: a message is answered by whom it was handed to. Values of
 * hers that it leaves as they are would stay under the former one's key, and the guard refuses that.
 */
function rowOfOther(compiler: InternalCompiler, party: Party, data: Record<string, unknown>): SubjectRow | undefined {
  const { path } = party;
  const anchors = anchorColumns(path);
  const pinned = anchorInWhere(compiler, anchors);
  const written = new Map(Object.entries(data).map(([name, value]) => [nameOf(compiler)(name), value]));
  const isMoved = anchors.some((name) => written.get(name) !== undefined);
  const seals = sealsAnything(path.table, data, nameOf(compiler), (name) => holds(party, name));
  if (isMoved && !path.table.guarded) refuseUnsaid(party, anchors);
  if (!seals) return undefined;
  if (!isMoved) return pinned ? new SubjectRow(path, pinned) : new UnnamedRow(path);
  const anchor = anchors.map((name, i) => (written.get(name) === undefined ? pinned?.[i] : written.get(name)));
  if (!anchor.every((value) => isGiven(value) && !isExpression(value))) refuseUnsaid(party, anchors);
  return new SubjectRow(path, anchor);
}

function holds({ columns }: Party, name: string): boolean {
  return columns.some((column) => column.name === name);
}

function refuseUnsaid({ path: { table }, columns }: Party, [anchor]: readonly string[]): never {
  const column = table.columns.get(anchor ?? '');
  if (!column) throw new RangeError(`${table.name} has no column ${anchor}`);
  refuse('COLUMN_SUBJECT_MOVED', { table, column }, { columns: columns.map(({ name }) => name).join(', ') });
}
