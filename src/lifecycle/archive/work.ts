/** What is to be done for archives after the sweeps: what has ended is destroyed, what waits for another database is brought there. */
import type { Engine } from '../engine';
import { destroyEnded } from './end';
import { deliver } from './outbox';

export interface ArchiveWork {
  /** Rows that arrived in the other database. */
  readonly delivered: number;
  /** Rows whose archive has ended. */
  readonly ended: number;
}

/** An archive that is down keeps nothing else waiting: what is here ends on its date, and then its error is raised. */
export async function tendArchives(engine: Engine, signal?: AbortSignal): Promise<ArchiveWork> {
  const [ended, delivered] = await Promise.allSettled([destroyEnded(engine, signal), deliver(engine, signal)]);
  if (ended.status === 'rejected') throw ended.reason;
  if (delivered.status === 'rejected') throw delivered.reason;
  return { ended: ended.value, delivered: delivered.value };
}
