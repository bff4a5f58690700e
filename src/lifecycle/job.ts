/** One delivery of a sweep's job: perhaps the second of the same, perhaps beside another that was given up for dead. */
import { afterSweeps } from './after-sweep';
import type { Engine } from './engine';
import { type Rule, rulesOf } from './rule';
import { sweep } from './sweep';
import { SweepFailure, SweepInterrupted } from './sweep-failure';
import type { SweepOptions, SweepReport } from './sweep-report';
import { tell } from './tell';

export interface SweepJob {
  readonly data: { readonly rule: string };
  /** Aborted when pg-boss gives the job up: it stops, or this delivery has expired. */
  readonly signal?: AbortSignal;
}

export interface JobRun extends Omit<SweepOptions, 'rule' | 'signal'> {
  readonly onSweep?: (report: SweepReport) => void;
}

/**
 * @returns the report, which pg-boss keeps as the job's output: names of rules and numbers, and nothing else
 * @throws SweepInterrupted when something is left that a further attempt can take; SweepFailure
 */
export async function runJob(
  { data, signal }: SweepJob,
  engine: Engine,
  stopping: AbortSignal,
  { onSweep, ...options }: JobRun,
): Promise<SweepReport | undefined> {
  const rule = rulesOf(engine.catalogue).find((each) => each.name === data.rule);
  // A rule may be gone since its schedule was made: a later migration's decision, not a failure.
  if (!rule) return undefined;
  const stop = signal ? AbortSignal.any([signal, stopping]) : stopping;
  const report = await sweepRule(engine, rule, { ...options, signal: stop }, onSweep);
  // pg-boss gives what is left to another attempt, or process, soon and not on the next day.
  if (!report.finished || report.locked > 0) throw new SweepInterrupted(rule.name);
  return report;
}

async function sweepRule(
  engine: Engine,
  rule: Rule,
  options: SweepOptions,
  onSweep: JobRun['onSweep'],
): Promise<SweepReport> {
  try {
    const report = await sweep(engine, rule, options);
    tell('onSweep', rule.name, onSweep, report);
    await afterSweeps(engine, options);
    return report;
  } catch (error) {
    throw SweepFailure.from(rule.name, error);
  }
}
