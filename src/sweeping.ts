/** What an installation does by itself as time passes, as the application and its operator ask for it. */

import type { BossLike } from './lifecycle/boss';
import type { Engine } from './lifecycle/engine';
import { type Beside, type JobOptions, type Jobs, startJobs } from './lifecycle/jobs';
import { measured, type RuleMetrics } from './lifecycle/metrics';
import type { PlanFile } from './lifecycle/plan-file';
import { surveyRules } from './lifecycle/survey';
import { sweepAll } from './lifecycle/sweep';
import type { SweepOptions, SweepReport } from './lifecycle/sweep-report';
import { type MeterLike, observed } from './lifecycle/telemetry';
import { type AppliedPlan, type ApplyOptions, applyPlanFile, type PlanOf, planOf } from './rights/plans';

/** How sweeps go where a call does not say otherwise. */
export type SweepDefaults = Pick<SweepOptions, 'breaker' | 'pace' | 'onAlarm'>;

export interface Sweeping {
  /** Everything that is due under every rule leaves now; what the jobs do, without a queue. With `dryRun` only the plan. */
  sweep(options: SweepOptions & { readonly dryRun: true }): Promise<PlanFile>;
  sweep(options?: SweepOptions): Promise<SweepReport[]>;
  /**
   * What would be done, table by table, with the rows counted at this moment: under every rule, under one, or for one person. Read in
   * READ ONLY transactions; holds no personal data, so that it can be saved, shown and applied later.
   * @throws ConfigurationError UNKNOWN_RULE, UNKNOWN_KIND
   * @example const plan = await oubli.plan({ rule: 'subject:user' }); await oubli.apply(plan);
   */
  plan(target?: PlanOf): Promise<PlanFile>;
  /**
   * Does what was planned, past the breaker, or nothing. Who was due at the plan's moment leaves; fewer than were counted is fine.
   * Interrupted, it is applied again and goes on.
   * @throws PlanDriftError with every difference; ConfigurationError BAD_PLAN_FILE, PLAN_OF_NOBODY, NO_BECAUSE
   */
  apply(plan: PlanFile, options?: ApplyOptions): Promise<AppliedPlan[]>;
  /** Schedules the sweeps in your pg-boss, the checkpoints of the journal, the rotation of epoch keys, and works on them in this process. */
  startJobs(boss: BossLike, options?: JobOptions): Promise<Jobs>;
  /** How each rule stands: when its sweep last came to its end, how many are due, and how many for more than a day. */
  metrics(): Promise<RuleMetrics[]>;
  /**
   * The same as OpenTelemetry instruments, read anew at each collection: gauges `oubli.sweep.due`, `oubli.sweep.overdue`,
   * `oubli.sweep.last_success` (seconds since 1970) and the counter `oubli.sweep.gone`, with the attribute `oubli.rule`.
   * @param meter that of the global provider of `@opentelemetry/api` unless given
   * @returns ends it
   * @throws ConfigurationError NO_OPENTELEMETRY
   */
  observeMetrics(meter?: MeterLike): Promise<() => void>;
}

/** The engine with the schema as it is at the call. */
export interface Engines extends Beside {
  /** For what only looks. */
  read(): Promise<Engine>;
  /** For what destroys: after it has caught up with what is known outside of the database. */
  act(): Promise<Engine>;
}

/** @param started told of jobs that were started */
export function sweeping(
  { read, act, ...beside }: Engines,
  defaults: SweepDefaults = {},
  started: (jobs: Promise<Jobs>) => Promise<Jobs> = (jobs) => jobs,
): Sweeping {
  const sweep = async ({ dryRun, ...given }: SweepOptions & { dryRun?: boolean } = {}): Promise<unknown> =>
    dryRun ? surveyRules(await read(), given.rule) : sweepAll(await act(), { ...defaults, ...given });
  return {
    sweep: sweep as Sweeping['sweep'],
    plan: async (target = {}) => planOf(await read(), target),
    apply: async (plan, options) => applyPlanFile(await act(), plan, { ...defaults, ...options }),
    startJobs: (boss, options) => started(startJobs(boss, act, { ...defaults, ...options }, beside)),
    metrics: async () => measured(await read()),
    observeMetrics: (meter) => observed(async () => measured(await read()), meter),
  };
}
