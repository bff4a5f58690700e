/**
 * Where which byte of a sealed value lies, and what the fixed ones are. Version 1 of the table in ENVELOPE.md; nothing in this
 * file can ever change for values already written: a new layout is a new suite byte.
 */
import type { FrameLayout } from './engine';

/** `A7` cannot begin valid UTF-8, so no text that slipped into a sealed column is taken for a sealed value. */
export const MAGIC = Uint8Array.of(0xa7, 0x0b);
/** XChaCha20-Poly1305 under a key from BLAKE2b-512, committed. */
export const SUITE = 0x01;

export const FLAG_INDEX = 0b0000_0001;
export const FLAG_TOKEN = 0b0000_0010;
export const PADDING_SHIFT = 2;
export const PADDING_MASK = 0b111;
export const FLAG_SEARCH_TOKENS = 0b0010_0000;
export const RESERVED_FLAGS = 0b1100_0000;

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
/** Search tokens stand last in the header: their number, big endian, then each of them. */
export const TOKEN_COUNT_BYTES = 2;
export const SEARCH_TOKEN_BYTES = 8;
export const MOST_SEARCH_TOKENS = 1024;

/** Bytes a value costs over its padded payload: 80, or 96 when it is searchable. */
export const OVERHEAD = INDEX_OFFSET + KEY_ID_BYTES + SALT_BYTES + COMMITMENT_BYTES + TAG_BYTES;
/** Where a value's parts lie that the cipher needs: without and with a blind index. */
const PLAIN_LAYOUT = layoutOf(INDEX_OFFSET);
const SEARCHABLE_LAYOUT = layoutOf(INDEX_OFFSET + INDEX_BYTES);
/** The same with search tokens, by their number: one object each, since what is authenticated is remembered by it. */
const TOKENISED_LAYOUTS: readonly [Layout[], Layout[]] = [[], []];

/** Offsets in a sealed value. Header and nonce are what the engine is told; the rest is looked at in place. */
export interface Layout extends FrameLayout {
  readonly keyIdAt: number;
  readonly commitmentAt: number;
}

function layoutOf(keyIdAt: number, tokens = 0): Layout {
  const nonceAt = keyIdAt + KEY_ID_BYTES;
  const commitmentAt = nonceAt + SALT_BYTES;
  const tokenBytes = tokens === 0 ? 0 : TOKEN_COUNT_BYTES + tokens * SEARCH_TOKEN_BYTES;
  return { keyIdAt, nonceAt, commitmentAt, headerLength: commitmentAt + COMMITMENT_BYTES + tokenBytes };
}

/** @param tokens how many search tokens it has, up to `MOST_SEARCH_TOKENS` */
export function layout(hasIndex: boolean, tokens = 0): Layout {
  const plain = hasIndex ? SEARCHABLE_LAYOUT : PLAIN_LAYOUT;
  if (tokens === 0) return plain;
  const made = TOKENISED_LAYOUTS[hasIndex ? 1 : 0];
  let found = made[tokens];
  if (!found) {
    found = layoutOf(plain.keyIdAt, tokens);
    made[tokens] = found;
  }
  return found;
}

/** Where the parts of a value lie that is sealed with these. */
export function layoutFor({
  index,
  tokens,
}: {
  index?: Uint8Array | undefined;
  tokens?: Uint8Array | undefined;
}): Layout {
  if (tokens === undefined) return layout(index !== undefined);
  const count = tokens.length / SEARCH_TOKEN_BYTES;
  if (!isTokenCount(count)) throw new RangeError('not a number of search tokens');
  return layout(index !== undefined, count);
}

/** How many search tokens a value says that it has; undefined for what none can say. */
export function tokenCountIn(bytes: Uint8Array, hasIndex: boolean): number | undefined {
  const at = layout(hasIndex).headerLength;
  const count = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return isTokenCount(count) ? count : undefined;
}

function isTokenCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= MOST_SEARCH_TOKENS;
}
