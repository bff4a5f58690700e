/**
 * Small helpers on byte strings, used by every other file of this folder. Multi-byte numbers are big endian, so that
 * what stands in a sealed value sorts and reads as it is written in ENVELOPE.md.
 */

/** The bytes of all parts, one after the other, in memory of their own. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return fill(new Uint8Array(totalLength(parts)), parts);
}

/** The same out of Node's pool, ten times as fast: for bytes that are no secret, since the pool is never wiped. */
export function concatPublic(...parts: readonly Uint8Array[]): Buffer {
  return fill(Buffer.allocUnsafe(totalLength(parts)), parts);
}

/** Each part behind its own length in four bytes: no two lists of parts give the same bytes (ENVELOPE.md E1). */
export function lengthPrefixed(...parts: readonly Uint8Array[]): Uint8Array {
  const prefixed: Uint8Array[] = [];
  for (const part of parts) prefixed.push(u32(part.length), part);
  return concat(...prefixed);
}

/** An unsigned 32-bit number in four bytes. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

/** One that does not fit would be cut silently, so it is refused. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  if (value !== value >>> 0) throw new RangeError('not an unsigned 32-bit number');
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

export function readU32(bytes: Uint8Array, offset: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

/** A DataView over exactly these bytes, wherever in a larger buffer they lie. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Whether a secret stands in `bytes` at an offset: the time taken does not tell where the first difference is. A loop, because
 * the views that `crypto.timingSafeEqual` asks for take ten times as long as the comparison.
 */
export function equalInConstantTime(secret: Uint8Array, bytes: Uint8Array, at: number): boolean {
  if (bytes.length < at + secret.length) return false;
  let difference = 0;
  for (let i = 0; i < secret.length; i++) difference |= (secret[i] as number) ^ (bytes[at + i] as number);
  return difference === 0;
}

/** Whether these bytes, which are no secret, stand in others at an offset. */
export function stands(part: Uint8Array, bytes: Uint8Array, at: number): boolean {
  let i = 0;
  while (i < part.length && part[i] === bytes[at + i]) i++;
  return i === part.length;
}

/** Equality of what is no secret (ids, salts): stops at the first difference. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return i === a.length && i === b.length;
}

export function isAllZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Overwrites key material that is no longer needed. */
export function wipe(bytes: Uint8Array): void {
  bytes.fill(0);
}

/** A copy. Not `slice()`: that of a Buffer, which is what node-postgres gives, is a view of the same memory. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/**
 * The UTF-8 bytes of a text known to be well formed. Never pooled: a plaintext should not outlive its own buffer.
 *
 * Short ones through a scratch that is wiped at once: V8 keeps arrays of up to 64 bytes on its own heap, where they cost nothing,
 * and gives them a buffer of their own, ten times as dear, as soon as a view of them is taken.
 */
export function utf8(text: string): Uint8Array {
  if (3 * text.length > rest.length) return encoder.encode(text);
  const { written } = encoder.encodeInto(text, rest);
  const bytes = scratch.slice(1, 1 + written);
  scratch.fill(0, 1, 1 + written);
  return bytes;
}

/** The same behind one byte more, in one array. */
export function utf8After(first: number, text: string): Uint8Array {
  if (3 * text.length > rest.length) return concat(Uint8Array.of(first), encoder.encode(text));
  const { written } = encoder.encodeInto(text, rest);
  scratch[0] = first;
  const bytes = scratch.slice(0, 1 + written);
  scratch.fill(0, 0, 1 + written);
  return bytes;
}

/** Copies a few bytes: for as few as an id has, a loop is three times as fast as `set`. */
export function put(bytes: Uint8Array, offset: number, part: Uint8Array): void {
  for (let i = 0; i < part.length; i++) bytes[offset + i] = part[i] as number;
}

/** A Buffer over the same memory, for node-postgres. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Guards a length that the caller owes us. What is wrong is our own code, not a stored value. */
export function mustHaveLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes.length !== length) throw new RangeError(`${what} must have ${length} bytes, not ${bytes.length}`);
}

const encoder = new TextEncoder();
const scratch = new Uint8Array(1024);
const rest = scratch.subarray(1);

function totalLength(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function fill<Bytes extends Uint8Array>(joined: Bytes, parts: readonly Uint8Array[]): Bytes {
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}
