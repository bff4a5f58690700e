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
export const RESERVED_FLAGS = 0b1110_0000;

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
/** Where a value's parts lie that the cipher needs: without and with a blind index. */
const PLAIN_LAYOUT = layoutOf(INDEX_OFFSET);
const SEARCHABLE_LAYOUT = layoutOf(INDEX_OFFSET + INDEX_BYTES);

/** Offsets in a sealed value. Header and nonce are what the engine is told; the rest is looked at in place. */
export interface Layout extends FrameLayout {
  readonly keyIdAt: number;
  readonly commitmentAt: number;
}

function layoutOf(keyIdAt: number): Layout {
  const nonceAt = keyIdAt + KEY_ID_BYTES;
  const commitmentAt = nonceAt + SALT_BYTES;
  return { keyIdAt, nonceAt, commitmentAt, headerLength: commitmentAt + COMMITMENT_BYTES };
}

export function layout(hasIndex: boolean): Layout {
  return hasIndex ? SEARCHABLE_LAYOUT : PLAIN_LAYOUT;
}
