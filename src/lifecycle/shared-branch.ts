/**
 * Branches of the erasing statement for rows of several people. The rows of all who leave are gathered once, with who of them
 * is who in each; then each row is either deleted, when nobody's data is left in it, or written once, whatever number of
 * them it names (ERASURE.md A1). What is counted are the rows that were really written.
 */
import type { Catalogue, Table } from '../catalogue/model';
import type { Party } from '../catalogue/parties';
import { joinChain } from '../catalogue/path-sql';
import { quoteLiteral as literal, type Queryable, quoteIdentifier as q } from '../queryable';
import { replacementIn, stillPersonal } from './anonymise';
import { lockFound } from './lock-found';
import type { Plan } from './plan';
import { belongsTo, type Root } from './root';
import type { SharedRows, Step, Way } from './step';

type SharedStep = Step & { readonly shared: SharedRows };

/** @returns branches of a WITH, the last of them named `name`, with the column `tag`; a kept one with `until` also */
export function sharedBranches(
  catalogue: Catalogue,
  of: Root,
  step: SharedStep,
  name: string,
  until: string,
  write = written,
): string[] {
  const { table, shared } = step;
  const rows = `h${table.oid}`;
  switch (step.action) {
    case 'keep':
      return [`${name} as (select tag, until from (${kept(catalogue, of, step, until)}) w)`];
    case 'anonymise':
      return [
        ...gathered(catalogue, of, table, shared, rows),
        ...write(catalogue, table, shared, rows),
        `${name} as (select g.tag from ${rows}_tags g join ${rows}_stay w using (part, at) where g.hers)`,
      ];
    case 'delete':
      return [`${name} as (select g.tag from ${rows}_tags g join ${rows}_gone w using (part, at))`];
    case 'detach':
      return [`${name} as (select g.tag from ${rows}_tags g join ${rows}_stay w using (part, at) where not g.hers)`];
    case 'archive':
      throw new TypeError(`${table.name} holds rows of several people, whose archive its declaration was to refuse`);
  }
}

/** The same rows, looked at and left as they are: for a dry run. */
export function sharedLooking(catalogue: Catalogue, of: Root, step: SharedStep, name: string): string[] {
  return sharedBranches(catalogue, of, step, name, 'null::date', seen);
}

function seen(catalogue: Catalogue, table: Table, shared: SharedRows, rows: string): string[] {
  const found = `select f.part, f.at from ${table.sqlName} t, ${rows}_rows f where t.tableoid = f.part and t.ctid = f.at`;
  const leaves = shared.mayLeave ? leaving(catalogue, shared) : 'false';
  return [`${rows}_stay as (${found} and not (${leaves}))`, `${rows}_gone as (${found} and (${leaves}))`];
}

/** Whoever erases the other person of a row waits here; afterwards a row's place holds until the statement has run. */
export async function lockShared(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
): Promise<void> {
  for (const { table, shared, action } of plan.steps) {
    if (!shared || (action !== 'anonymise' && action !== 'keep')) continue;
    const ways = shared.shares.map(({ way }) => way);
    await lockFound(catalogue, plan, connection, names, table, ways);
  }
}

function gathered(catalogue: Catalogue, of: Root, table: Table, { shares }: SharedRows, rows: string): string[] {
  const found = shares.map(({ way, person }, place) => {
    const { from, where } = chained(catalogue, of, table, way);
    const what = `t.tableoid as part, t.ctid as at, r.tag, r.fakes, ${place} as way, ${person !== undefined} as hers`;
    return `select ${what} from ${from} where ${where}`;
  });
  const by = shares
    .map(
      (_, place) =>
        `bool_or(way = ${place}) as by${place}, (array_agg(fakes) filter (where way = ${place}))[1] as fakes${place}`,
    )
    .join(', ');
  return [
    `${rows}_found as materialized (${found.join(' union all ')})`,
    `${rows}_rows as materialized (select part, at, ${by} from ${rows}_found group by part, at)`,
    `${rows}_tags as materialized (select part, at, tag, bool_or(hers) as hers from ${rows}_found group by part, at, tag)`,
  ];
}

