/**
 * The envelope: what a sealed value looks like in its `bytea` column. Parsed when results arrive, assembled when rows
 * are written, and built without ciphertext as the operand of a query. No cipher here: only where which byte lies.
 *
 * Version 1 of the table in ENVELOPE.md. Nothing in this file can ever change for values already written: a new layout
 * is a new suite byte.
 */
import { type Names, TamperedError } from '../errors';
import { concatPublic, equal, put, readU32, u32, writeU32 } from './bytes';
import {
  COMMITMENT_BYTES,
  ELEMENT_OFFSET,
  FLAG_INDEX,
  FLAG_SEARCH_TOKENS,
  FLAG_TOKEN,
  FLAGS_OFFSET,
  INDEX_BYTES,
  INDEX_OFFSET,
  KEY_ID_BYTES,
  type Layout,
  layout,
  layoutFor,
  MAGIC,
  OVERHEAD,
  PADDING_MASK,
  PADDING_SHIFT,
  RESERVED_FLAGS,
  SALT_BYTES,
  SEARCH_TOKEN_BYTES,
  SUITE,
  SUITE_OFFSET,
  TAG_BYTES,
  TOKEN_COUNT_BYTES,
  tokenCountIn,
} from './layout';
import { PADDINGS, type Padding } from './padding';

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
  /** 8 bytes for each token by which beginnings or words are found; undefined where there is none. */
  readonly tokens?: Uint8Array | undefined;
}

/** A parsed sealed value. All byte fields are views of the bytes that were parsed, made when they are asked for. */
export interface Envelope extends Header {
  readonly bytes: Uint8Array;
  readonly layout: Layout;
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

/**
 * Every byte of a sealed value before its ciphertext.
 * @param room how many bytes to leave after it, for the ciphertext
 */
export function assembleHeader(header: Header, room = 0): Buffer {
  const { element, padding, index, keyId, salt, commitment, tokens } = header;
  const flags =
    (index ? FLAG_INDEX : 0) | (tokens ? FLAG_SEARCH_TOKENS : 0) | (PADDINGS.indexOf(padding) << PADDING_SHIFT);
  const { keyIdAt, nonceAt, commitmentAt, headerLength } = layoutFor(header);
  const bytes = Buffer.allocUnsafe(headerLength + room);
  bytes[0] = MAGIC[0] as number;
  bytes[1] = MAGIC[1] as number;
  bytes[SUITE_OFFSET] = SUITE;
  bytes[FLAGS_OFFSET] = flags;
  writeU32(bytes, ELEMENT_OFFSET, element);
  if (index) put(bytes, INDEX_OFFSET, index);
  put(bytes, keyIdAt, keyId);
  put(bytes, nonceAt, salt);
  put(bytes, commitmentAt, commitment);
  if (tokens) {
    bytes.writeUInt16BE(tokens.length / SEARCH_TOKEN_BYTES, commitmentAt + COMMITMENT_BYTES);
    put(bytes, commitmentAt + COMMITMENT_BYTES + TOKEN_COUNT_BYTES, tokens);
  }
  return bytes;
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

export function isTombstone({ bytes, layout: { keyIdAt } }: Envelope): boolean {
  for (let at = keyIdAt; at < keyIdAt + KEY_ID_BYTES; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** The subject key id of a sealed value, without parsing the rest: for collecting the keys a result needs. */
export function keyIdOf(bytes: Uint8Array): Uint8Array {
  const start = keyIdAt(bytes);
  return bytes.subarray(start, start + KEY_ID_BYTES);
}

/** Where it stands. */
export function keyIdAt(bytes: Uint8Array): number {
  return layout(hasFlag(bytes, FLAG_INDEX)).keyIdAt;
}

/** The element that a sealed value names; 0, which none has, for anything else. */
export function elementOf(bytes: Uint8Array): number {
  return isEnvelope(bytes) && bytes.length >= INDEX_OFFSET ? readU32(bytes, ELEMENT_OFFSET) : 0;
}

/** Magic, suite, flags, element and blind index; neither key nor ciphertext. */
const TOKEN_BYTES = INDEX_OFFSET + INDEX_BYTES;
const TOKEN_HEAD = concatPublic(MAGIC, Uint8Array.of(SUITE, FLAG_INDEX | FLAG_TOKEN));

function prefix(flags: number, element: number): Uint8Array {
  return concatPublic(MAGIC, Uint8Array.of(SUITE, flags), u32(element));
}

function hasFlag(bytes: Uint8Array, flag: number): boolean {
  return ((bytes[FLAGS_OFFSET] ?? 0) & flag) !== 0;
}

function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (!isEnvelope(bytes) || bytes[SUITE_OFFSET] !== SUITE) return undefined;
  const padding = paddingOf(bytes);
  if (hasFlag(bytes, RESERVED_FLAGS | FLAG_TOKEN) || padding === undefined) return undefined;
  const hasIndex = hasFlag(bytes, FLAG_INDEX);
  const tokens = hasFlag(bytes, FLAG_SEARCH_TOKENS) ? tokenCountIn(bytes, hasIndex) : 0;
  if (tokens === undefined || bytes.length < layout(hasIndex, tokens).headerLength + TAG_BYTES) return undefined;
  const envelope = new ParsedEnvelope(bytes, hasIndex, padding, tokens);
  return isWhole(envelope, bytes) ? envelope : undefined;
}

/** A result has many values, and most views of most are never looked at. */
class ParsedEnvelope implements Envelope {
  readonly suite = SUITE;
  readonly isToken = false;
  readonly layout: Layout;

  constructor(
    readonly bytes: Uint8Array,
    readonly hasIndex: boolean,
    readonly padding: Padding,
    tokens: number,
  ) {
    this.layout = layout(hasIndex, tokens);
  }

  get element(): number {
    return readU32(this.bytes, ELEMENT_OFFSET);
  }

  get index(): Uint8Array | undefined {
    return this.hasIndex ? this.#view(INDEX_OFFSET, INDEX_BYTES) : undefined;
  }

  get keyId(): Uint8Array {
    return this.#view(this.layout.keyIdAt, KEY_ID_BYTES);
  }

  get salt(): Uint8Array {
    return this.#view(this.layout.nonceAt, SALT_BYTES);
  }

  get commitment(): Uint8Array {
    return this.#view(this.layout.commitmentAt, COMMITMENT_BYTES);
  }

  get tokens(): Uint8Array | undefined {
    const start = this.layout.commitmentAt + COMMITMENT_BYTES + TOKEN_COUNT_BYTES;
    const length = this.layout.headerLength - start;
    return length > 0 ? this.#view(start, length) : undefined;
  }

  get header(): Uint8Array {
    return this.#view(0, this.layout.headerLength);
  }

  get ciphertext(): Uint8Array {
    return this.#view(this.layout.headerLength, this.bytes.length - this.layout.headerLength);
  }

  #view(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + offset, length);
  }
}

function paddingOf(bytes: Uint8Array): Padding | undefined {
  return PADDINGS[((bytes[FLAGS_OFFSET] ?? 0) >> PADDING_SHIFT) & PADDING_MASK];
}

/** A payload is never empty, for it holds its codec's tag: only the tombstone has no ciphertext, and only it no key. */
function isWhole(envelope: Envelope, bytes: Uint8Array): boolean {
  if (isTombstone(envelope)) return equal(bytes, tombstone(envelope.element, envelope.index));
  return bytes.length > envelope.layout.headerLength + TAG_BYTES;
}
