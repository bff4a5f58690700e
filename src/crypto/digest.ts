/**
 * BLAKE2b-256 without a key (RFC 7693), for what is public by design and must be verifiable by people who have no key of ours:
 * the ledger's chain. Never of anything personal: an unkeyed hash of it protects nobody.
 */
import { blake2b } from '@noble/hashes/blake2.js';
import { asBuffer, concat } from './bytes';

/**
 * @param label what is hashed, as bytes: begins the message, and keeps one kind of hash apart from another
 * @returns 32 bytes: what `b2sum -l 256` says of label and parts, one after the other
 */
export function publicDigest(label: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  return asBuffer(blake2b(concat(label, ...parts), { dkLen: 32 }));
}
