/**
 * The sweeps as pg-boss jobs: one schedule per rule, a worker in each process that asks for one. No person has a job of her
 * own, waiting for months in a queue (pg-boss would drop it after its retention, and holds, policies and restores would make
 * it wrong): what is due is computed when the job runs. Payloads name a rule and nothing else.
 */
import { ConfigurationError } from '../errors';
import { afterSweeps } from './after-sweep';
import type { Engine } from './engine';
import { refuseWithoutNotices } from './notices';
import { rulesOf } from './rule';
import { sweep } from './sweep';
import { SweepFailure, SweepInterrupted } from './sweep-failure';
import type { SweepOptions, SweepReport } from './sweep-report';

/** The part of a pg-boss 12 instance used here: the user's own, so that no type of pg-boss enters our declarations. */
export interface BossLike {
  createQueue(name: string, options?: object): Promise<unknown>;
  schedule(name: string, cron: string, data?: object | null, options?: object): Promise<unknown>;
  work(name: string, options: object, handler: (jobs: SweepJob[]) => Promise<unknown>): Promise<string>;
  offWork(name: string, options?: object): Promise<unknown>;
  send(name: string, data: object, options?: object): Promise<string | null>;
}

interface SweepJob {
  readonly data: { readonly rule: string };
  readonly signal?: AbortSignal;
}

export interface JobOptions extends Omit<SweepOptions, 'rule' | 'signal'> {
  /** When sweeps run: every night at three unless said otherwise. Minute resolution. */
  readonly cron?: string;
  /** Whose clock the cron expression means: `'UTC'` unless said otherwise. */
  readonly timeZone?: string;
  /** Told of each finished sweep: for metrics and alarms. */
  readonly onSweep?: (report: SweepReport) => void;
}

export interface Jobs {
  /** The queue's name, for dashboards. */
  readonly queue: string;
  /** Runs the sweep of every rule now, or of some, through the queue. */
  sweepNow(only?: readonly string[]): Promise<void>;
  /** Stops working here, after the chunk under way; what is left is another process's. Schedules stay. */
  stop(): Promise<void>;
}

const QUEUE = 'oubli.sweep';
/** A sweep beats while it runs; without a beat for this long another process takes over. */
const HEARTBEAT_SECONDS = 60;
const EXPIRE_SECONDS = 3600;

/** @throws ConfigurationError NO_BOSS */
export async function startJobs(
  boss: BossLike,
  engine: () => Promise<Engine>,
  options: JobOptions = {},
): Promise<Jobs> {
  if (typeof boss?.schedule !== 'function') throw new ConfigurationError('NO_BOSS');
  refuseWithoutNotices(rulesOf((await engine()).catalogue), options.onNotice);
  // exclusive: one sweep of a rule waits or runs, however many processes and however often the schedule fires
  await boss.createQueue(QUEUE, {
    policy: 'exclusive',
    retryLimit: 3,
    retryBackoff: true,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    expireInSeconds: EXPIRE_SECONDS,
  });
  const rules = rulesOf((await engine()).catalogue);
  for (const { name } of rules) {
    const when = { tz: options.timeZone ?? 'UTC', key: keyOf(name), singletonKey: name };
    await boss.schedule(QUEUE, options.cron ?? '0 3 * * *', { rule: name }, when);
  }
  const stopping = new AbortController();
  const worker = await boss.work(QUEUE, { batchSize: 1, pollingIntervalSeconds: 2 }, async ([job]) =>
    job ? runJob(job, await engine(), stopping.signal, options) : undefined,
  );
  return {
    queue: QUEUE,
    sweepNow: async (only = rules.map(({ name }) => name)) => {
      for (const name of only) await boss.send(QUEUE, { rule: name }, { singletonKey: name });
    },
    stop: async () => {
      stopping.abort();
      await boss.offWork(QUEUE, { id: worker, wait: true });
    },
  };
}

/** pg-boss takes ASCII letters, digits and a few signs for the key of a schedule; a table may be called anything. */
function keyOf(rule: string): string {
  return rule.replace(':', '/').replace(/[^\w./-]/gu, (sign) => `-${sign.codePointAt(0)?.toString(16)}-`);
}

/** @returns the report, which pg-boss keeps as the job's output: names of rules and numbers, and nothing else */
async function runJob(
  { data, signal }: SweepJob,
  engine: Engine,
  stopping: AbortSignal,
  { cron: _, timeZone: __, onSweep, ...options }: JobOptions,
): Promise<SweepReport | undefined> {
  const rule = rulesOf(engine.catalogue).find((each) => each.name === data.rule);
  // A rule may be gone since its schedule was made: a later migration's decision, not a failure.
  if (!rule) return undefined;
  const report = await sweepAndDestroy(engine, rule, {
    ...options,
    signal: signal ? AbortSignal.any([signal, stopping]) : stopping,
  });
  onSweep?.(report);
  // pg-boss gives an interrupted sweep to another process, now and not on the next day.
  if (!report.finished) throw new SweepInterrupted(rule.name);
  return report;
}

async function sweepAndDestroy(engine: Engine, rule: Parameters<typeof sweep>[1], options: SweepOptions) {
  try {
    const report = await sweep(engine, rule, options);
    await afterSweeps(engine, options.signal);
    return report;
  } catch (error) {
    throw SweepFailure.from(rule.name, error);
  }
}
