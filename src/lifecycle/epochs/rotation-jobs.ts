/**
 * The rotation as a pg-boss job of each day: a new epoch when the newest is a week old, what was interrupted goes on, and the keys whose time
 * has come are destroyed, or asked after where the provider destroys them on a date. Nobody has to think of it.
 */
import { KeyUnavailableError } from '../../errors';
import type { BossLike } from '../boss';
import { tell } from '../tell';
import type { RotateOptions, Rotation } from './rotate';

export interface RotationSchedule extends Pick<RotateOptions, 'keep' | 'every'> {
  /** When it is looked at: every day at half past four unless said otherwise. */
  readonly cron?: string;
  /** Told of each that came to its end. */
  readonly onRotation?: (rotation: Rotation) => void;
}

const QUEUE = 'oubli.rotation';
/** Ten million keys take some twenty minutes; a second worker would only share them. */
const SETTINGS = {
  policy: 'exclusive', // one waits or runs, in whichever process
  retryLimit: 5,
  retryDelay: 60,
  retryBackoff: true,
  heartbeatSeconds: 60,
  expireInSeconds: 6 * 3600,
  deleteAfterSeconds: 90 * 24 * 3600,
};

/** @returns stops working here, after the chunk under way; the schedule stays */
export async function startRotation(
  boss: BossLike,
  rotate: (options: RotateOptions) => Promise<Rotation>,
  { cron = '30 4 * * *', every = '7 days', onRotation, ...options }: RotationSchedule,
): Promise<() => Promise<void>> {
  const stopping = new AbortController();
  await boss.createQueue(QUEUE, SETTINGS);
  await boss.schedule(QUEUE, cron, null, { singletonKey: QUEUE, missed: 'once' });
  const worker = await boss.work(QUEUE, { batchSize: 1, pollingIntervalSeconds: 10 }, async ([job]) => {
    const signal = job?.signal ? AbortSignal.any([job.signal, stopping.signal]) : stopping.signal;
    const rotation = await rotate({ ...options, every, signal });
    tell('onRotation', QUEUE, onRotation, rotation);
    if (!rotation.finished) throw new KeyUnavailableError('KEY_STORE_BUSY'); // another attempt, or process, goes on
  });
  return async () => {
    stopping.abort();
    await boss.offWork(QUEUE, { id: worker, wait: true });
  };
}
