/**
 * An array of `bytea` in PostgreSQL's binary format, which `pg` sends as it stands: no hexadecimal digits to write, to escape and to
 * read again. The layout is that of `array_recv` (PostgreSQL, src/backend/utils/adt/arrayfuncs.c): dimensions, a flag for NULLs and
 * the element's type; for each dimension its size and lower bound; then the elements, each behind its length. Numbers are of 32 bits, big endian.
 */
const BYTEA_OID = 17;
const NULL_LENGTH = -1;

export function byteaArray(values: readonly (Uint8Array | null)[]): Buffer {
  const dimensions = values.length === 0 ? [] : [values.length, 1];
  const head = [dimensions.length / 2, values.includes(null) ? 1 : 0, BYTEA_OID, ...dimensions];
  let size = 4 * head.length;
  for (const value of values) size += 4 + (value?.length ?? 0);
  const array = Buffer.allocUnsafe(size);
  let at = 0;
  for (const number of head) at = array.writeInt32BE(number, at);
  for (const value of values) {
    at = array.writeInt32BE(value?.length ?? NULL_LENGTH, at);
    if (!value) continue;
    array.set(value, at);
    at += value.length;
  }
  return array;
}
