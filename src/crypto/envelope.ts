/**
 * The envelope: what a sealed value looks like in its `bytea` column. Parsed when results arrive, assembled when rows
 * are written, and built without ciphertext as the operand of a query. No cipher here: only where which byte lies.
 *
 * Version 1 of the table in ENVELOPE.md. Nothing in this file can ever change for values already written: a new layout
 * is a new suite byte.
 */
import { type Names, TamperedError } from '../errors';
import { concatPublic, equal, isAllZero, readU32, u32 } from './bytes';
import { PADDINGS, type Padding } from './padding';

/** `A7` cannot begin valid UTF-8, so no text that slipped into a sealed column is taken for a sealed value. */
export const MAGIC = Uint8Array.of(0xa7, 0x0b);
/** XChaCha20-Poly1305 under a key from BLAKE2b-512, committed. */
export const SUITE = 0x01;

export const FLAG_INDEX = 0b0000_0001;
export const FLAG_TOKEN = 0b0000_0010;
const PADDING_SHIFT = 2;
const PADDING_MASK = 0b111;
const RESERVED_FLAGS = 0b1110_0000;

export const SUITE_OFFSET = 2;
export const FLAGS_OFFSET = 3;
export const ELEMENT_OFFSET = 4;
export const INDEX_OFFSET = 8;

export const INDEX_BYTES = 16;
export const KEY_ID_BYTES = 16;
export const ROW_SALT_BYTES = 16;
export const SALT_BYTES = 24;
export const COMMITMENT_BYTES = 16;
export const TAG_BYTES = 16;

/** Bytes a value costs over its padded payload: 80, or 96 when it is searchable. */
export const OVERHEAD = INDEX_OFFSET + KEY_ID_BYTES + SALT_BYTES + COMMITMENT_BYTES + TAG_BYTES;
/** A query token: magic, suite, flags, element and blind index; neither key nor ciphertext. */
export const TOKEN_BYTES = INDEX_OFFSET + INDEX_BYTES;

/** What stands before the ciphertext. */
export interface Header {
  readonly element: number;
  readonly padding: Padding;
  /** 16 bytes, when the value is searchable. */
  readonly index?: Uint8Array | undefined;
  /** 16 bytes: whose key opens it. */
  readonly keyId: Uint8Array;
  /** 24 bytes: 16 of the row, 8 of the counter within it; together the nonce. */
  readonly salt: Uint8Array;
  /** 16 bytes that only the right key derives. */
  readonly commitment: Uint8Array;
}

/** A parsed sealed value. All byte fields are views of the bytes that were parsed. */
export interface Envelope extends Header {
  readonly suite: typeof SUITE;
  readonly hasIndex: boolean;
  /** Always false: a token given as a value is refused. */
  readonly isToken: false;
  /** Every byte before the ciphertext: what the associated data cover (ENVELOPE.md E1). */
  readonly header: Uint8Array;
  /** Ciphertext and tag. */
  readonly ciphertext: Uint8Array;
}

/** Whether this was sealed at all. If not, it is plaintext in a sealed column: another fact than tampering (E10). */
export function isEnvelope(bytes: Uint8Array): boolean {
  return bytes[0] === MAGIC[0] && bytes[1] === MAGIC[1];
}

/** Whether every byte that says what a sealed value is says so. */
export function hasEnvelopeShape(bytes: Uint8Array): boolean {
  return readEnvelope(bytes) !== undefined;
}

/** The same of the operand of a search. */
export function hasTokenShape(bytes: Uint8Array): boolean {
  return bytes.length === TOKEN_BYTES && equal(bytes.subarray(0, ELEMENT_OFFSET), TOKEN_HEAD);
}

/**
 * Takes a sealed value apart.
 *
 * @param names table and column, for the error
 * @throws {TamperedError} for anything that `assembleHeader` or `tombstone` would not have written
 */
export function parseEnvelope(bytes: Uint8Array, names: Names = {}): Envelope {
  const envelope = readEnvelope(bytes);
  if (envelope === undefined) throw new TamperedError('SEALED_VALUE_TAMPERED', names);
  return envelope;
}

/** Every byte of a sealed value before its ciphertext. */
export function assembleHeader(header: Header): Uint8Array {
  const { element, padding, index, keyId, salt, commitment } = header;
  const flags = (index ? FLAG_INDEX : 0) | (PADDINGS.indexOf(padding) << PADDING_SHIFT);
  return concatPublic(prefix(flags, element), index ?? NOTHING, keyId, salt, commitment);
}