/** Their rows are locked, so their places hold, and whether a row leaves is seen alike by both. */
function written(catalogue: Catalogue, table: Table, shared: SharedRows, rows: string): string[] {
  const there = 't.tableoid = f.part and t.ctid = f.at';
  const leaves = shared.mayLeave ? leaving(catalogue, shared) : 'false';
  const sets = assignments(table, shared);
  const stays = `${rows}_rows f where ${there} and not (${leaves})`;
  const stay =
    sets.length === 0
      ? `select f.part, f.at from ${table.sqlName} t, ${stays}`
      : `update ${table.sqlName} t set ${sets.join(', ')} from ${stays} returning f.part, f.at`;
  const gone = `delete from ${table.sqlName} t using ${rows}_rows f where ${there} and (${leaves}) returning f.part, f.at`;
  return [`${rows}_stay as (${stay})`, ...(shared.mayLeave ? [`${rows}_gone as (${gone})`] : [])];
}

function assignments(table: Table, { shares }: SharedRows): string[] {
  const anonymised = shares.flatMap(({ columns }, place) =>
    columns.flatMap((column) => {
      const { value, strategy } = replacementIn(table, column, 't', '$6::text');
      if (value === undefined) return [];
      // a fake is that of whose the column is
      const hers = strategy === 'fake' ? `(select ${value} from (select f.fakes${place} as fakes) r)` : value;
      return [`${q(column.name)} = case when f.by${place} then ${hers} else t.${q(column.name)} end`];
    }),
  );
  const emptied = new Map<string, string[]>();
  for (const [place, { detaches }] of shares.entries())
    for (const name of detaches) emptied.set(name, [...(emptied.get(name) ?? []), `f.by${place}`]);
  const detached = [...emptied].map(
    ([name, by]) => `${q(name)} = case when not (${by.join(' or ')}) then t.${q(name)} end`,
  );
  return [...anonymised, ...detached];
}

/** SQL condition: everybody whose data was in the row leaves, or has nothing in it any more, and its own subject is one of them. */
function leaving(catalogue: Catalogue, { people, shares }: SharedRows): string {
  const leavesNow = (person: number): string[] =>
    shares.flatMap((share, place) => (share.person === person ? [`f.by${place}`] : []));
  const isGone = people.map(({ path: { table }, columns }, person) => {
    const nothing = `not ${stillPersonal(table, 't', columns)}`;
    const before = person === 0 ? `${nothing} and ${isNobodys(catalogue, people[0] as Party)}` : nothing;
    return `(${[...leavesNow(person), `(${before})`].join(' or ')})`;
  });
  const anybody = people.flatMap((_, person) => leavesNow(person)).join(' or ');
  return [`(${anybody})`, ...isGone].join(' and ');
}

/** SQL condition: the row's own subject was erased before. Whoever lives keeps a row that is empty. */
function isNobodys(catalogue: Catalogue, { path: { hops, kind, subjectColumn } }: Party): string {
  const { tables, conditions, root } = joinChain(catalogue, 't', hops, subjectColumn);
  const from = tables.length === 0 ? '' : ` from ${tables.join(', ')}`;
  const erased = `select from oubli.subject_link l where l.kind = ${literal(kind)} and l.subject_id = ${root}::text and l.erased_at is not null`;
  return `not exists (select${from} where ${[...conditions, `${root} is not null`, `not exists (${erased})`].join(' and ')})`;
}

function kept(catalogue: Catalogue, of: Root, { table, shared }: SharedStep, until: string): string {
  const found = shared.shares.map(({ way }) => {
    const { from, where } = chained(catalogue, of, table, way);
    return `select t.tableoid, t.ctid, r.tag, ${until} as until from ${from} where ${where}`;
  });
  return found.join(' union ');
}

function chained(catalogue: Catalogue, of: Root, table: Table, way: Way): { from: string; where: string } {
  const chain = joinChain(catalogue, 't', way, of.rootColumn);
  const from = [`${table.sqlName} t`, ...chain.tables, 'root r'].join(', ');
  return { from, where: belongsTo(of, chain, 'r') };
}
