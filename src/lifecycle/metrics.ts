/**
 * How each rule stands, in figures that cost little however many rows there are: what is due is counted by a range of the anchor's
 * index, and no further than 10,000. Names of rules and numbers, nothing of anybody.
 */
import type { Queryable } from '../queryable';
import { DueRows } from './due-rows';
import type { Engine } from './engine';
import { type Rule, rulesOf } from './rule';
import { planOf } from './rule-plan';

export interface RuleMetrics {
  readonly rule: string;
  /** When a sweep last began, and when one last came to its end; undefined before the first. */
  readonly lastStartedAt?: Date;
  readonly lastSuccessAt?: Date;
  /** A code of ours or an SQLSTATE, when the last run failed. */
  readonly lastFailure?: string;
  /** What the last run raised the alarm for. */
  readonly alarm?: 'breaker' | 'left';
  /** People, or rows, that have left in all. */
  readonly gone: number;
  /** Due at this moment, and for more than a day: counted up to 10,000. */
  readonly due: number;
  readonly overdue: number;
}

const COUNTED = 10_000;

const STATE = `
select s.*, s.last_failed_at is not null and s.last_failed_at >= coalesce(s.last_success_at, '-infinity') as failed,
  to_char((oubli.now() - interval '1 day') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as yesterday
from (values ($1)) w(name) left join oubli.sweep_state s on s.rule = w.name`;

export async function measured(engine: Engine): Promise<RuleMetrics[]> {
  const found: RuleMetrics[] = [];
  for (const rule of rulesOf(engine.catalogue)) {
    found.push(await engine.database.snapshot((connection) => measureRule(engine, connection, rule)));
  }
  return found;
}

async function measureRule(engine: Engine, connection: Queryable, rule: Rule): Promise<RuleMetrics> {
  const [state = {}] = (await connection.query(STATE, [rule.name])).rows;
  const plan = planOf(engine, rule);
  return {
    rule: rule.name,
    ...(state.last_started_at ? { lastStartedAt: state.last_started_at as Date } : {}),
    ...(state.last_success_at ? { lastSuccessAt: state.last_success_at as Date } : {}),
    ...(state.failed ? { lastFailure: String(state.last_failure) } : {}),
    ...(state.alarm ? { alarm: state.alarm as 'breaker' | 'left' } : {}),
    gone: Number(state.gone ?? 0),
    due: await new DueRows(rule, plan, engine.catalogue).count(connection, COUNTED),
    overdue: await new DueRows(rule, plan, engine.catalogue, String(state.yesterday)).count(connection, COUNTED),
  };
}
