/**
 * A sweep: everything that is due under one rule leaves, a few at a time, each few in a transaction of its own. It may be
 * interrupted anywhere and run again: what is done is done with its ledger row, what is not is still due.
 */
import { type SweepFailed, SweepsFailedError } from '../errors';
import { afterSweeps } from './after-sweep';
import { allowedOf, limitOf, refuseTooMany } from './breaker';
import { Burden } from './burden';
import { totalOf } from './census';
import { Chunks } from './chunk';
import { type HeldBack, noteDeferred } from './deferred';
import { carryOutDeferred } from './deferred-requests';
import { DueRows } from './due-rows';
import type { Engine } from './engine';
import { refreshTriggers } from './held-tables';
import { countWaiting, sendNotices } from './notices';
import { settledPace } from './pace';
import { Pacer } from './pacer';
import { type EndedRows, endPartitions } from './partition-end';
import { type Plan, refuseBlocked } from './plan';
import { type Rule, rulesNamed } from './rule';
import { becauseOf, planOf } from './rule-plan';
import type { SweepOptions, SweepReport } from './sweep-report';
import { recorded } from './sweep-state';

/** What somebody holds is tried so many times more at the end of the run, after a pause. */
const RETRIES = 2;
const PAUSE_MS = 500;
const COUNTED = 100_000;
/** Of the residue probe, for each chunk: its rows are locked that long. */
const PROBE = { hits: 'defer', milliseconds: 20_000, ofRun: true } as const;

/** An operator has seen the plan: who was due at its moment leaves, and nobody else. */
export interface Passed {
  /** ISO 8601, by the database's clock. */
  readonly asOf: string;
}

/**
 * @throws BreakerError when far more is due than a day's share: nothing is touched then
 * @throws PlanBlockedError, after everybody else has left, when rows of others still refer to somebody who is due
 */
export async function sweep(
  engine: Engine,
  rule: Rule,
  options: SweepOptions = {},
  passed?: Passed,
): Promise<SweepReport> {
  return recorded(engine, rule, options.onAlarm, async () => {
    const run = await Run.of(engine, rule, options, passed);
    // what somebody asked for waits neither for the breaker nor for notices
    await run.carryOutDeferred();
    if (!passed) await run.refuseTooMany();
    const noticed = passed ? undefined : await sendNotices(engine, rule, options.onNotice, stoppingOf(options));
    await run.endPartitions();
    const finished = await run.throughAll();
    const report = {
      ...(await run.report(finished)),
      ...(rule.retention.notices ? { noticed: noticed?.sent ?? 0 } : {}),
    };
    return { report, failure: run.failure ?? noticed?.failure };
  });
}

/**
 * Every rule, then what follows when rows have left. What fails does not keep the others.
 * @throws SweepsFailedError with each failure, and the reports of those that ended; of one rule that was named, its own failure
 */
export async function sweepAll(engine: Engine, options: SweepOptions = {}): Promise<SweepReport[]> {
  const reports: SweepReport[] = [];
  const failures: SweepFailed[] = [];
  for (const rule of rulesNamed(engine.catalogue, options.rule)) {
    await sweep(engine, rule, options).then(
      (report) => reports.push(report),
      (error: unknown) => failures.push({ rule: rule.name, error }),
    );
  }
  await afterSweeps(engine, options).catch((error: unknown) => failures.push({ rule: undefined, error }));
  const [first, second] = failures;
  if (!first) return reports;
  throw options.rule !== undefined && options.rule === first.rule && !second
    ? first.error
    : new SweepsFailedError(failures, reports);
}

class Run {
  private readonly plan: Plan;
  private readonly due: DueRows;
  private readonly chunks: Chunks;
  private readonly pacer: Pacer;
  private readonly stopping: AbortSignal;
  private locked = 0;
  private budget: { left(): number; exceeded(): void } | undefined;
  private ended: EndedRows = { partitions: 0, rows: 0, waiting: 0 };

  private constructor(
    private readonly engine: Engine,
    private readonly rule: Rule,
    private readonly options: SweepOptions,
    private readonly passed: Passed | undefined,
    plan: Plan,
    burden: Burden | undefined,
  ) {
    this.plan = plan;
    this.due = new DueRows(rule, plan, engine.catalogue, passed?.asOf);
    this.chunks = new Chunks(
      engine,
      plan,
      this.due,
      becauseOf(rule),
      burden,
      options.probe === 'each' ? PROBE : undefined,
    );
    this.stopping = stoppingOf(options);
    const pace = settledPace(options.pace);
    this.pacer = new Pacer(engine.database, pace, this.stopping, plan.kind !== undefined, options.chunk);
  }

