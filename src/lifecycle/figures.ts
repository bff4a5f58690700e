/**
 * k, l and unique combinations of the declared quasi-identifiers, before and after (ERASURE.md A7; Art. 29 Working Party, opinion
 * 05/2014 §3.2.1). Measured of the combinations that an erasure touches, and not of the whole table, so that the cost follows the
 * chunk: by an index over the quasi-identifiers each is a short range of it, and where a table of more than 100,000 rows
 * has no such index nothing is measured, which is no pass.
 *
 * Before, every row with the same combination counts. After, only rows that belong to nobody: somebody who still has her
 * name beside her hides nobody, for whoever reads the table can rule her out. So the first to be anonymised has k = 1.
 */
import type { Catalogue, Column, Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import type { Figures, Measurement } from '../registers/examined';
import { stillPersonal } from './anonymise';
import type { Plan } from './plan';
import { belongsTo, fromName } from './root';
import type { Step } from './step';
import { replacementOf } from './strategy';
import { takenBy } from './taken';
import type { Thresholds } from './thresholds';

/** Combinations of one table as they stand now, and as the erasure leaves them. */
export interface Touched {
  readonly table: Table;
  readonly columns: readonly Column[];
  readonly sensitive: Column | undefined;
  readonly after: readonly Combination[];
  readonly before: Figures | undefined;
  readonly why: string | undefined;
}

/** A value of each quasi-identifier, as text. */
type Combination = readonly (string | null)[];

/** No row is counted beyond these: k is at least so much, and a common combination costs no more than a rare one. */
const COUNTED = 1_000;
const LOOKED_AT = 10_000;
const SMALL_TABLE = 100_000;

export async function combinationsTouched(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
): Promise<Touched[]> {
  const touched: Touched[] = [];
  for (const step of plan.steps) {
    const columns = step.action === 'anonymise' ? marked(step.table, 'quasiIdentifier') : [];
    if (columns.length === 0) continue;
    const { rows } = await connection.query(combinations(catalogue, plan, step, columns), [names]);
    const sensitive = marked(step.table, 'sensitive')[0];
    const why = await tooDear(connection, step.table, columns);
    const before =
      why === undefined ? await count(connection, { table: step.table, columns, sensitive }, of(rows, 'b')) : undefined;
    touched.push({ table: step.table, columns, sensitive, after: of(rows, 'a'), before, why });
  }
  return touched.filter(({ after }) => after.length > 0);
}

/** When the statement has run. */
export async function measured(
  connection: Queryable,
  touched: readonly Touched[],
  { k = 5, l = 2 }: Thresholds,
): Promise<Measurement[]> {
  const all: Measurement[] = [];
  for (const each of touched) {
    const { table, columns, sensitive, before, why } = each;
    const about = {
      table: table.displayName,
      quasiIdentifiers: columns.map(({ name }) => name),
      ...(sensitive ? { sensitive: sensitive.name } : {}),
    };
    if (why !== undefined || !before) {
      all.push({ ...about, tests: 'not passed', ...(why ? { why } : {}) });
      continue;
    }
    const after = await count(connection, each, each.after, stillPersonal(table, 't'));
    const passed = after.k >= k && (after.l ?? l) >= l;
    all.push({ ...about, before, after, tests: passed ? 'passed' : 'not passed' });
  }
  return all;
}

function marked(table: Table, option: 'quasiIdentifier' | 'sensitive'): Column[] {
  return [...table.columns.values()].filter(({ spec }) => spec !== undefined && option in spec);
}

/** What rows of the step hold now (b) and what they will hold (a): each replacement is computed of the row as it is. */
function combinations(catalogue: Catalogue, plan: Plan, step: Step, columns: readonly Column[]): string {
  const { table } = step;
  const now = columns.map(({ name }, i) => `t.${q(name)}::text as b${i}`);
  const found = takenBy(step).map(({ way, columns: hers }) => {
    const then = columns.map(
      (column, i) => `(${hers.includes(column) ? replaced(table, column) : `t.${q(column.name)}`})::text as a${i}`,
    );
    const chain = joinChain(catalogue, 't', way, plan.rootColumn);
    const from = [`${table.sqlName} t`, ...chain.tables, 'root r'].join(', ');
    return `select ${[...now, ...then].join(', ')} from ${from} where ${belongsTo(plan, chain, 'r')}`;
  });
  return `
with root as materialized (select ${fromName(plan, 'w.name')}, '{}'::jsonb as fakes from unnest($1::text[]) w(name))
${found.join(' union ')}`;
}

/** A value that is the row's own alone is in no combination of several rows, whatever it is. */
function replaced(table: Table, column: Column): string {
  const { value, unique } = replacementOf(table, column, 't', `''`);
  return unique ? 'null' : (value ?? `t.${q(column.name)}`);
}

function of(rows: readonly Row[], letter: 'a' | 'b'): Combination[] {
  const all = rows.map((row) =>
    Object.keys(row)
      .filter((key) => key[0] === letter)
      .map((key) => row[key] as string | null),
  );
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
}

/** Where no index begins with the quasi-identifiers, every combination would read the table. */
async function tooDear(connection: Queryable, table: Table, columns: readonly Column[]): Promise<string | undefined> {
  const { rows } = await connection.query(
    `select c.reltuples > ${SMALL_TABLE} and not exists (
       select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisvalid and i.indpred is null
         and (select array_agg(k order by k) from unnest((i.indkey::int2[])[0:$2 - 1]) k) = (select array_agg(k::int2 order by k) from unnest($3::int[]) k)) as dear
     from pg_catalog.pg_class c where c.oid = $1`,
    [table.oid, columns.length, columns.map(({ position }) => position)],
  );
  const names = columns.map(({ name }) => q(name)).join(', ');
  return rows[0]?.dear
    ? `it has many rows and no index: create index concurrently on ${table.sqlName} (${names})`
    : undefined;
}

type Counted = Pick<Touched, 'table' | 'columns' | 'sensitive'>;

/** Combinations with the same columns NULL go together, so that each look-up is a range of the index. */
async function count(
  connection: Queryable,
  counted: Counted,
  all: readonly Combination[],
  except?: string,
): Promise<Figures> {
  const byNulls = new Map<string, Combination[]>();
  for (const each of all) {
    const pattern = each.map((value) => (value === null ? '0' : '1')).join('');
    byNulls.set(pattern, [...(byNulls.get(pattern) ?? []), each]);
  }
  let figures: Figures = {
    k: COUNTED,
    unique: 0,
    combinations: all.length,
    ...(counted.sensitive ? { l: COUNTED } : {}),
  };
  for (const [pattern, some] of byNulls) {
    const columns = counted.columns.map((_, i) => some.map((each) => each[i]));
    const { rows } = await connection.query(countStatement(counted, pattern, except), columns);
    const [found] = rows;
    figures = {
      ...figures,
      k: Math.min(figures.k, Number(found?.k)),
      unique: figures.unique + Number(found?.alone),
      ...(figures.l === undefined ? {} : { l: Math.min(figures.l, Number(found?.l)) }),
    };
  }
  return figures;
}

/** @param pattern a 0 for each column that is NULL in these combinations */
export function countStatement({ table, columns, sensitive }: Counted, pattern: string, except?: string): string {
  const arrays = columns.map((_, i) => `$${i + 1}::text[]`);
  const names = columns.map((_, i) => `c${i}`);
  const conditions = columns.map(({ name, type }, i) =>
    pattern[i] === '0' ? `t.${q(name)} is null` : `t.${q(name)} = w.c${i}::${type}`,
  );
  const value = sensitive ? `t.${q(sensitive.name)}::text` : 'null::text';
  const nobodys = except === undefined ? 'true' : `not ${except}`;
  return `
select min(n) as k, count(*) filter (where n = 1) as alone, min(differing) as l
from unnest(${arrays.join(', ')}) w(${names.join(', ')}) cross join lateral (
  select count(*) as n, count(distinct s) as differing from (
    select s from (
      select ${value} as s, ${nobodys} as counts from ${table.sqlName} t where ${conditions.join(' and ')} limit ${LOOKED_AT}) looked
    where counts limit ${COUNTED}) few) class`;
}
