/**
 * An array of `bytea` in PostgreSQL's binary format, which `pg` sends as it stands: no hexadecimal digits to write, to escape and to
 * read again. The layout is that of `array_recv` (PostgreSQL, src/backend/utils/adt/arrayfuncs.c): dimensions, a flag for NULLs and
 * the element's type; for each dimension its size and lower bound; then the elements, each behind its length. Numbers are of 32 bits, big endian.
 */
const BYTEA_OID = 17;
const HEAD_BYTES = 20;
const NULL_LENGTH = -1;

/** @param values at least one; an array of none has no dimension */
export function byteaArray(values: readonly (Uint8Array | null)[]): Buffer {
  let size = HEAD_BYTES;
  for (const value of values) size += 4 + (value?.length ?? 0);
  const array = Buffer.allocUnsafe(size);
  let at = 0;
  for (const number of [1, values.includes(null) ? 1 : 0, BYTEA_OID, values.length, 1])
    at = array.writeInt32BE(number, at);
  for (const value of values) {
    at = array.writeInt32BE(value?.length ?? NULL_LENGTH, at);
    if (!value) continue;
    array.set(value, at);
    at += value.length;
  }
  return array;
}
