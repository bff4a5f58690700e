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
  targetOf,
} from './pace';
import { strainOn } from './strain';

/** Traffic of short transactions is seldom caught at work: whoever was seen within this time is there still. */
const REMEMBERED_MS = 2_000;
const LOOK_AGAIN_MS = 500;
/** Small chunks come one upon the other: what was seen so lately is true still, and a look has its price too. */
const FRESH_MS = 200;

export class Pacer {
  private readonly range: SizeRange;
  private recent: readonly { readonly at: number; readonly strain: Strain }[] = [];
  private steered: number;
  private patienceMs: number;

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
    let seen = await this.seen();
    const recent = this.recent.map(({ strain }) => strain);
    this.steered = nextSize(this.size, taken, tookMs, targetOf(recent, this.pace), this.range);
    await this.pause(restAfter(tookMs, recent, this.pace));
    while (reasonToWait(seen, this.pace) && !this.stopping.aborted) {
      if (this.patienceMs <= 0) {
        this.steered = this.range.least;
        return;
      }
      this.patienceMs -= LOOK_AGAIN_MS;
      await this.pause(LOOK_AGAIN_MS);
      seen = await this.look();
    }
  }

  /** @param ms nothing is thrown when the signal ends it: whoever asked looks at the signal anyway */
  async pause(ms: number): Promise<void> {
    if (ms <= 0 || this.stopping.aborted) return;
    await wait(ms, undefined, { signal: this.stopping }).catch((error: unknown) => {
      if (!this.stopping.aborted) throw error;
    });
  }

  private async seen(): Promise<Strain> {
    const last = this.recent.at(-1);
    return last && performance.now() - last.at < FRESH_MS ? last.strain : this.look();
  }

  private async look(): Promise<Strain> {
    const strain = await this.database.alone(strainOn);
    const at = performance.now();
    this.recent = [...this.recent.filter((look) => at - look.at < REMEMBERED_MS), { at, strain }];
    return strain;
  }
}
