/**
 * People, some at a time: half as many where a statement took too long, or waited too long for a row that somebody holds, down to one, and
 * more again where it went. What was done before stays done, each portion being a transaction of its own.
 */
import { isLocked, isTooLong } from './database';

export class Portions {
  private size: number;

  constructor(private readonly most: number) {
    this.size = most;
  }

  /** @throws what one alone fails with, and anything else at once */
  async through<T>(all: readonly T[], work: (some: readonly T[]) => Promise<void>): Promise<void> {
    let at = 0;
    while (at < all.length) {
      const some = all.slice(at, at + this.size);
      try {
        await work(some);
        at += some.length;
        this.size = Math.min(2 * this.size, this.most);
      } catch (error) {
        if (some.length === 1 || !(isTooLong(error) || isLocked(error))) throw error;
        this.size = Math.ceil(some.length / 2);
      }
    }
  }
}
