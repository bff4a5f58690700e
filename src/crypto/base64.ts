/**
 * Base64 (RFC 4648 §4) of keys, from bytes to bytes. `Buffer` writes and reads it as a text of JavaScript, which nobody can overwrite.
 */
import { secretBytes } from './secret';

const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const PAD = 0x3d;
const SEXTETS = new Int8Array(256).fill(-1);
for (const [sextet, character] of ALPHABET.entries()) SEXTETS[character] = sextet;

/** @param key as many bytes as a key has: one padding character, and that only, is what 32 of them need */
export function base64Of(key: Uint8Array): Uint8Array {
  const text = secretBytes(Math.ceil(key.length / 3) * 4).fill(PAD);
  for (let bits = 0, at = 0; bits < key.length * 8; bits += 6) text[at++] = ALPHABET[sextetAt(key, bits)] as number;
  return text;
}

/** @returns undefined for what `base64Of` does not write of a key of that length: another alphabet, missing padding, bits that say nothing */
export function keyOfBase64(text: Uint8Array, length: number): Uint8Array | undefined {
  const key = secretBytes(length);
  let bits = 0;
  for (const character of text) {
    const sextet = SEXTETS[character] as number;
    if (sextet < 0 || bits >= length * 8) break;
    place(key, bits, sextet);
    bits += 6;
  }
  const again = base64Of(key);
  const isItself = again.length === text.length && again.every((character, at) => character === text[at]);
  again.fill(0);
  if (isItself) return key;
  key.fill(0);
  return undefined;
}

/** Six bits from a place on; zeros behind the end. */
function sextetAt(key: Uint8Array, bits: number): number {
  const at = bits >> 3;
  const pair = ((key[at] ?? 0) << 8) | (key[at + 1] ?? 0);
  return (pair >> (10 - (bits & 7))) & 0x3f;
}

/** What does not fit is dropped. */
function place(key: Uint8Array, bits: number, sextet: number): void {
  const at = bits >> 3;
  const pair = sextet << (10 - (bits & 7));
  key[at] = (key[at] as number) | (pair >> 8);
  if (at + 1 < key.length) key[at + 1] = (key[at + 1] as number) | (pair & 0xff);
}
