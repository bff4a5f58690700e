/**
 * A sweep: everything that is due under one rule leaves, a few at a time, each few in a transaction of its own. It may be
 * interrupted anywhere and run again: what is done is done with its ledger row, what is not is still due.
 */
import { type Applied, applyPlan, type Choose } from './apply';
import { tendArchives } from './archive/work';
import { isLocked, isRace, retried } from './database';
import { DueRows } from './due-rows';
import type { Engine } from './engine';
import { blockedBy, type Plan, planErasure, planRows } from './plan';
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
  /** Due, but locked by others at this moment, or not to be taken: the next sweep tries them again. */
  readonly stillDue: number;
  /** False when it was stopped before its end. */
  readonly finished: boolean;
}

const CHUNK = 500;
/** Traffic goes first: what is held longer is due tomorrow too. */
const PATIENCE = '1s';

/** @throws PlanBlockedError, after everybody else has left, when rows of others still refer to somebody who is due */
export async function sweep(engine: Engine, rule: Rule, options: SweepOptions = {}): Promise<SweepReport> {
  const run = new Sweep(engine, rule, options.chunk ?? CHUNK);
  while (!options.signal?.aborted && (await run.chunk()));
  return run.report(!options.signal?.aborted);
}

/** Every rule, then the keys that were kept for rows which have left, then the archives. One rule that fails does not keep the others. */
export async function sweepAll(engine: Engine, options: SweepOptions = {}): Promise<SweepReport[]> {
  const reports: SweepReport[] = [];
  const failures: unknown[] = [];
  for (const rule of rulesOf(engine.catalogue)) {
    await sweep(engine, rule, options).then(
      (report) => reports.push(report),
      (error: unknown) => failures.push(error),
    );
  }
  await destroyExpiredKeys(engine);
  await tendArchives(engine, options.signal).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
  return reports;
}

function planOf(engine: Engine, rule: Rule): Plan {
  return rule.kind === undefined
    ? planRows(engine.catalogue, rule.table, rule.retention)
    : planErasure(engine.catalogue, rule.table);
}

class Sweep {
  private readonly plan: Plan;
  private readonly due: DueRows;
  private readonly because: string;
  private gone = 0;
  private chunks = 0;
  /** Chunks of one until whoever makes a chunk fail is found. */
  private alone = 0;
  private failure: unknown;

  constructor(
    private readonly engine: Engine,
    private readonly rule: Rule,
    private readonly size: number,
  ) {
    this.plan = planOf(engine, rule);
    this.due = new DueRows(rule, this.plan);
    this.because = `${rule.retention.because ?? 'retention'}: ${rule.retention.keep} after ${anchorName(rule)}`;
  }

  /** @returns whether there may be more */
  async chunk(): Promise<boolean> {
    const limit = this.alone > 0 ? 1 : this.size;
    let chosen: string[] = [];
    const choose: Choose = async (connection) => {
      chosen = await this.due.choose(connection, limit);
      return chosen;
    };
    const { because } = this;
    const errand = { act: this.plan.kind ? 'erased' : 'expired', because, patience: PATIENCE };
    try {
      const applied = await retried(() => applyPlan(this.engine, this.plan, choose, errand));
      if (chosen.length === 0) return false;
      const left = this.countIn(applied);
      // A trigger of the team's may keep rows that were to go: they must not be chosen again and again.
      this.due.goOn(this.plan.kind || left === chosen.length ? applied.passedOver : chosen);
    } catch (error) {
      if (!isRace(error) && !isLocked(error)) throw error;
      this.isolate(error, chosen);
    }
    this.alone = Math.max(0, this.alone - 1);
    return true;
  }

  async report(finished: boolean): Promise<SweepReport> {
    if (this.failure !== undefined) throw this.failure;
    const { gone, chunks } = this;
    const stillDue = await this.engine.database.transaction((connection) => this.due.count(connection));
    return { rule: this.rule.name, gone, chunks, stillDue, finished };
  }

  private countIn({ entries }: Applied): number {
    const left = this.plan.kind ? entries.length : rowsIn(entries);
    this.gone += left;
    if (left > 0) this.chunks += 1;
    return left;
  }

  /** A chunk that cannot leave together is tried one by one, and whoever cannot leave at all is passed over. */
  private isolate(error: unknown, chosen: readonly string[]): void {
    if (chosen.length > 1) {
      this.alone = chosen.length + 1;
      return;
    }
    if (!isLocked(error)) this.failure ??= blockedBy(error, this.plan);
    this.due.goOn(chosen);
  }
}

/** The root's line is the first. */
function rowsIn(entries: Applied['entries']): number {
  const details = entries[0]?.details as { tables?: { rows: number }[] } | undefined;
  return details?.tables?.[0]?.rows ?? 0;
}

function anchorName(rule: Rule): string {
  const { from } = rule.retention;
  return typeof from === 'string' ? `${rule.table.name}.${from}` : 'the end of service';
}
