/**
 * Opens sealed values. The read path makes one `Opener` per result and hands it every envelope with the key its id
 * names; keys are found by id and never tried in turn (ENVELOPE.md E2).
 *
 * Whatever is wrong with a value, the error is one and the same (E8): which check failed would help only a forger.
 */
import { type Names, TamperedError } from '../errors';
import { copyOf, equalInConstantTime, stands } from './bytes';
import type { Envelope } from './envelope';
import { ROW_SALT_BYTES } from './layout';
import { unpad } from './padding';
import { deriveRowKey, framePrefix, type Place, type RowKey, refuseUnusableKey, wipeRowKey } from './row-key';

/** Opens values, deriving once for neighbours of one row. */
export class Opener {
  readonly #place: Place;
  #last: { dek: Uint8Array; keyId: Uint8Array; rowSalt: Uint8Array; rowKey: RowKey } | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  /**
   * @param dek 32 bytes, the key that `envelope.keyId` names
   * @param expectedElement the element of the column it was read from, when that is known (ENVELOPE.md E4)
   * @param names table and column, for the error
   * @returns the payload: codec tag and value, for `decode`
   * @throws {TamperedError} when it is not what was sealed, or not where it was sealed
   * @throws {KeyUnavailableError} when the key was wiped meanwhile
   */
  open(envelope: Envelope, dek: Uint8Array, expectedElement?: number, names: Names = {}): Uint8Array {
    const payload = this.#isElsewhere(envelope, expectedElement) ? undefined : this.#tryOpen(envelope, dek);
    if (payload === undefined) throw new TamperedError('SEALED_VALUE_TAMPERED', names);
    return payload;
  }

  /** Forgets the last row's key. */
  wipe(): void {
    if (this.#last) wipeRowKey(this.#last.rowKey);
    this.#last = undefined;
  }

  #isElsewhere(envelope: Envelope, expectedElement: number | undefined): boolean {
    return expectedElement !== undefined && envelope.element !== expectedElement;
  }

  #tryOpen(envelope: Envelope, dek: Uint8Array): Uint8Array | undefined {
    const { cipherKey, commitment } = this.#rowKey(envelope, dek);
    if (!equalInConstantTime(commitment, envelope.bytes, envelope.layout.commitmentAt)) return undefined;
    const padded = this.#decrypt(cipherKey, envelope);
    return padded && unpad(envelope.padding, padded);
  }

  /** RFC 8439 §2.8: authenticated before anything is decrypted. The engine's own error would only tell them apart. */
  #decrypt(cipherKey: Uint8Array, { bytes, layout }: Envelope): Uint8Array | undefined {
    const { engine, instance } = this.#place;
    try {
      return engine.openFrame(cipherKey, framePrefix(instance, layout), bytes, layout);
    } catch {
      return undefined;
    }
  }

  #rowKey(envelope: Envelope, dek: Uint8Array): RowKey {
    refuseUnusableKey(dek);
    const last = this.#last;
    if (last && last.dek === dek && isSameRow(last, envelope)) return last.rowKey;
    const [keyId, rowSalt] = [copyOf(envelope.keyId), copyOf(envelope.salt.subarray(0, ROW_SALT_BYTES))];
    const rowKey = deriveRowKey(this.#place.engine, dek, keyId, rowSalt);
    this.wipe();
    this.#last = { dek, keyId, rowSalt, rowKey };
    return rowKey;
  }
}

function isSameRow(row: { keyId: Uint8Array; rowSalt: Uint8Array }, { bytes, layout }: Envelope): boolean {
  return stands(row.rowSalt, bytes, layout.nonceAt) && stands(row.keyId, bytes, layout.keyIdAt);
}
