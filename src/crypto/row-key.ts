/**
 * The row key: what one row write derives from a subject's key. `seal.ts` and `open.ts` use it; the subject's key
 * itself never meets the cipher (ENVELOPE.md K1).
 *
 * BLAKE2b-512(key = DEK, "oubli/v1" ‖ suite ‖ key id ‖ row salt) → cipher key (32 bytes) ‖ commitment (16) ‖ 16 unused.
 * Poly1305 alone does not commit to a key: without the commitment one ciphertext could be made to open under two keys.
 */
import { KeyUnavailableError } from '../errors';
import { concatPublic, isAllZero, mustHaveLength, u32, utf8, wipe } from './bytes';
import type { Engine } from './engine';
import { COMMITMENT_BYTES, KEY_ID_BYTES, LONGEST_HEADER, ROW_SALT_BYTES, SUITE } from './envelope';

/** Where values are sealed and opened: one installation of oubli (its 16-byte id is authenticated) and its engine. */
export interface Place {
  readonly instance: Uint8Array;
  readonly engine: Engine;
}

export interface RowKey {
  readonly cipherKey: Uint8Array;
  readonly commitment: Uint8Array;
}

export const DEK_BYTES = 32;
const CIPHER_KEY_BYTES = 32;
const LABEL = utf8('oubli/v1');

/** @throws {KeyUnavailableError} for a key of wrong length or all zero, such as one a cache has wiped (K9, K10) */
export function deriveRowKey(engine: Engine, dek: Uint8Array, keyId: Uint8Array, rowSalt: Uint8Array): RowKey {
  refuseUnusableKey(dek);
  mustHaveLength(keyId, KEY_ID_BYTES, 'a subject key id');
  mustHaveLength(rowSalt, ROW_SALT_BYTES, 'a row salt');
  const derived = engine.hash(64, dek, concatPublic(LABEL, Uint8Array.of(SUITE), keyId, rowSalt));
  return {
    cipherKey: derived.subarray(0, CIPHER_KEY_BYTES),
    commitment: derived.subarray(CIPHER_KEY_BYTES, CIPHER_KEY_BYTES + COMMITMENT_BYTES),
  };
}

export function wipeRowKey(key: RowKey): void {
  wipe(key.cipherKey);
  wipe(key.commitment);
}

export function refuseUnusableKey(key: Uint8Array): void {
  if (key.length !== DEK_BYTES || isAllZero(key)) throw new KeyUnavailableError('KEY_UNUSABLE');
}

/** The associated data of values: their installation and every byte before the ciphertext, each behind its length (E1). */
export class AssociatedData {
  readonly #bytes: Buffer;

  constructor(instance: Uint8Array) {
    mustHaveLength(instance, 16, 'an instance id');
    this.#bytes = concatPublic(u32(instance.length), instance, new Uint8Array(4 + LONGEST_HEADER));
  }

  /** @returns bytes that the next call overwrites: nothing in them is secret, and an engine keeps none of them */
  of(header: Uint8Array): Uint8Array {
    this.#bytes.writeUInt32BE(header.length, HEADER_LENGTH_AT);
    this.#bytes.set(header, HEADER_LENGTH_AT + 4);
    return this.#bytes.subarray(0, HEADER_LENGTH_AT + 4 + header.length);
  }
}

const HEADER_LENGTH_AT = 4 + 16;
