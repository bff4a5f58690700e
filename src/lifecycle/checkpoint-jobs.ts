/**
 * The journal's turn when nobody writes (ERASURE.md L1): a pg-boss job of each minute tells what a crash left out, and signs a checkpoint
 * where the last one is five minutes old and something came after it. Without it the last entries of a quiet day would stay unsigned.
 */
import type { BossLike } from './boss';

const QUEUE = 'oubli.checkpoint';
const EVERY_MINUTE = '* * * * *';
const SETTINGS = {
  policy: 'exclusive', // one waits or runs, in whichever process
  retryLimit: 0, // the next minute has its own
  expireInSeconds: 60,
  deleteAfterSeconds: 3600,
};

/** @param tell the journal @returns stops working here; the schedule stays */
export async function startCheckpoints(boss: BossLike, tell: () => Promise<void>): Promise<() => Promise<void>> {
  await boss.createQueue(QUEUE, SETTINGS);
  await boss.schedule(QUEUE, EVERY_MINUTE, null, { singletonKey: QUEUE });
  const worker = await boss.work(QUEUE, { batchSize: 1, pollingIntervalSeconds: 10 }, tell);
  return async () => {
    await boss.offWork(QUEUE, { id: worker, wait: true });
  };
}
