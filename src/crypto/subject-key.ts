/**
 * A subject's key as it is stored and spoken of: wrapped under an epoch key, and named by digests that open nothing.
 * The keyring wraps and unwraps, the fence keeps fingerprints of erased keys, the ledger keeps references.
 *
 * Wrapping is XChaCha20-Poly1305 by the engine that seals the values: each opens what the other wrapped (ENVELOPE.md K8, E9). A read
 * of 10,000 people unwraps 10,000 keys, which takes @noble/ciphers a quarter of a second and libsodium a fifteenth of that.
 */
import { TamperedError } from '../errors';
import { concat, lengthPrefixed, mustHaveLength, u32, utf8 } from './bytes';
import type { Engine } from './engine';
import { KEY_ID_BYTES } from './layout';
import { randomBytes } from './random';
import { DEK_BYTES, refuseUnusableKey } from './row-key';

const NONCE_BYTES = 24;
const WRAPPED_BYTES = NONCE_BYTES + DEK_BYTES + 16;
const WRAP_LABEL = utf8('oubli/wrap/v1');
const FINGERPRINT_LABEL = utf8('oubli/fingerprint/v1');
const REFERENCE_LABEL = utf8('oubli/reference/v1');

/**
 * @param kek 32 bytes, the epoch key
 * @param dek 32 bytes, the subject's key
 * @param keyId 16 bytes, bound to the wrapping together with the epoch (ENVELOPE.md K8)
 * @returns nonce (24) ‖ ciphertext (32) ‖ tag (16)
 */
export function wrapKey(
  engine: Engine,
  kek: Uint8Array,
  dek: Uint8Array,
  keyId: Uint8Array,
  epoch: number,
): Uint8Array {
  refuseUnusableKey(kek);
  refuseUnusableKey(dek);
  const nonce = randomBytes(NONCE_BYTES);
  return concat(nonce, engine.seal(kek, nonce, wrapData(keyId, epoch), dek));
}

/** @throws {TamperedError} when this is not what was wrapped for that key id and epoch under that epoch key */
export function unwrapKey(
  engine: Engine,
  kek: Uint8Array,
  wrapped: Uint8Array,
  keyId: Uint8Array,
  epoch: number,
): Uint8Array {
  refuseUnusableKey(kek);
  const data = wrapData(keyId, epoch);
  if (wrapped.length !== WRAPPED_BYTES) throw new TamperedError('WRAPPED_KEY_TAMPERED', { epoch });
  const nonce = wrapped.subarray(0, NONCE_BYTES);
  try {
    return engine.open(kek, nonce, data, wrapped.subarray(NONCE_BYTES));
  } catch {
    throw new TamperedError('WRAPPED_KEY_TAMPERED', { epoch });
  }
}

/** 16 bytes by which the fence knows an erased key again, should a backup bring it back (ENVELOPE.md K4). */
export function fingerprint(engine: Engine, dek: Uint8Array): Uint8Array {
  refuseUnusableKey(dek);
  return engine.hash(16, dek, FINGERPRINT_LABEL);
}

/**
 * 16 bytes that stand for a subject in the ledger: equal for one subject, and unanswerable without the ledger root.
 *
 * @param kind and id as the application names the subject: ('user', '42')
 * @throws {KeyUnavailableError} for a root that was wiped
 */
export function keyedReference(engine: Engine, ledgerRoot: Uint8Array, kind: string, id: string): Uint8Array {
  refuseUnusableKey(ledgerRoot);
  return engine.hash(16, ledgerRoot, lengthPrefixed(REFERENCE_LABEL, utf8(kind), utf8(id)));
}

function wrapData(keyId: Uint8Array, epoch: number): Uint8Array {
  mustHaveLength(keyId, KEY_ID_BYTES, 'a subject key id');
  return concat(WRAP_LABEL, u32(epoch), keyId);
}
