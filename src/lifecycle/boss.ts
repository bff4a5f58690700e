/** The queue, as far as it is used: the application's own pg-boss. */
import type { SweepJob } from './job';

/** The part of a pg-boss 12 instance used here: the user's own, so that no type of pg-boss enters our declarations. */
export interface BossLike {
  createQueue(name: string, options?: object): Promise<unknown>;
  schedule(name: string, cron: string, data?: object | null, options?: object): Promise<unknown>;
  work(name: string, options: object, handler: (jobs: SweepJob[]) => Promise<unknown>): Promise<string>;
  offWork(name: string, options?: object): Promise<unknown>;
  send(name: string, data: object, options?: object): Promise<string | null>;
}
