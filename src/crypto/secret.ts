/**
 * Memory for keys. V8 keeps arrays of up to 64 bytes on its own heap, and its collector moves what stands there: who overwrites such an
 * array overwrites the place it is at now, and the places it was at before keep the key. What stands here is never moved, so that a
 * key which was overwritten is nowhere (ENVELOPE.md K10).
 *
 * Who takes memory here overwrites it when it is no longer needed, for what the collector frees it does not clear.
 */
const POOL_BYTES = 4096;

let pool = new ArrayBuffer(POOL_BYTES);
let used = 0;

/** `length` zeros, never handed out before; of a few bytes in a pool, for memory of its own costs ten times as much. */
export function secretBytes(length: number): Uint8Array {
  if (length > POOL_BYTES / 8) return new Uint8Array(new ArrayBuffer(length));
  if (used + length > POOL_BYTES) {
    pool = new ArrayBuffer(POOL_BYTES);
    used = 0;
  }
  const bytes = new Uint8Array(pool, used, length);
  used += length;
  return bytes;
}

/** A copy of a key; what it was copied from is still to be overwritten. */
export function secretCopy(key: Uint8Array): Uint8Array {
  const bytes = secretBytes(key.length);
  bytes.set(key);
  return bytes;
}
