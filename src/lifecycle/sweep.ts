/**
 * A sweep: everything that is due under one rule leaves, a few at a time, each few in a transaction of its own. It may be
 * interrupted anywhere and run again: what is done is done with its ledger row, what is not is still due.
 */

import { quoteIdentifier as q } from '../queryable';
import { applyPlan, type Choose, type Engine } from './apply';
import { isRetryable } from './database';
import { type DueCondition, dueCondition } from './due';
import { type Plan, planErasure, planRows } from './plan';
import { destroyExpiredKeys } from './retained-keys';
import { type Rule, rulesOf } from './rule';

export interface SweepOptions {
  /** People, or rows, per transaction: 500 unless said otherwise (RUNTIME: traffic's p99 stays at its baseline up to 1,000). */
  readonly chunk?: number;
  /** Stops between two chunks. */
  readonly signal?: AbortSignal;
}

export interface SweepReport {
  readonly rule: string;
  /** People, or rows, that left. */
  readonly gone: number;
  readonly chunks: number;
  /** Due, but locked by others at this moment: the next sweep takes them. */
  readonly stillDue: number;
  readonly finished: boolean;
}

const CHUNK = 500;
const ATTEMPTS = 5;

export async function sweep(engine: Engine, rule: Rule, options: SweepOptions = {}): Promise<SweepReport> {
  const plan = planOf(engine, rule);
  const due = dueCondition(rule, 't');
  const because = `${rule.retention.because ?? 'retention'}: ${rule.retention.keep} after ${anchorName(rule)}`;
  const choose = chooseDue(rule, plan, due, options.chunk ?? CHUNK);
  let gone = 0;
  let chunks = 0;
  while (!options.signal?.aborted) {
    const left = await retried(() =>
      applyPlan(engine, plan, choose, { act: plan.kind ? 'erased' : 'expired', because }),
    );
    const count = plan.kind ? left.length : rowsOf(left);
    if (count === 0) break;
    gone += count;
    chunks += 1;
  }
  return {
    rule: rule.name,
    gone,
    chunks,
    stillDue: await countDue(engine, rule, due),
    finished: !options.signal?.aborted,
  };
}

/** Every rule, then the keys that were kept for rows which have left. */
export async function sweepAll(engine: Engine, options: SweepOptions = {}): Promise<SweepReport[]> {
  const reports: SweepReport[] = [];
  for (const rule of rulesOf(engine.catalogue)) reports.push(await sweep(engine, rule, options));
  await destroyExpiredKeys(engine.database);
  return reports;
}

export function planOf(engine: Engine, rule: Rule): Plan {
  return rule.kind === undefined
    ? planRows(engine.catalogue, rule.table, rule.retention)
    : planErasure(engine.catalogue, rule.table);
}

/** Oldest first by the anchor's index; rows that somebody holds are left for the next time. */
function chooseDue(rule: Rule, plan: Plan, due: DueCondition, limit: number): Choose {
  const order = typeof rule.retention.from === 'string' ? `t.${q(rule.retention.from)}` : 'e.ended_on';
  const name = plan.rootColumn === 'ctid' ? 't.ctid' : `t.${q(plan.rootColumn)}`;
  const sql = `select ${name}::text as id from ${dueRows(rule, due)} order by ${order} limit ${limit} for update of t skip locked`;
  return async (connection) => (await connection.query(sql)).rows.map((row) => String(row.id));
}

/** The due rows of a rule; a person who was anonymised stays in her table and is not due again. */
function dueRows(rule: Rule, due: DueCondition): string {
  const { declaration } = rule.table;
  const notErased =
    declaration?.is === 'subject'
      ? `and not exists (select from oubli.subject_link l where l.kind = '${declaration.kind}'
           and l.subject_id = t.${q(declaration.column)}::text and l.erased_at is not null)`
      : '';
  return `${rule.table.sqlName} t ${due.join} where ${due.prefilter} and ${due.exact} ${notErased}`;
}

async function countDue(engine: Engine, rule: Rule, due: DueCondition): Promise<number> {
  return engine.database.transaction(async (connection) => {
    const { rows } = await connection.query(`select count(*) as n from ${dueRows(rule, due)}`);
    return Number(rows[0]?.n);
  });
}

function rowsOf(entries: readonly Record<string, unknown>[]): number {
  const [entry] = entries;
  const tables = (entry?.details as { tables?: { rows: number }[] } | undefined)?.tables;
  return tables?.[0]?.rows ?? 0;
}

async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isRetryable(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20 * attempt * (0.5 + Math.random())));
    }
  }
}

function anchorName(rule: Rule): string {
  const { from } = rule.retention;
  return typeof from === 'string' ? `${rule.table.name}.${from}` : 'the end of service';
}
