/**
 * The ledger's line of a decrypt scope that was exceeded: its purpose, how many people, some of their key ids. Written on a connection
 * of its own, for whoever is refused rolls back; and bounded, for whoever is refused may try again all day.
 */
import { BoundedMap } from '../keyring/bounded-map';
import type { Overrun } from '../keyring/decrypt-scope';
import type { Queryable } from '../queryable';
import type { Ledger } from './ledger';

interface Told {
  readonly at: number;
  unwritten: number;
}

/** Milliseconds: within them what is refused for one purpose is counted, and stands in that purpose's next entry. */
const PAUSE = 60_000;
const MOST_PURPOSES = 1000;
const OUTSIDE = 'a statement outside of every scope';

export class Overruns {
  private readonly told = new BoundedMap<Told>(MOST_PURPOSES);

  constructor(
    private readonly ledger: Ledger,
    private readonly transaction: (work: (connection: Queryable) => Promise<unknown>) => Promise<unknown>,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  /** Resolves when it is committed, or counted for the next entry. */
  async tell({ purpose = OUTSIDE, ...counts }: Overrun): Promise<void> {
    const before = this.told.get(purpose);
    if (before && this.clock() - before.at < PAUSE) {
      before.unwritten += 1;
      return;
    }
    const told = { at: this.clock(), unwritten: 0 };
    this.told.set(purpose, told);
    const details = { ...counts, ...(before?.unwritten ? { unwritten: before.unwritten } : {}) };
    try {
      await this.transaction((connection) =>
        this.ledger.record(connection, [{ act: 'scope exceeded', because: purpose, details }]),
      );
    } catch (error) {
      this.told.set(purpose, {
        at: Number.NEGATIVE_INFINITY,
        unwritten: (before?.unwritten ?? 0) + told.unwritten + 1,
      });
      throw error;
    }
  }
}
