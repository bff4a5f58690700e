/**
 * What follows a purge (ERASURE.md L4): the statistics of what left are forgotten, and the tables vacuumed, with their indexes, outside
 * of any transaction. Autovacuum's defaults would leave a table of a million rows unvacuumed for a year, and the planner's samples
 * outlive an emptied table. What the role may not do is reported, and stands in certificates as not done.
 */
import type { Table } from '../catalogue/model';
import type { Queryable, Row } from '../queryable';
import { isLocked } from './database';
import type { Engine } from './engine';
import { hasSamples, statisticsForgotten } from './forget-statistics';

export interface VacuumReport {
  readonly table: string;
  /** Rows that erasures and rules touched since the last time. */
  readonly rows: number;
  /** `done`, or why not. */
  readonly vacuum: string;
  /** Whether the planner's statistics were made anew: where samples were forgotten, or more than 5 % of the rows touched. */
  readonly analysed: boolean;
  /** `forgotten`, `none` where nothing in clear was sampled, or why they are still there. */
  readonly statistics: string;
}

interface Touched {
  readonly table: Table;
  readonly rows: number;
}

/** More than this share of a table, and the planner should know. */
const MANY = 0.05;
const PATIENCE = '5s';

// the chain's positions are committed in order, so that no entry is passed by because it was committed late
const TOUCHED = `
select line ->> 'table' as name, sum((line ->> 'rows')::bigint)::int8 as rows
from oubli.ledger_link k join oubli.ledger l using (entry), jsonb_array_elements(l.details -> 'tables') line
where k.position > (select position from oubli.vacuumed) and k.position <= $1
  and l.act in ('erased', 'expired') and line ->> 'action' in ('delete', 'anonymise', 'archive') and (line ->> 'rows')::bigint > 0
group by 1 order by 1`;
const HEAD = 'select position from oubli.ledger_head';
const DONE = 'update oubli.vacuumed set position = greatest(position, $1), at = oubli.now(), report = $2';
// two processes that sweep would only wait for each other
const ONE_AT_A_TIME = `select pg_try_advisory_lock(hashtextextended('oubli.vacuum', 0)) as mine`;
const NEXT_PLEASE = `select pg_advisory_unlock(hashtextextended('oubli.vacuum', 0))`;

/** @returns nothing where another process is at it */
export function vacuumTouched({ catalogue, database }: Engine, signal?: AbortSignal): Promise<VacuumReport[]> {
  return database.alone(async (connection) => {
    if (!(await one(connection, ONE_AT_A_TIME)).mine) return [];
    const { timeout } = await one(connection, `select current_setting('lock_timeout') as timeout`);
    try {
      await connection.query(`select set_config('lock_timeout', $1, false)`, [PATIENCE]);
      const { position } = await one(connection, HEAD);
      const { rows } = await connection.query(TOUCHED, [position]);
      const touched = rows.flatMap(({ name, rows: count }): Touched[] => {
        const table = catalogue.tables.find(({ displayName }) => displayName === name);
        return table ? [{ table, rows: Number(count) }] : [];
      });
      const reports: VacuumReport[] = [];
      for (const each of touched) if (!signal?.aborted) reports.push(await cleaned(connection, each));
      if (reports.length === touched.length) await connection.query(DONE, [position, JSON.stringify(reports)]);
      return reports;
    } finally {
      await connection.query(`select set_config('lock_timeout', $1, false)`, [timeout]);
      await connection.query(NEXT_PLEASE);
    }
  });
}

/** @param or what else than owning the table lets a role maintain it */
const state = (or: string): string => `
select pg_has_role(c.relowner, 'usage') ${or} as may,
  (select sum(greatest(f.reltuples, 0)) from pg_catalog.pg_class f where f.oid in (select rel from oubli.family(c.oid))) as rows
from pg_catalog.pg_class c where c.oid = $1`;

async function cleaned(connection: Queryable, { table, rows }: Touched): Promise<VacuumReport> {
  const about = { table: table.displayName, rows };
  const { may, rows: all } = await privileges(connection, table);
  if (!may) {
    const vacuum = 'this role may not: it needs to own the table, or from PostgreSQL 17 on MAINTAIN';
    return { ...about, vacuum, analysed: false, statistics: vacuum };
  }
  const sampled = await hasSamples(connection, table);
  const analyse = sampled || rows > MANY * Number(all);
  const vacuum = await attempted(async () => {
    await connection.query(`vacuum (index_cleanup on${analyse ? ', analyze' : ''}) ${table.sqlName}`);
    return 'done';
  });
  const statistics = sampled ? await attempted(() => statisticsForgotten(connection, table)) : 'none';
  return { ...about, vacuum, analysed: analyse && vacuum === 'done', statistics };
}

/** Before PostgreSQL 17 there is no privilege of that name to ask for. */
async function privileges(connection: Queryable, table: Table): Promise<Row> {
  const { number } = await one(connection, `select current_setting('server_version_num')::int as number`);
  const or = Number(number) >= 170000 ? "or has_table_privilege(c.oid, 'maintain')" : '';
  return one(connection, state(or), [table.oid]);
}

async function one(connection: Queryable, sql: string, parameters: unknown[] = []): Promise<Row> {
  return (await connection.query(sql, parameters)).rows[0] ?? {};
}

/** Somebody works on the table: the next sweep has it on its list no more, so it is said. */
async function attempted(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    if (isLocked(error)) return `somebody held it for more than ${PATIENCE}`;
    throw error;
  }
}
