/**
 * How a long conversion leaves room for the application: after each chunk it rests, for as long as its share of the time asks.
 * A server under load makes chunks slower, and so the rests longer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError } from '../errors';

/** Half of the time is the application's, unless said otherwise. */
const DEFAULT_LOAD = 0.5;

interface Time {
  now(): number;
  sleep(milliseconds: number): Promise<unknown>;
}

const REAL: Time = { now: () => performance.now(), sleep };

export class Throttle {
  private readonly restPerWork: number;

  /**
   * @param load the share of the time that is spent working: above 0, and 1 for no rests
   * @throws ConfigurationError BAD_LOAD
   */
  constructor(
    load = DEFAULT_LOAD,
    private readonly time: Time = REAL,
  ) {
    if (!(load > 0 && load <= 1)) throw new ConfigurationError('BAD_LOAD');
    this.restPerWork = 1 / load - 1;
  }

  /** Does the work, then rests. */
  async after<T>(work: () => Promise<T>): Promise<T> {
    const began = this.time.now();
    const result = await work();
    const rest = (this.time.now() - began) * this.restPerWork;
    if (rest > 0) await this.time.sleep(rest);
    return result;
  }
}
