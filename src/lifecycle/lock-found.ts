/**
 * Locks rows that the erasing statement will find by their places. A place holds as long as its row is locked: one that somebody
 * moved between the finding and the writing of a single statement, by an update, would be passed over without a word.
 */
import type { Catalogue, Table } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import type { Queryable } from '../queryable';
import type { Plan } from './plan';
import { belongsTo, fromName } from './root';
import type { Way } from './step';

/** What several ways lead to is gathered by place first, in a branch of the statement. */
export async function lockGathered(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
): Promise<void> {
  for (const { table, shared, ways, action } of plan.steps) {
    if (shared || ways.length < 2 || action === 'keep') continue;
    await lockFound(catalogue, plan, connection, names, table, ways);
  }
}

export async function lockFound(
  catalogue: Catalogue,
  plan: Plan,
  connection: Queryable,
  names: readonly string[],
  table: Table,
  ways: readonly Way[],
): Promise<void> {
  const statement = lockStatement(catalogue, plan, table, ways);
  for (let all = false; !all; ) {
    const { rows } = await connection.query(statement, [names]);
    // a row that somebody wrote meanwhile stands elsewhere now: it is looked for again
    all = rows[0]?.all === true;
  }
}

/** In one order for everybody, or two people of the same rows could not be erased at once. */
function lockStatement(catalogue: Catalogue, plan: Plan, table: Table, ways: readonly Way[]): string {
  const found = ways.map((way) => {
    const chain = joinChain(catalogue, 't', way, plan.rootColumn);
    const from = [`${table.sqlName} t`, ...chain.tables, 'root r'].join(', ');
    return `select t.tableoid as part, t.ctid as at from ${from} where ${belongsTo(plan, chain, 'r')}`;
  });
  return `
with root as materialized (select ${fromName(plan, 'w.name')} from unnest($1::text[]) w(name)),
found as materialized (${found.join(' union ')}),
locked as materialized (
  select from ${table.sqlName} t join found f on t.tableoid = f.part and t.ctid = f.at order by f.part, f.at for update of t)
select (select count(*) from found) = (select count(*) from locked) as all`;
}
