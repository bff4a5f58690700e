/** Keeps the pace of one run: times its chunks, looks at what the database has to do for others, rests and waits. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Database } from './database';
import {
  nextSize,
  type Pace,
  PEOPLE_SIZES,
  ROW_SIZES,
  reasonToWait,
  restAfter,
  type SizeRange,
  type Strain,
} from './pace';
import { strainOn } from './strain';

/** Traffic comes in gusts: what was seen after the last chunks counts too. */
const REMEMBERED = 4;
const LOOK_AGAIN_MS = 500;
/** Chunks are shorter than what is to be seen: one look serves a few. */
const LOOK_EACH_MS = 250;

export class Pacer {
  private readonly range: SizeRange;
  private readonly recent: Strain[] = [];
  private steered: number;
  private patienceMs: number;
  private lookedAt = Number.NEGATIVE_INFINITY;

  /** @param fixed size of all chunks; steered where undefined */
  constructor(
    private readonly database: Database,
    private readonly pace: Pace,
    private readonly stopping: AbortSignal,
    ofPeople: boolean,
    private readonly fixed?: number,
  ) {
    this.range = ofPeople ? PEOPLE_SIZES : ROW_SIZES;
    this.steered = this.range.start;
    this.patienceMs = pace.patience * 1000;
  }

  /** How many the next chunk may hold. */
  get size(): number {
    return this.fixed ?? this.steered;
  }

  /** Rests after a chunk, and waits while the database is in need. Ends at once when the run is to stop. */
  async after(taken: number, tookMs: number): Promise<void> {
    this.steered = nextSize(this.size, taken, tookMs, this.pace.target, this.range);
    if (performance.now() - this.lookedAt >= LOOK_EACH_MS) await this.look();
    await this.pause(restAfter(tookMs, this.recent, this.pace));
    while (reasonToWait(this.recent.at(-1) as Strain, this.pace) && !this.stopping.aborted) {
      if (this.patienceMs <= 0) {
        this.steered = this.range.least;
        return;
      }
      this.patienceMs -= LOOK_AGAIN_MS;
      await this.pause(LOOK_AGAIN_MS);
      await this.look();
    }
  }

  /** @param ms nothing is thrown when the signal ends it: whoever asked looks at the signal anyway */
  async pause(ms: number): Promise<void> {
    if (ms <= 0 || this.stopping.aborted) return;
    await wait(ms, undefined, { signal: this.stopping }).catch((error: unknown) => {
      if (!this.stopping.aborted) throw error;
    });
  }

  private async look(): Promise<void> {
    this.recent.push(await this.database.alone(strainOn));
    this.lookedAt = performance.now();
    if (this.recent.length > REMEMBERED) this.recent.shift();
  }
}
