/** How long and how often a key service is asked: every call ends, and what passes by itself is waited for, not for ever. */
import { setTimeout as wait } from 'node:timers/promises';
import { KeyUnavailableError } from '../../errors';

export interface Patience {
  /** For each attempt, in milliseconds; 5,000 unless given. */
  readonly timeoutMs?: number;
  /** How often in all; 4 unless given, which waits a second between them at most. */
  readonly attempts?: number;
}

export const DEFAULT_PATIENCE = { timeoutMs: 5_000, attempts: 4 } as const;

/** Node's codes for a certificate that it does not trust, which no retry mends. */
export const UNTRUSTED = /CERT|TLS|SSL|LEAF_SIGNATURE/;

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;

/** Asks again after what a retry may help. */
export async function patiently<T>(attempts: number, ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof KeyUnavailableError) || attempt >= attempts) throw error;
    }
    await pauseAfter(attempt);
  }
}

/** Twice as long each time, drawn at random below that, so that servers which lost a service at once do not come back at once. */
export function pauseAfter(attempt: number): Promise<void> {
  return wait(Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)));
}

/** What it answers later is nobody's. @throws an error with Node's code ETIMEDOUT where it has not answered by then */
export async function inTime<T>(milliseconds: number, work: () => T | Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = wait(milliseconds, undefined, { signal: over.signal }).then(() => {
    throw Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    over.abort();
  }
}
