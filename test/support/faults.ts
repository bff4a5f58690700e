/**
 * Faults at every point of a work: it is run again and again, and cut at its first request to the database, at its second, and
 * so on, until it gets through uncut. After each run the database is looked at, on a connection of its own.
 */
import type { Cut, FaultyWire } from './faulty-wire';

export interface Ordeal {
  /** What the work finds to do. */
  prepare(): Promise<void>;
  /** May fail: a cut connection is an error. */
  work(): Promise<void>;
  /** Throws when the work left something between. @param error what the work failed with, if it did */
  check(error: unknown): Promise<void>;
}

const MOST = 500;
/** Every request with `OUBLI_LONG_TESTS=1`; else every other one unsent, and those between unanswered. */
const STEP = process.env.OUBLI_LONG_TESTS === '1' ? 1 : 2;
const FIRST = { unsent: 1, unanswered: STEP } as const;

/** @returns at how many points it was cut */
export async function cutEverywhere(wire: FaultyWire, cut: Cut, ordeal: Ordeal): Promise<number> {
  let points = 0;
  for (let n: number = FIRST[cut]; n < MOST; n += STEP) {
    wire.disarm();
    await ordeal.prepare();
    wire.arm(n, cut);
    const error = await ordeal.work().then(
      () => undefined,
      (failure: unknown) => failure,
    );
    const { hasStruck } = wire;
    wire.disarm();
    await ordeal.check(error);
    if (!hasStruck) return points;
    points += 1;
  }
  throw new Error(`a work of more than ${MOST} requests`);
}
