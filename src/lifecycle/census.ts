/**
 * How many there are, for the breaker. Bounded, for ten million rows are not counted to know whether a dozen may
 * leave: of a large table PostgreSQL's own estimate is taken.
 */
import { quoteLiteral as literal, type Queryable } from '../queryable';
import type { Rule } from './rule';

/** Up to so many rows are counted; it takes some 10 ms. */
const COUNTED = 100_000;

/** How many people of the kind live in the table, or how many rows it has. */
export async function totalOf(connection: Queryable, rule: Rule): Promise<number> {
  const rows = await estimatedRows(connection, `select from ${rule.table.sqlName}`);
  if (rows <= COUNTED) return counted(connection, rule);
  return rule.kind === undefined ? rows : Math.max(0, rows - (await estimatedRows(connection, erasedLinks(rule.kind))));
}

function erasedLinks(kind: string): string {
  return `select from oubli.subject_link l where l.kind = ${literal(kind)} and l.erased_at is not null`;
}

async function counted(connection: Queryable, { table, kind }: Rule): Promise<number> {
  const { declaration, sqlName } = table;
  const column = declaration?.is === 'subject' ? declaration.column : undefined;
  // Whoever was anonymised stays in the table and is nobody any more.
  const gone = kind === undefined || column === undefined ? '0' : `(select count(*) from (${erasedLinks(kind)}) e)`;
  const { rows } = await connection.query(`select greatest(0, (select count(*) from ${sqlName}) - ${gone}) as n`);
  return Number(rows[0]?.n);
}

/** The planner's estimate: reltuples, brought up to date by the size of the file now, summed over partitions. */
export async function estimatedRows(connection: Queryable, query: string): Promise<number> {
  const { rows } = await connection.query(`explain (format json) ${query}`);
  const [plan] = (rows[0] as { 'QUERY PLAN': { Plan: { 'Plan Rows': number } }[] })['QUERY PLAN'];
  return plan?.Plan['Plan Rows'] ?? 0;
}
