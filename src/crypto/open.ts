/**
 * Opens sealed values. The read path makes one `Opener` per result and hands it every envelope with the key its id
 * names; keys are found by id and never tried in turn (ENVELOPE.md E2).
 *
 * Whatever is wrong with a value, the error is one and the same (E8): which check failed would help only a forger.
 */
import { type Names, TamperedError } from '../errors';
import { copyOf, equalInConstantTime, stands } from './bytes';
import type { Reader } from './engine';
import type { Envelope } from './envelope';
import { ROW_SALT_BYTES } from './layout';
import { payloadEnd } from './padding';
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
   * @param read what to make of the payload, codec tag and value; undefined, or any error, where it is none
   * @throws {TamperedError} when it is not what was sealed, or not where it was sealed
   * @throws {KeyUnavailableError} when the key was wiped meanwhile
   */
  read<T>(
    envelope: Envelope,
    dek: Uint8Array,
    expectedElement: number | undefined,
    names: Names,
    read: Reader<T | undefined>,
  ): T {
    const opened = this.#isElsewhere(envelope, expectedElement) ? undefined : this.#tryOpen(envelope, dek, read);
    if (opened === undefined) throw new TamperedError('SEALED_VALUE_TAMPERED', names);
    return opened;
  }

  /** A copy of the payload, for `RowSealer.seal`. */
  open(envelope: Envelope, dek: Uint8Array, expectedElement?: number, names: Names = {}): Uint8Array {
    return this.read(envelope, dek, expectedElement, names, (memory, start, end) =>
      copyOf(memory.subarray(start, end)),
    );
  }

  /** Forgets the last row's key. */
  wipe(): void {
    if (this.#last) wipeRowKey(this.#last.rowKey);
    this.#last = undefined;
  }

  #isElsewhere(envelope: Envelope, expectedElement: number | undefined): boolean {
    return expectedElement !== undefined && envelope.element !== expectedElement;
  }

  /** RFC 8439 §2.8: authenticated before anything is decrypted. The engine's own error, or the reader's, would only tell them apart. */
  #tryOpen<T>(envelope: Envelope, dek: Uint8Array, read: Reader<T | undefined>): T | undefined {
    const { cipherKey, commitment } = this.#rowKey(envelope, dek);
    const { bytes, layout, padding } = envelope;
    if (!equalInConstantTime(commitment, bytes, layout.commitmentAt)) return undefined;
    const { engine, instance } = this.#place;
    try {
      return engine.openFrame(cipherKey, framePrefix(instance, layout), bytes, layout, (memory, start, padded) => {
        const end = payloadEnd(padding, memory, start, padded);
        return end === undefined ? undefined : read(memory, start, end);
      });
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
