/**
 * The one question before anything is destroyed (ERASURE.md H1): is it held? By a case that names the person or a row somewhere
 * in her graph, or, for rows that end by a rule of their own, that names the row or its person. A row that is held anywhere
 * below what would leave keeps all of it: nothing is half done.
 */
import type { Catalogue, Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { quoteLiteral as literal, type Queryable, quoteIdentifier as q } from '../queryable';
import { waysToPeople } from './hold-graph';
import { holdsOfOthers } from './others-holds';
import type { Plan } from './plan';
import { fromName, rootType } from './root';

/** What stands at this moment: without anything, nothing more is asked. */
export interface Standing {
  readonly kinds: ReadonlySet<string>;
  /** OIDs of tables with rows that are held. */
  readonly tables: ReadonlySet<number>;
}

const STANDING = `
select to_jsonb(array(select distinct p.kind from oubli.person_held p)) as kinds,
  to_jsonb(array(select distinct r.rel::oid::int8 from oubli.row_held r)) as tables`;

/** In a plain read: with a new snapshot each time it is asked. */
export async function standing(connection: Queryable): Promise<Standing> {
  const [row] = (await connection.query(STANDING)).rows as { kinds: string[]; tables: number[] }[];
  return { kinds: new Set(row?.kinds), tables: new Set(row?.tables) };
}

/** SQL of what a row of the root is, where it stands in a statement. */
export interface RootRow {
  readonly id: string;
  /** Its partition, where rows are named by their places. */
  readonly part: string;
}

/**
 * Selects of `held_by`, one for each way in which a row of the plan's root may be held; correlated with that row, by its own
 * types, so that the planner may start from either side: from few holds, or from few rows.
 */
export function holdsOn(catalogue: Catalogue, plan: Plan, found: Standing, row: RootRow): string[] {
  const ofOthers = holdsOfOthers(catalogue, plan, found.kinds, row);
  return [...ofItsPerson(catalogue, plan, found, row), ...ofItsRows(catalogue, plan, found, row), ...ofOthers];
}

/** SQL condition for the choice of what leaves; `undefined` while nothing that concerns the plan is held. */
export function isFree(catalogue: Catalogue, plan: Plan, found: Standing, alias: string): string | undefined {
  const branches = holdsOn(catalogue, plan, found, rowOf(plan, alias));
  return branches.length === 0 ? undefined : branches.map((branch) => `not exists (${branch})`).join(' and ');
}

export function rowOf({ rootColumn }: Plan, alias: string): RootRow {
  return { id: `${alias}.${q(rootColumn)}`, part: `${alias}.tableoid` };
}

/** Of these, who or what is held, and by which case. @param names whose rows the transaction has locked */
export async function heldAmong(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  const branches = holdsOn(catalogue, plan, await standing(connection), { id: 'r.id', part: 'r.part' });
  if (branches.length === 0) return new Map();
  const { rows } = await connection.query(
    `with root as materialized (select w.name, ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name))
select r.name, x.held_by from root r cross join lateral (${branches.join(' union all ')} limit 1) x`,
    [names],
  );
  return new Map(rows.map((row) => [String(row.name), String(row.held_by)]));
}

function ofItsPerson(catalogue: Catalogue, plan: Plan, { kinds }: Standing, row: RootRow): string[] {
  if (plan.kind !== undefined) {
    if (!kinds.has(plan.kind)) return [];
    return [
      `select h.held_by from oubli.person_held h where h.kind = ${literal(plan.kind)} and h.subject_id = ${row.id}::text`,
    ];
  }
  const ways = waysToPeople(catalogue, plan.root).filter(({ kind }) => kinds.has(kind));
  return ways.map(({ way, kind, subjectColumn }) => {
    const { tables, conditions, root } = joinChain(catalogue, 'x', way, subjectColumn);
    const from = [`${plan.root.sqlName} x`, ...tables, ofPerson('person_held', kind, root)].join(', ');
    const is = [isRow(plan, 'x', row), ...conditions];
    return `select h.held_by from ${from} where ${is.join(' and ')}`;
  });
}

/** Also rows that stay or belong to others: they would be written to. */
function ofItsRows(catalogue: Catalogue, plan: Plan, { tables: held }: Standing, row: RootRow): string[] {
  const steps = plan.steps.filter(({ table }) => held.has(table.oid));
  return steps.flatMap(({ table, ways }) =>
    ways.map((way) => {
      const { tables, conditions, root } = joinChain(catalogue, 'x', way, plan.rootColumn);
      const end = root.slice(0, root.indexOf('.'));
      const leads = plan.rootColumn === 'ctid' ? [`${end}.tableoid = ${row.part}`] : [];
      const from = [`${table.sqlName} x`, ...tables, 'oubli.row_held h'].join(', ');
      const is = [
        `h.rel = ${table.oid}::oid::regclass`,
        isKeyed(table),
        ...conditions,
        `${root} = ${row.id}`,
        ...leads,
      ];
      return `select h.held_by from ${from} where ${is.join(' and ')}`;
    }),
  );
}

/**
 * What stands about one person, as `h`. LATERAL with a LIMIT, so that it is looked up by its index for each row: a join with a
 * UNION of two selects would read all of them first.
 */
export function ofPerson(among: 'person_held' | 'restriction', kind: string, id: string): string {
  return `lateral (select * from oubli.${among} s where s.kind = ${literal(kind)} and s.subject_id = ${id}::text limit 1) h`;
}

function isRow({ rootColumn }: Plan, alias: string, row: RootRow): string {
  const own = `${alias}.${q(rootColumn)} = ${row.id}`;
  return rootColumn === 'ctid' ? `${own} and ${alias}.tableoid = ${row.part}` : own;
}

/** By the key's own types, for its index. */
function isKeyed(table: Table): string {
  const each = table.primaryKey.map(
    (name, i) => `x.${q(name)} = h.row_key[${i + 1}]::${rootType({ root: table, rootColumn: name })}`,
  );
  return each.join(' and ');
}
