/**
 * Pseudonyms: what a column declared `protect: 'pseudonymise'` holds. Stable for one subject and purpose, different for
 * another purpose, and dead with the subject's key (GDPR Art. 4 (5): the key is the additional information kept apart).
 */
import type { Names } from '../errors';
import { asBuffer, lengthPrefixed, utf8 } from './bytes';
import type { Engine } from './engine';
import { refuseUnusableKey } from './row-key';
import { storableText } from './text';

const LABEL = utf8('oubli/pseudonym/v1');

/**
 * @param dek 32 bytes, the subject's key
 * @param purpose what the pseudonym is for: two purposes cannot be joined
 * @returns `psn1.` and 43 characters of base64url: BLAKE2b-256(DEK, label, purpose, value)
 * @throws {InvalidValueError} for anything but well-formed text
 */
export function pseudonym(engine: Engine, dek: Uint8Array, purpose: string, value: string, names: Names = {}): string {
  refuseUnusableKey(dek);
  const parts = [purpose, value].map((part) => utf8(storableText(part, names)));
  return `psn1.${asBuffer(engine.hash(32, dek, lengthPrefixed(LABEL, ...parts))).toString('base64url')}`;
}

/** Whether a text is one already. */
export function isPseudonym(text: string): boolean {
  return /^psn1\.[\w-]{43}$/.test(text);
}
