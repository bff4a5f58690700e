/**
 * Drains the epochs before the newest: every living key is wrapped anew, then it is verified under a lock that none is left, and that what
 * the provider gives to whoever starts opens what was wrapped (ENVELOPE.md K6).
 */
import { setTimeout as wait } from 'node:timers/promises';
import { KeyUnavailableError, TamperedError } from '../../errors';
import { type Period, toInterval } from '../../period';
import { isLocked, retried } from '../database';
import type { Engine } from '../engine';
import { rewrapOnce } from './rewrap';
import { verifySample } from './sample';

/** How long backups from before stay restorable: no key is destroyed earlier. `'none'`: at once. */
export type Keep = Period | 'none';

/** Creating keys waits while this lock is waited for; whoever holds it up that long is tried again. */
const PATIENCE = { lock_timeout: '1s' };
const ATTEMPTS = 10;
const PAUSE_MS = 200;
const LEFT = `
select exists (select from oubli.subject_key k where k.epoch < oubli.newest_epoch()) as left`;
/** PostgreSQL refuses it while a key is wrapped under one of them: a trigger looks, under the lock. */
const DRAINED = `
update oubli.epoch e set drained_at = oubli.now(), destroy_after = oubli.now() + $1::interval
where e.id < oubli.newest_epoch() and e.drained_at is null and e.destroyed_at is null returning e.id`;

export interface Drained {
  readonly rewrapped: number;
  /** Epochs under which no key is wrapped any more, since now. */
  readonly drained: readonly number[];
  /** Whether all are; else the signal came, or others work on what is left. */
  readonly finished: boolean;
}

/**
 * @param because the human reason, for the ledger
 * @throws TamperedError WRAPPED_KEYS_DAMAGED when all but those were wrapped anew; KeyUnavailableError
 */
export async function drainEpochs(
  engine: Engine,
  { because, keep, signal }: { because: string; keep: Keep; signal?: AbortSignal | undefined },
): Promise<Drained> {
  const goesOn = (): boolean => !signal?.aborted;
  let rewrapped = 0;
  for (let attempt = 0; goesOn() && attempt < ATTEMPTS; ) {
    const pass = await rewrapOnce(engine, Math.random(), goesOn);
    rewrapped += pass.rewrapped;
    if (!(await isAnyLeft(engine)))
      return { rewrapped, drained: await verifyDrained(engine, because, keep), finished: true };
    if (pass.rewrapped === 0 && pass.damaged.length > 0)
      throw new TamperedError('WRAPPED_KEYS_DAMAGED', { count: pass.damaged.length, key: pass.damaged[0] });
    attempt = pass.rewrapped > 0 ? 0 : attempt + 1;
    if (pass.rewrapped === 0) await wait(PAUSE_MS * (0.5 + Math.random())); // what is left is locked by somebody
  }
  return { rewrapped, drained: [], finished: false };
}

async function isAnyLeft({ database }: Engine): Promise<boolean> {
  const [row] = (await database.alone((connection) => connection.query(LEFT))).rows;
  return row?.left === true;
}

async function verifyDrained(engine: Engine, because: string, keep: Keep): Promise<number[]> {
  await verifySample(engine, undefined);
  const interval = keep === 'none' ? '0 days' : toInterval(keep);
  const { database, ledger } = engine;
  const work = (): Promise<number[]> =>
    database.transaction(async (connection) => {
      const { rows } = await connection.query(DRAINED, [interval]);
      const drained = rows.map(({ id }) => Number(id)).sort((a, b) => a - b);
      const entries = drained.map((epoch) => ({ act: 'epoch drained', because, details: { epoch } }));
      if (entries.length > 0) await ledger.record(connection, entries);
      return drained;
    }, PATIENCE);
  for (let attempt = 1; ; attempt++) {
    try {
      return await retried(work);
    } catch (error) {
      if (!isLocked(error)) throw error;
      if (attempt === ATTEMPTS) throw new KeyUnavailableError('KEY_STORE_BUSY');
      await wait(PAUSE_MS * (0.5 + Math.random()));
    }
  }
}
