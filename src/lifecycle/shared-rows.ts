/**
 * Rows of several people in a plan (ERASURE.md G3): by which ways a row is hers who leaves, which of its columns leave with
 * her, and whether anybody's data is left in it afterwards. Pure; `shared-branch.ts` makes SQL of it.
 */
import type { Catalogue, Column, ForeignKey, Table } from '../catalogue/model';
import { partiesOf } from '../catalogue/parties';
import { isNullable, referringColumns } from '../catalogue/reference';
import { anchorColumns } from '../catalogue/subject-path';
import type { OwnStep, Share, Step, Way } from './step';

/** The step of a table whose rows are several people's; none where none of them is found through the root. */
export function sharedStep(
  catalogue: Catalogue,
  root: Table,
  table: Table,
  action: OwnStep['action'],
): OwnStep | undefined {
  if (table.declaration?.is !== 'data') return undefined;
  const people = partiesOf(catalogue, table);
  const above = new Set(catalogue.family(root).map(({ oid }) => oid));
  const shares = people.flatMap(({ path: { hops }, columns }, person): Share[] => {
    const end = hops.findIndex((hop) => above.has(hop.to));
    return end === -1 ? [] : [{ way: hops.slice(0, end + 1), person, columns, detaches: [] }];
  });
  if (shares.length === 0) return undefined;
  const { retention } = table.declaration.spec;
  const ways = shares.map(({ way }) => way);
  return { table, action, ways, because: retention?.because, shared: { shares, people, mayLeave: false } };
}

/** The columns by which a row lets go of one of its people, and of nobody else. */
export function detachable(catalogue: Catalogue, table: Table, key: ForeignKey): string[] {
  const leadElsewhere = partiesOf(catalogue, table).flatMap(({ path }) =>
    path.hops[0] === key ? [] : anchorColumns(path),
  );
  // out of JSON more would go than the reference
  if (key.declared?.path || !isNullable(table, key)) return [];
  return referringColumns(key).filter(
    (name) => table.columns.get(name)?.notNull === false && !leadElsewhere.includes(name),
  );
}

/**
 * The step with what its rows have to let go of: the person who leaves, and whatever else is deleted.
 * @param isDeleted whether rows of a table are deleted
 * @param further ways to rows that are deleted, and that lead to nobody's columns
 */
export function withDetached(
  catalogue: Catalogue,
  root: Table,
  step: OwnStep,
  isDeleted: (table: number) => boolean,
  further: readonly Way[],
): OwnStep {
  if (!step.shared || step.action === 'keep') return step;
  const above = new Set(catalogue.family(root).map(({ oid }) => oid));
  const lets = ([key]: Way): string[] => {
    const toHer = key !== undefined && above.has(key.to) && root.declaration?.is === 'subject';
    return key && (toHer || isDeleted(key.to)) ? detachable(catalogue, step.table, key) : [];
  };
  const shares = step.shared.shares.map((share) => ({ ...share, detaches: lets(share.way) }));
  const references = further.map((way): Share => ({ way, columns: [], detaches: lets(way) }));
  return { ...step, shared: { ...step.shared, shares: [...shares, ...references] } };
}

/** What one step does to rows that are several people's, as the steps that a plan shows and a receipt counts. */
export function stepsOf(step: OwnStep): Step[] {
  if (!step.shared || step.action === 'keep') return [step];
  const { table, because } = step;
  const mayLeave = step.action === 'delete';
  const shared = { ...step.shared, mayLeave };
  const [hers, referring] = [true, false].map((isHers) =>
    shared.shares.filter(({ person }) => (person !== undefined) === isHers).map(({ way }) => way),
  ) as [Way[], Way[]];
  const stay = {
    table,
    action: 'anonymise',
    because: because ?? 'its rows hold data of others too',
    ways: hers,
    shared,
  } as const;
  const leave = { table, action: 'delete', because: 'nobody else has data in these rows', ways: hers, shared } as const;
  const letGo = { table, action: 'detach', ways: referring, unless: hers, shared } as const;
  return [stay, ...(mayLeave ? [leave] : []), ...(referring.length > 0 ? [letGo] : [])];
}

/** The columns that are theirs whom a plan is about; all of the table where its rows are one person's. */
export function sharedColumns({ shared }: Step): Column[] | undefined {
  return shared?.shares.flatMap(({ columns }) => columns);
}

/** Sealed columns of rows that are kept, and how she is found whose they are. */
export interface KeptShare {
  readonly way: Way;
  readonly columns: readonly Column[];
}

export function keptShares(step: Step): KeptShare[] {
  const shares = step.shared?.shares ?? [{ way: step.ways[0] ?? [], columns: [...step.table.columns.values()] }];
  return shares
    .map(({ way, columns }) => ({ way, columns: columns.filter(({ element }) => element?.protect === 'encrypt') }))
    .filter(({ columns }) => columns.length > 0);
}
