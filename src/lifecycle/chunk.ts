/**
 * The chunks of one run: a few at a time are claimed with SKIP LOCKED and leave in one transaction (ERASURE.md A3). A chunk that
 * fails for one of them is taken apart, and whoever cannot leave at all is passed over, so that the others do.
 */

import type { ResidueHit } from '../registers/examined';
import { type Applied, applyPlan, type Choose, type Errand } from './apply';
import type { Burden } from './burden';
import { isLocked, isRace, isTooLong, mayBeOnes, retried } from './database';
import type { DueRows } from './due-rows';
import type { Engine } from './engine';
import type { Probe } from './examination';
import { isHeldByTrigger } from './held-by-trigger';
import { blockedBy, type Plan } from './plan';

/** Traffic goes first: what is held longer is tried again at the end of the run. */
const PATIENCE = '1s';
/** A chunk that takes longer is taken apart; one person with very many rows has longer, for nobody can leave by halves. */
const TIME_OF_CHUNK = '30s';
const TIME_OF_ONE = '15min';

const MOST_FAILURES = 100;

export class Chunks {
  gone = 0;
  done = 0;
  /** Where people stand who were put off for that (ERASURE.md L5). */
  readonly residue: ResidueHit[] = [];
  /** Why somebody who is due could not leave: what the run ends with, after everybody else has left. */
  failure: unknown;
  private failed = 0;
  /** Chunks of one until whoever makes a chunk fail is found. */
  private alone = 0;

  constructor(
    private readonly engine: Engine,
    private readonly plan: Plan,
    private readonly due: DueRows,
    private readonly because: string,
    private readonly burden: Burden | undefined,
    private readonly probe?: Probe,
  ) {}

  /** @returns how many were tried; 0 when there is nobody left in this pass */
  async next(size: number): Promise<number> {
    const limit = this.alone > 0 ? 1 : Math.min(size, this.burden?.most ?? size);
    let chosen: string[] = [];
    const choose: Choose = async (connection) => {
      chosen = await this.due.choose(connection, limit);
      return chosen;
    };
    try {
      const applied = await retried(() => applyPlan(this.engine, this.plan, choose, this.errand(limit)));
      if (chosen.length === 0) return 0;
      const left = this.countIn(applied);
      this.residue.push(...(applied.putOff ?? []));
      // Whatever may have kept a row that was to go, it must not be chosen again and again.
      this.due.goOn(this.plan.kind || left === chosen.length ? applied.passedOver : chosen);
    } catch (error) {
      if (!isRace(error) && !isLocked(error) && !isTooLong(error) && !mayBeOnes(error)) throw error;
      this.takeApart(error, chosen);
    }
    this.alone = Math.max(0, this.alone - 1);
    return chosen.length;
  }

  private errand(limit: number): Errand {
    return {
      act: this.plan.kind ? 'erased' : 'expired',
      because: this.because,
      patience: PATIENCE,
      time: limit === 1 ? TIME_OF_ONE : TIME_OF_CHUNK,
      probe: this.probe,
    };
  }

  private countIn({ entries }: Applied): number {
    const left = this.plan.kind ? entries.length : rowsIn(entries);
    this.gone += left;
    this.burden?.learn(entries, left);
    if (left > 0) this.done += 1;
    return left;
  }

  private takeApart(error: unknown, chosen: readonly string[]): void {
    if (chosen.length > 1) {
      this.alone = chosen.length + 1;
      return;
    }
    if (isLocked(error)) {
      this.due.leave(chosen);
      return;
    }
    if (!isHeldByTrigger(error)) {
      this.failure ??= blockedBy(error, this.plan);
      this.failed += 1;
      // what fails so often is not one person's: a constraint, a trigger for all
      if (this.failed === MOST_FAILURES) throw this.failure;
    }
    this.due.goOn(chosen);
  }
}

/** The root's line is the first. */
function rowsIn(entries: Applied['entries']): number {
  const details = entries[0]?.details as { tables?: { rows: number }[] } | undefined;
  return details?.tables?.[0]?.rows ?? 0;
}
