/**
 * The row key: what one row write derives from a subject's key. `seal.ts` and `open.ts` use it; the subject's key
 * itself never meets the cipher (ENVELOPE.md K1).
 *
 * BLAKE2b-512(key = DEK, "oubli/v1" ‖ suite ‖ key id ‖ row salt) → cipher key (32 bytes) ‖ commitment (16) ‖ 16 unused.
 * Poly1305 alone does not commit to a key: without the commitment one ciphertext could be made to open under two keys.
 */
import { KeyUnavailableError } from '../errors';
import { concatPublic, isAllZero, mustHaveLength, u32, utf8, wipe } from './bytes';
import type { Engine, FrameLayout } from './engine';
import { COMMITMENT_BYTES, KEY_ID_BYTES, ROW_SALT_BYTES, SUITE } from './layout';
import { secretBytes } from './secret';

/** Where values are sealed and opened: one installation of oubli (its 16-byte id is authenticated) and its engine. */
export interface Place {
  readonly instance: Uint8Array;
  readonly engine: Engine;
}

export interface RowKey {
  /** Cipher key, commitment, and 16 bytes that nobody uses. */
  readonly derived: Uint8Array;
  readonly cipherKey: Uint8Array;
  readonly commitment: Uint8Array;
}

export const DEK_BYTES = 32;
const CIPHER_KEY_BYTES = 32;
const LABEL_AND_SUITE = concatPublic(utf8('oubli/v1'), Uint8Array.of(SUITE));

/** @throws {KeyUnavailableError} for a key of wrong length or all zero, such as one a cache has wiped (K9, K10) */
export function deriveRowKey(engine: Engine, dek: Uint8Array, keyId: Uint8Array, rowSalt: Uint8Array): RowKey {
  refuseUnusableKey(dek);
  mustHaveLength(keyId, KEY_ID_BYTES, 'a subject key id');
  mustHaveLength(rowSalt, ROW_SALT_BYTES, 'a row salt');
  const key = spare.pop() ?? roomForRowKey();
  engine.derive(key.derived, dek, concatPublic(LABEL_AND_SUITE, keyId, rowSalt));
  return key;
}

/** Whoever has it gives it up: its memory is another row's next. */
export function wipeRowKey(key: RowKey): void {
  wipe(key.derived);
  if (spare.length < MOST_SPARE) spare.push(key);
}

/** Every row has one, for a moment. */
const spare: RowKey[] = [];
const MOST_SPARE = 64;

function roomForRowKey(): RowKey {
  const derived = secretBytes(64);
  return {
    derived,
    cipherKey: derived.subarray(0, CIPHER_KEY_BYTES),
    commitment: derived.subarray(CIPHER_KEY_BYTES, CIPHER_KEY_BYTES + COMMITMENT_BYTES),
  };
}

export function refuseUnusableKey(key: Uint8Array): void {
  if (key.length !== DEK_BYTES || isAllZero(key)) throw new KeyUnavailableError('KEY_UNUSABLE');
}

const prefixes = new WeakMap<Uint8Array, Map<FrameLayout, Uint8Array>>();
/** Asked for with each value, and nearly always the same. */
let last: { instance: Uint8Array; layout: FrameLayout; prefix: Uint8Array } | undefined;

/**
 * What is authenticated before a value's own header: the installation and the header's length (E1). The associated data are
 * both, each behind its length: `u32(16) ‖ instance ‖ u32(header) ‖ header`. Made once for each layout.
 */
export function framePrefix(instance: Uint8Array, layout: FrameLayout): Uint8Array {
  if (last?.layout === layout && last.instance === instance) return last.prefix;
  const made = prefixes.get(instance) ?? new Map<FrameLayout, Uint8Array>();
  let prefix = made.get(layout);
  if (!prefix) {
    mustHaveLength(instance, 16, 'an instance id');
    prefix = concatPublic(u32(instance.length), instance, u32(layout.headerLength));
    prefixes.set(instance, made.set(layout, prefix));
  }
  last = { instance, layout, prefix };
  return prefix;
}