  /** @throws PlanBlockedError */
  static async of(engine: Engine, rule: Rule, options: SweepOptions, passed: Passed | undefined): Promise<Run> {
    const plan = planOf(engine, rule);
    refuseBlocked(plan);
    const isFixed = options.chunk !== undefined;
    const burden = isFixed ? undefined : await engine.database.transaction((connection) => Burden.of(connection, plan));
    return new Run(engine, rule, options, passed, plan, burden);
  }

  /** @throws BreakerError */
  async refuseTooMany(): Promise<void> {
    const limit = limitOf(this.rule, this.options.breaker);
    if (limit.share === 1) return;
    await this.engine.database.transaction(async (connection) => {
      const total = await totalOf(connection, this.rule);
      const allowed = allowedOf(limit, total);
      const tooMany = allowed + 1;
      const before = this.gone;
      this.budget = {
        left: () => allowed - (this.gone - before),
        exceeded: () => refuseTooMany(this.rule, limit, total, tooMany),
      };
      refuseTooMany(this.rule, limit, total, await this.due.count(connection, tooMany));
      refuseTooMany(this.rule, limit, total, await countWaiting(this.engine, this.rule, connection, tooMany));
    });
  }

  /** Requests that waited for a hold, and that nothing holds any more. */
  async carryOutDeferred(): Promise<void> {
    await refreshTriggers(this.engine);
    const { done, failure } = await carryOutDeferred(this.engine, this.plan);
    this.chunks.gone += done;
    this.chunks.failure ??= failure;
  }

  /** Whole partitions first: what goes with them need not be deleted row by row. */
  async endPartitions(): Promise<void> {
    if (this.stopping.aborted) return;
    this.ended = await endPartitions(this.engine, this.rule, this.plan, this.stopping, this.passed?.asOf);
  }

  /** @returns false when it was stopped before its end */
  async throughAll(): Promise<boolean> {
    for (let pass = 0; await this.throughOnce(); pass++) {
      this.locked = Math.max(0, (await this.count()) - this.due.refused);
      if (this.locked === 0 || pass === RETRIES) return true;
      await this.pacer.pause(PAUSE_MS * (0.5 + Math.random()));
      this.due.again();
    }
    return false;
  }

  async report(finished: boolean): Promise<SweepReport> {
    const looked = this.options.probe === 'each' ? { residue: this.chunks.residue } : {};
    const { partitions, waiting } = this.ended;
    return {
      rule: this.rule.name,
      gone: this.gone,
      chunks: this.chunks.done + partitions,
      stillDue: (await this.count()) + waiting,
      locked: this.locked + waiting,
      held: await this.heldBack(),
      finished,
      ...looked,
    };
  }

  /** What kept somebody from leaving, when everybody else has left. */
  get failure(): unknown {
    return this.chunks.failure;
  }

  private async throughOnce(): Promise<boolean> {
    while (!this.stopping.aborted) {
      const started = performance.now();
      const taken = await this.chunks.next(Math.min(this.pacer.size, await this.room()));
      if (taken === 0) return true;
      await this.pacer.after(taken, performance.now() - started);
    }
    return false;
  }

  /**
   * What became due since the breaker looked may be what it is for: the run takes no more than was allowed at its start.
   * @throws BreakerError
   */
  private async room(): Promise<number> {
    const left = this.budget?.left() ?? Number.POSITIVE_INFINITY;
    if (left <= 0 && (await this.count()) > this.due.refused) this.budget?.exceeded();
    return Math.max(1, left);
  }

  private get gone(): number {
    return this.chunks.gone + this.ended.rows;
  }

  private heldBack(): Promise<HeldBack[]> {
    return this.engine.database.transaction(async (connection) => {
      const held = await this.due.heldBack(connection);
      await noteDeferred(connection, this.rule.name, held);
      return held;
    });
  }

  private count(): Promise<number> {
    return this.engine.database.transaction((connection) => this.due.count(connection, COUNTED));
  }
}

function stoppingOf({ signal, seconds }: SweepOptions): AbortSignal {
  const signals = [
    ...(signal ? [signal] : []),
    ...(seconds === undefined ? [] : [AbortSignal.timeout(seconds * 1000)]),
  ];
  return signals.length === 0 ? new AbortController().signal : AbortSignal.any(signals);
}
