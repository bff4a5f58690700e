/**
 * How the sweeps of each rule went, where every process and every operator can see it: a worker that has been dead for a month shows
 * there, and somebody whom a sweep cannot reach is alarming before the date is missed.
 */
import { BreakerError } from '../errors';
import type { Engine } from './engine';
import type { Rule } from './rule';
import type { Alarm, SweepReport } from './sweep-report';
import { tell } from './tell';

const STARTED = `
insert into oubli.sweep_state as s (rule, last_started_at, runs) values ($1, oubli.now(), 1)
on conflict (rule) do update set last_started_at = excluded.last_started_at, runs = s.runs + 1`;

const ENDED = `
update oubli.sweep_state s set gone = s.gone + $2::bigint, still_due = $3::bigint,
  last_success_at = case when $4 then oubli.now() else s.last_success_at end,
  alarm = $5, alarmed_at = case when $5::text is not null then oubli.now() end
where s.rule = $1`;

const FAILED = `
update oubli.sweep_state s set last_failed_at = oubli.now(), last_failure = $2,
  alarm = coalesce($3, s.alarm), alarmed_at = case when $3::text is not null then oubli.now() else s.alarmed_at end
where s.rule = $1`;

const RUNS = 'select rule, runs from oubli.sweep_state';

/** How often a sweep of each rule began, by its name; none of a rule that was never swept. */
export async function runsOf({ database }: Engine): Promise<Map<string, number>> {
  const { rows } = await database.transaction((connection) => connection.query(RUNS));
  return new Map(rows.map(({ rule, runs }) => [String(rule), Number(runs)]));
}

/** How a run ended: with somebody who could not leave, although everybody else did. */
export interface Outcome {
  readonly report: SweepReport;
  readonly failure?: unknown;
}

/**
 * The run, with its start and its end written down, each at once: what is known of a run outlives its process.
 * @throws what the run ended with
 */
export async function recorded(
  { database }: Engine,
  rule: Rule,
  onAlarm: ((alarm: Alarm) => void) | undefined,
  run: () => Promise<Outcome>,
): Promise<SweepReport> {
  const write = (sql: string, parameters: unknown[]): Promise<unknown> =>
    database.transaction((connection) => connection.query(sql, [rule.name, ...parameters]));
  const failed = async (error: unknown): Promise<never> => {
    const alarm =
      error instanceof BreakerError ? ({ what: 'breaker', rule: rule.name, count: error.counted } as const) : undefined;
    await write(FAILED, [codeOf(error), alarm?.what ?? null]);
    if (alarm) tell('onAlarm', rule.name, onAlarm, alarm);
    throw error;
  };
  await write(STARTED, []);
  const { report, failure } = await run().catch(failed);
  const alarm = alarmAfter(report);
  await write(ENDED, [report.gone, report.stillDue, report.finished && failure === undefined, alarm?.what ?? null]);
  if (alarm) tell('onAlarm', rule.name, onAlarm, alarm);
  return failure === undefined ? report : failed(failure);
}

/** Whoever is still due when a run has come to its end could not be reached by it. */
function alarmAfter({ rule, stillDue, finished }: SweepReport): Alarm | undefined {
  return finished && stillDue > 0 ? { what: 'left', rule, count: stillDue } : undefined;
}

/** A code of ours, or PostgreSQL's SQLSTATE: never a message, which may quote a value. */
function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'unknown');
}
