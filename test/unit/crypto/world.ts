/** The small world of these tests: two engines, one installation, two people. Bytes are fixed, so that failures repeat. */
import type { Engine } from '../../../src/crypto/engine';
import { libsodiumEngine } from '../../../src/crypto/libsodium';
import { nobleEngine } from '../../../src/crypto/noble';
import type { Place } from '../../../src/crypto/row-key';
import { OubliError } from '../../../src/errors';

export const NAMES = { table: 'users', column: 'email' };

export const bytes = (length: number, first: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (first + i) % 256);

export const hex = (from: Uint8Array): string => Buffer.from(from).toString('hex');
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

export const INSTANCE = bytes(16, 1);
export const OTHER_INSTANCE = bytes(16, 2);
export const ADA = { keyId: bytes(16, 0x40), dek: bytes(32, 0x80) };
export const BOB = { keyId: bytes(16, 0x41), dek: bytes(32, 0x81) };

export async function bothEngines(): Promise<readonly [Engine, Engine]> {
  return [await libsodiumEngine(), nobleEngine()];
}

export const at = (engine: Engine, instance = INSTANCE): Place => ({ engine, instance });

/** What `run` throws, which must be one of our errors. */
export function refusal(run: () => unknown): OubliError {
  try {
    run();
  } catch (error) {
    if (error instanceof OubliError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
