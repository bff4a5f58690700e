/** The jobs that run in this process: what waited for a hold goes through their queue as soon as it is released. */
import type { Redrive } from './deferred';
import type { Jobs } from './jobs';

export class Redriving {
  private jobs: Jobs | undefined;

  async through(starting: Promise<Jobs>): Promise<Jobs> {
    this.jobs = await starting;
    return this.jobs;
  }

  /** Without jobs here, what waits is found by the next sweep, wherever it runs. */
  async carryOut({ rules }: Redrive): Promise<void> {
    if (rules.length > 0) await this.jobs?.sweepNow(rules);
  }
}
