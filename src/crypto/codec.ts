/**
 * Codecs: how a value of each type becomes bytes before it is sealed, and PostgreSQL's text after it is opened. The
 * write path encodes, the read path decodes and runs the application's own type parser over the text, so that what
 * went in comes out with the same type and value (ENVELOPE.md E7).
 *
 * A payload is one tag byte and the value. Numbers of fixed size have one length, so their length tells nothing.
 * Nothing is ever compressed: the length would speak about the content. Tags can never change again.
 */
import { InvalidValueError, type Names } from '../errors';
import { concat, viewOf } from './bytes';
import { integerFrom } from './integer';
import { jsonText } from './json';
import { daysFrom, instantFrom, textOfDays, textOfMicroseconds, wallClockFrom } from './moment';
import { isNumericText, numericText } from './numeric';
import { decodeText, encodeText } from './text';

export type Codec =
  | 'text'
  | 'bytes'
  | 'json'
  | 'integer'
  | 'numeric'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'boolean';

/** What `decode` gives: the text PostgreSQL would have sent for that type, or plain bytes. */
export type Decoded =
  | { readonly codec: Exclude<Codec, 'bytes'>; readonly text: string }
  | { readonly codec: 'bytes'; readonly bytes: Buffer };

/** 1 MiB: what a person writes fits, and a file does not belong into a sealed column. */
export const MAX_VALUE_BYTES = 1_048_576;

interface CodecOf {
  readonly tag: number;
  /**
   * Tag and body, in one array.
   * @throws {InvalidValueError}
   */
  encode(value: unknown, names: Names, tag: number): Uint8Array;
  /** The body stands from `start` to `end`. Undefined, or any error, for one that `encode` does not write. */
  decode(memory: Buffer, start: number, end: number): string | undefined;
}

const CODECS: Readonly<Record<Codec, CodecOf>> = {
  text: { tag: 1, encode: encodeText, decode: decodeText },
  bytes: { tag: 2, encode: bytesFrom, decode: () => undefined },
  json: { tag: 3, encode: (value, names, tag) => encodeText(jsonText(value, names), names, tag), decode: decodeText },
  integer: {
    tag: 4,
    encode: (value, names, tag) => int64(integerFrom(value, names), tag),
    decode: (...body) => String(readInt64(...body)),
  },
  numeric: {
    tag: 5,
    encode: (value, names, tag) => encodeText(numericText(value, names), names, tag),
    decode: decodeNumeric,
  },
  date: {
    tag: 6,
    encode: (value, names, tag) => int32(daysFrom(value, names), tag),
    decode: (...body) => textOfDays(readInt32(...body)),
  },
  timestamp: {
    tag: 7,
    encode: (value, names, tag) => int64(wallClockFrom(value, names), tag),
    decode: (...body) => textOfMicroseconds(readInt64(...body), ''),
  },
  timestamptz: {
    tag: 8,
    encode: (value, names, tag) => int64(instantFrom(value, names), tag),
    decode: (...body) => textOfMicroseconds(readInt64(...body), '+00'),
  },
  boolean: { tag: 9, encode: encodeBoolean, decode: decodeBoolean },
};

const BY_TAG: (Codec | undefined)[] = [];
for (const [codec, { tag }] of Object.entries(CODECS)) BY_TAG[tag] = codec as Codec;

/**
 * The payload of a value: codec tag and value bytes.
 *
 * @param value what a user of node-postgres passes for that type; never null, for NULL stays NULL (ENVELOPE.md E6)
 * @param names table and column, for the error
 * @param limit the most bytes a value may have, without its tag
 * @throws {InvalidValueError} for a value that its declaration cannot hold; the error does not contain it
 */
export function encode(codec: Codec, value: unknown, names: Names, limit = MAX_VALUE_BYTES): Uint8Array {
  if (sizeAtLeast(value) > limit) throw tooLong(names, limit);
  const { tag, encode: encodeValue } = CODECS[codec];
  const payload = encodeValue(value, names, tag);
  if (payload.length > limit + 1) throw tooLong(names, limit);
  return payload;
}

/** The value of a payload that stands from `start` to `end`. Undefined, or any error, for one that `encode` does not write. */
export function decode(memory: Buffer, start: number, end: number): Decoded | undefined {
  const codec = BY_TAG[memory[start] as number];
  if (codec === undefined || end <= start) return undefined;
  if (codec === 'bytes') return { codec, bytes: Buffer.from(memory.subarray(start + 1, end)) };
  const text = CODECS[codec].decode(memory, start + 1, end);
  return text === undefined ? undefined : { codec, text };
}

/** A cheap bound, so that a huge text is refused before it is copied: UTF-8 is never shorter than UTF-16 counts. */
function sizeAtLeast(value: unknown): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}

function tooLong(names: Names, limit: number): InvalidValueError {
  return new InvalidValueError('VALUE_TOO_LONG', { ...names, limit });
}

function bytesFrom(value: unknown, names: Names, tag: number): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new InvalidValueError('VALUE_NOT_BYTES', names);
  return concat(Uint8Array.of(tag), value);
}

function decodeNumeric(memory: Buffer, start: number, end: number): string | undefined {
  const text = decodeText(memory, start, end);
  return isNumericText(text) ? text : undefined;
}

function encodeBoolean(value: unknown, names: Names, tag: number): Uint8Array {
  if (value === true || value === 't' || value === 'true') return Uint8Array.of(tag, 1);
  if (value === false || value === 'f' || value === 'false') return Uint8Array.of(tag, 0);
  throw new InvalidValueError('VALUE_NOT_BOOLEAN', names);
}

function decodeBoolean(memory: Buffer, start: number, end: number): string | undefined {
  return end - start === 1 ? ['f', 't'][memory[start] as number] : undefined;
}

function int64(value: bigint, tag: number): Uint8Array {
  const bytes = Uint8Array.of(tag, 0, 0, 0, 0, 0, 0, 0, 0);
  viewOf(bytes).setBigInt64(1, value);
  return bytes;
}

function int32(value: number, tag: number): Uint8Array {
  const bytes = Uint8Array.of(tag, 0, 0, 0, 0);
  viewOf(bytes).setInt32(1, value);
  return bytes;
}

function readInt64(memory: Buffer, start: number, end: number): bigint {
  if (end - start !== 8) throw new RangeError('not 8 bytes');
  return memory.readBigInt64BE(start);
}

function readInt32(memory: Buffer, start: number, end: number): number {
  if (end - start !== 4) throw new RangeError('not 4 bytes');
  return memory.readInt32BE(start);
}
