/** Which keys a result needs: found before any of its values is opened, so that one query fetches them all. */
import type { Element } from '../catalogue/model';
import { isAllZero, stands } from '../crypto/bytes';
import { elementOf, isEnvelope, keyIdAt, keyIdOf } from '../crypto/envelope';
import { OVERHEAD } from '../crypto/layout';
import { KeyCache } from '../keyring/key-cache';

/** The ids of the keys that values name, each once. */
export class KeysToFetch {
  /** By `KeyCache.nameOf`. */
  readonly named = new Map<string, Uint8Array>();
  /** Values of one row name one key. */
  private last: Uint8Array | undefined;

  /**
   * What is malformed, or of another column, is an error when it is opened, and names no key.
   * @returns whether it looks as a value of its column does
   */
  note(bytes: Uint8Array, origin: Element | undefined): boolean {
    if (!isEnvelope(bytes) || bytes.length < OVERHEAD) return false;
    if (origin && origin.id !== elementOf(bytes)) return false;
    if (this.last && stands(this.last, bytes, keyIdAt(bytes))) return true;
    const keyId = keyIdOf(bytes);
    this.last = keyId;
    if (!isAllZero(keyId)) this.named.set(KeyCache.nameOf(keyId), keyId);
    return true;
  }
}