/** The operand of a search (ENVELOPE.md I5): it names the element and the blind index looked for, and opens nothing. */
export function token(element: number, index: Uint8Array): Uint8Array {
  return concatPublic(prefix(FLAG_INDEX | FLAG_TOKEN, element), index);
}

/**
 * What an erasure leaves in a sealed column that may not be NULL: an envelope of the same element whose key id, salt,
 * commitment and tag are zero and whose ciphertext is empty (ENVELOPE.md I3). Key id zero names nobody; it reads as null.
 *
 * @param index 16 bytes that belong to no value, where the element is searchable: a unique column must stay valid
 */
export function tombstone(element: number, index?: Uint8Array): Uint8Array {
  const zeros = new Uint8Array(OVERHEAD - INDEX_OFFSET);
  return index ? concatPublic(prefix(FLAG_INDEX, element), index, zeros) : concatPublic(prefix(0, element), zeros);
}

export function isTombstone(envelope: Envelope): boolean {
  return isAllZero(envelope.keyId);
}

/** The subject key id of a sealed value, without parsing the rest: for collecting the keys a result needs. */
export function keyIdOf(bytes: Uint8Array): Uint8Array {
  const start = keyIdOffset(hasFlag(bytes, FLAG_INDEX));
  return bytes.subarray(start, start + KEY_ID_BYTES);
}

/** The element that a sealed value names; 0, which none has, for anything else. */
export function elementOf(bytes: Uint8Array): number {
  return isEnvelope(bytes) && bytes.length >= INDEX_OFFSET ? readU32(bytes, ELEMENT_OFFSET) : 0;
}

const NOTHING = new Uint8Array(0);

const TOKEN_HEAD = concatPublic(MAGIC, Uint8Array.of(SUITE, FLAG_INDEX | FLAG_TOKEN));

function prefix(flags: number, element: number): Uint8Array {
  return concatPublic(MAGIC, Uint8Array.of(SUITE, flags), u32(element));
}

function keyIdOffset(hasIndex: boolean): number {
  return hasIndex ? INDEX_OFFSET + INDEX_BYTES : INDEX_OFFSET;
}

function hasFlag(bytes: Uint8Array, flag: number): boolean {
  return ((bytes[FLAGS_OFFSET] ?? 0) & flag) !== 0;
}

function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (!isEnvelope(bytes) || bytes[SUITE_OFFSET] !== SUITE) return undefined;
  const hasIndex = hasFlag(bytes, FLAG_INDEX);
  const padding = paddingOf(bytes);
  if (hasFlag(bytes, RESERVED_FLAGS | FLAG_TOKEN) || padding === undefined) return undefined;

  const keyIdAt = keyIdOffset(hasIndex);
  const saltAt = keyIdAt + KEY_ID_BYTES;
  const commitmentAt = saltAt + SALT_BYTES;
  const ciphertextAt = commitmentAt + COMMITMENT_BYTES;
  if (bytes.length < ciphertextAt + TAG_BYTES) return undefined;

  const envelope: Envelope = {
    suite: SUITE,
    hasIndex,
    isToken: false,
    padding,
    element: readU32(bytes, ELEMENT_OFFSET),
    index: hasIndex ? bytes.subarray(INDEX_OFFSET, keyIdAt) : undefined,
    keyId: bytes.subarray(keyIdAt, saltAt),
    salt: bytes.subarray(saltAt, commitmentAt),
    commitment: bytes.subarray(commitmentAt, ciphertextAt),
    header: bytes.subarray(0, ciphertextAt),
    ciphertext: bytes.subarray(ciphertextAt),
  };
  return isWhole(envelope, bytes) ? envelope : undefined;
}

function paddingOf(bytes: Uint8Array): Padding | undefined {
  return PADDINGS[((bytes[FLAGS_OFFSET] ?? 0) >> PADDING_SHIFT) & PADDING_MASK];
}

/** A payload is never empty, for it holds its codec's tag: only the tombstone has no ciphertext, and only it no key. */
function isWhole(envelope: Envelope, bytes: Uint8Array): boolean {
  if (isTombstone(envelope)) return equal(bytes, tombstone(envelope.element, envelope.index));
  return envelope.ciphertext.length > TAG_BYTES;
}
