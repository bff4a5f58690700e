/**
 * The sweeps as pg-boss jobs: one schedule per rule, a worker in each process that asks for one. No person has a job of her
 * own, waiting for months in a queue (pg-boss would drop it after its retention, and holds, policies and restores would make
 * it wrong): what is due is computed when the job runs. Payloads name a rule and nothing else.
 */
import { ConfigurationError } from '../errors';
import type { BossLike } from './boss';
import { startCheckpoints } from './checkpoint-jobs';
import type { Engine } from './engine';
import type { RotateOptions, Rotation } from './epochs/rotate';
import { type RotationSchedule, startRotation } from './epochs/rotation-jobs';
import { runJob } from './job';
import { refuseWithoutNotices } from './notices';
import { rulesOf } from './rule';
import type { SweepOptions, SweepReport } from './sweep-report';
import { runsOf } from './sweep-state';

export interface JobOptions extends Omit<SweepOptions, 'rule' | 'signal'> {
  /** When sweeps run: every night at three unless said otherwise. Minute resolution. */
  readonly cron?: string;
  /** Whose clock the cron expression means: `'UTC'` unless said otherwise. */
  readonly timeZone?: string;
  /** How long one job may work: an hour unless said otherwise. What is left then goes on with the job's next attempt. */
  readonly seconds?: number;
  /**
   * How many jobs a rule has at a time: 1 unless said otherwise. Each is taken by another worker, and they share the rule's people
   * among them with SKIP LOCKED.
   */
  readonly workers?: number;
  /**
   * How epoch keys are rotated: each week, unless said otherwise, where the provider makes and destroys them; `false` leaves it to
   * `npx oubli keys rotate`.
   */
  readonly rotation?: RotationSchedule | false;
  /** Told of each sweep that ended: for metrics and alarms. */
  readonly onSweep?: (report: SweepReport) => void;
}

export interface Jobs {
  /** The queue's name, for dashboards. */
  readonly queue: string;
  /** Where jobs end whose attempts have all failed. */
  readonly deadLetters: string;
  /** Runs the sweep of every rule now, or of some, through the queue: after the one under way, where one runs. */
  sweepNow(only?: readonly string[]): Promise<void>;
  /** Stops working here, after the chunk under way; what is left is another process's. Schedules stay. */
  stop(): Promise<void>;
}

const QUEUE = 'oubli.sweep';
const DEAD_LETTERS = 'oubli.sweep.dead';
/** A sweep beats while it runs; without a beat for this long another process takes over. */
const HEARTBEAT_SECONDS = 60;
const BUDGET_SECONDS = 3600;
/** From the end of the budget until pg-boss gives the job to somebody else: the longest chunk, of one person, and some more. */
const MARGIN_SECONDS = 20 * 60;
/** Half a minute, one, two, … at most an hour between attempts: some five hours, so that a locked row is had on its own day. */
const RETRIES = { retryLimit: 10, retryDelay: 30, retryBackoff: true, retryDelayMax: 3600 };
const DEAD_LETTER_DAYS = 90;

/** What goes on beside the sweeps, on schedules of its own. */
export interface Beside {
  /** Tells the journal, where there is one, and signs its checkpoints. */
  readonly tell?: (() => Promise<void>) | undefined;
  /** Where the provider makes and destroys epoch keys. */
  readonly rotate?: ((options: RotateOptions) => Promise<Rotation>) | undefined;
}

/** @throws ConfigurationError NO_BOSS, BAD_WORKERS */
export async function startJobs(
  boss: BossLike,
  engine: () => Promise<Engine>,
  { cron = '0 3 * * *', timeZone = 'UTC', workers = 1, rotation = {}, onSweep, ...sweeps }: JobOptions = {},
  { tell, rotate }: Beside = {},
): Promise<Jobs> {
  if (typeof boss?.schedule !== 'function') throw new ConfigurationError('NO_BOSS');
  if (!Number.isInteger(workers) || workers < 1)
    throw new ConfigurationError('BAD_WORKERS', { given: String(workers) });
  const seconds = sweeps.seconds ?? BUDGET_SECONDS;
  const rules = rulesOf((await engine()).catalogue);
  refuseWithoutNotices(rules, sweeps.onNotice);
  await createQueues(boss, seconds);
  const slots = rules.flatMap(({ name }) => slotsOf(name, workers));
  for (const { rule, key } of slots) {
    // once: a night that passed while no process ran is made up for when one starts
    await boss.schedule(QUEUE, cron, { rule }, { tz: timeZone, key: keyOf(key), singletonKey: key, missed: 'once' });
  }
  const stopping = new AbortController();
  const worker = await boss.work(QUEUE, { batchSize: 1, pollingIntervalSeconds: 2 }, async ([job]) =>
    job
      ? runJob(job, await engine(), stopping.signal, { ...sweeps, seconds, ...(onSweep ? { onSweep } : {}) })
      : undefined,
  );
  const stopCheckpoints = tell && (await startCheckpoints(boss, tell));
  const stopRotation = rotate && rotation && (await startRotation(boss, rotate, rotation));
  return {
    queue: QUEUE,
    deadLetters: DEAD_LETTERS,
    sweepNow: async (only) => {
      const wanted = slots.filter(({ rule }) => only === undefined || only.includes(rule));
      const runs = await runsOf(await engine());
      // one that runs may have looked already: this is another job, and one for all who ask before it begins
      for (const { rule, key } of wanted)
        await boss.send(QUEUE, { rule }, { singletonKey: `${key} after run ${runs.get(rule) ?? 0}` });
    },
    stop: async () => {
      stopping.abort();
      await boss.offWork(QUEUE, { id: worker, wait: true });
      await stopCheckpoints?.();
      if (stopRotation) await stopRotation();
    },
  };
}

async function createQueues(boss: BossLike, seconds: number): Promise<void> {
  await boss.createQueue(DEAD_LETTERS, { retentionSeconds: DEAD_LETTER_DAYS * 24 * 3600 });
  // exclusive: one sweep of a rule waits or runs, however many processes and however often the schedule fires
  await boss.createQueue(QUEUE, {
    policy: 'exclusive',
    ...RETRIES,
    heartbeatSeconds: HEARTBEAT_SECONDS,
    expireInSeconds: seconds + MARGIN_SECONDS,
    deadLetter: DEAD_LETTERS,
  });
}

interface Slot {
  readonly rule: string;
  /** What makes it one, however often it is asked for. */
  readonly key: string;
}

function slotsOf(rule: string, workers: number): Slot[] {
  return Array.from({ length: workers }, (_, place) => ({ rule, key: place === 0 ? rule : `${rule} ${place + 1}` }));
}

/** pg-boss takes ASCII letters, digits and a few signs for the key of a schedule; a table may be called anything. */
function keyOf(key: string): string {
  return key.replace(':', '/').replace(/[^\w./-]/gu, (sign) => `-${sign.codePointAt(0)?.toString(16)}-`);
}
