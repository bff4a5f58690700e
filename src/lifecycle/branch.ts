/**
 * One step of a plan as branches of the erasing statement: what is done to the rows of one table, and which person, or
 * which chosen row, each of them counts for.
 */
import { type Catalogue, isPersonal, type Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { anonymisingAssignments } from './anonymise';
import { deletedAndSealed } from './archive/statement';
import { detachingAssignments } from './detach';
import { dueCondition } from './due';
import { arrayOfNames, belongsTo, type Root } from './root';
import { rulesOf } from './rule';
import { sharedBranches, sharedLooking } from './shared-branch';
import type { Step, Way } from './step';

/** What the step's rows are, as SQL between `from` and `returning`. */
interface Found {
  /** A branch of its own that gathers the rows, where they are found by more than one way. */
  readonly gathered?: string;
  readonly from: string;
  readonly where: string;
  readonly tag: string;
}

/**
 * Rows that hang on what leaves by one way, and are deleted, are found by an array of names, with which PostgreSQL goes through an
 * index at once: a join with the names costs a fifth more (measured). What they return is the name, then, and not its tag.
 */
export function isByName(of: Root, { action, shared, ways }: Step): boolean {
  return action === 'delete' && !shared && ways.length === 1 && arrayOfNames(of) !== undefined;
}

/**
 * @returns branches of a WITH, the last of them named `name`, with the column `tag`, or `id` where it is by name; one that is kept or
 * archived with `until` also
 */
export function branches(catalogue: Catalogue, of: Root, step: Step, name: string): string[] {
  const { shared } = step;
  if (shared) return sharedBranches(catalogue, of, { ...step, shared }, name, until(catalogue, step.table));
  if (isByName(of, step)) return [`${name} as (${deletedByName(catalogue, of, step)})`];
  const found = foundFor(catalogue, of, step, name);
  const before = found.gathered === undefined ? [] : [found.gathered];
  const doing = body(catalogue, step, found);
  return [...before, ...(step.action === 'archive' ? deletedAndSealed(name, doing) : [`${name} as (${doing})`])];
}

/** The same rows, looked at and left as they are: for a dry run. */
export function looking(catalogue: Catalogue, of: Root, step: Step, name: string): string[] {
  const { shared } = step;
  if (shared) return sharedLooking(catalogue, of, { ...step, shared }, name);
  const { gathered: before, from, where, tag } = foundFor(catalogue, of, step, name);
  const look = `${name} as (select ${tag} as tag from ${step.table.sqlName} t, ${from} where ${where})`;
  return before === undefined ? [look] : [before, look];
}

function foundFor(catalogue: Catalogue, of: Root, step: Step, name: string): Found {
  return step.ways.length === 1 ? direct(catalogue, of, step) : gathered(catalogue, of, step, `${name}_rows`);
}

function deletedByName(catalogue: Catalogue, of: Root, { table, ways }: Step): string {
  const { tables, conditions, root } = joinChain(catalogue, 't', ways[0] ?? [], of.rootColumn);
  const using = tables.length === 0 ? '' : ` using ${tables.join(', ')}`;
  const where = [...conditions, `${root} = any(${arrayOfNames(of)})`].join(' and ');
  return `delete from ${table.sqlName} t${using} where ${where} returning ${root} as id`;
}

function body(catalogue: Catalogue, step: Step, { gathered, from, where, tag }: Found): string {
  const table = step.table.sqlName;
  switch (step.action) {
    case 'delete':
      return `delete from ${table} t using ${from} where ${where} returning ${tag} as tag`;
    case 'archive':
      return `delete from ${table} t using ${from} where ${where} returning ${tag} as tag, t.tableoid as part, t.ctid as at`;
    case 'anonymise':
      return anonymising(step.table, from, where);
    case 'detach': {
      const sets = detachingAssignments(step, gathered === undefined ? undefined : (way) => `f.by${way}`);
      return `update ${table} t set ${sets.join(', ')} from ${from} where ${where} returning ${tag} as tag`;
    }
    case 'keep':
      return `select ${tag} as tag, ${until(catalogue, step.table)} as until from ${table} t, ${from} where ${where}`;
  }
}

function direct(catalogue: Catalogue, of: Root, step: Step): Found {
  const { tables, where } = chained(catalogue, of, step.ways[0] ?? [], 'r');
  return {
    from: [...tables, 'root r'].join(', '),
    where: [where, ...unlessTaken(catalogue, of, step)].join(' and '),
    tag: 'r.tag',
  };
}

/** Each row once, whoever else of the chunk it also hangs on. */
function gathered(catalogue: Catalogue, of: Root, step: Step, name: string): Found {
  const ways = step.ways.map((way, place) => {
    const { tables, where } = chained(catalogue, of, way, 'r');
    const from = [`${step.table.sqlName} t`, ...tables, 'root r'].join(', ');
    const conditions = [where, ...unlessTaken(catalogue, of, step)].join(' and ');
    return `select t.tableoid as part, t.ctid as at, r.tag, ${place} as way from ${from} where ${conditions}`;
  });
  const by = step.ways.map((_, place) => `bool_or(way = ${place}) as by${place}`).join(', ');
  return {
    gathered: `${name} as materialized (
  select part, at, (array_agg(tag))[1] as tag, ${by} from (${ways.join(' union all ')}) w group by part, at)`,
    from: `${name} f`,
    where: 't.tableoid = f.part and t.ctid = f.at',
    tag: 'f.tag',
  };
}

function chained(
  catalogue: Catalogue,
  of: Root,
  way: Way,
  alias: string,
): { tables: readonly string[]; where: string } {
  const chain = joinChain(catalogue, 't', way, of.rootColumn);
  return { tables: chain.tables, where: belongsTo(of, chain, alias) };
}

/** No row in two branches (ERASURE.md A1): what the table's own step takes is not detached. */
export function unlessTaken(catalogue: Catalogue, of: Root, step: Step): string[] {
  if (step.action !== 'detach') return [];
  return step.unless.map((way) => {
    const { tables, where } = chained(catalogue, of, way, 'o');
    return `not exists (select from ${[...tables, 'root o'].join(', ')} where ${where})`;
  });
}

/** A table whose rows hold nothing personal beside their keys is left as it is, but counted. */
function anonymising(table: Table, from: string, where: string): string {
  if (![...table.columns.values()].some(isPersonal))
    return `select r.tag from ${table.sqlName} t, ${from} where ${where}`;
  const sets = anonymisingAssignments(table, 't', '$6::text').join(', ');
  return `update ${table.sqlName} t set ${sets} from ${from} where ${where} returning r.tag`;
}

function until(catalogue: Catalogue, table: Table): string {
  const rule = rulesOf(catalogue).find((each) => each.table === table);
  return rule ? dueCondition(rule, 't').day : 'null::date';
}
