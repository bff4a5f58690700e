/**
 * Seals the values of one row write. The write path makes one `RowSealer` per row and subject, seals each protected
 * column with it, and wipes it. One derivation serves the whole row; its values differ by counter (ENVELOPE.md E5).
 */
import { copyOf, isAllZero, put, wipe, writeU32 } from './bytes';
import { assembleHeader } from './envelope';
import { layoutFor, ROW_SALT_BYTES, SALT_BYTES, TAG_BYTES } from './layout';
import { type Padding, pad } from './padding';
import { randomBytes } from './random';
import { deriveRowKey, framePrefix, type Place, type RowKey, wipeRowKey } from './row-key';

/** Which column's value this is, and what its declaration asks for. */
export interface SealTarget {
  readonly element: number;
  readonly padding: Padding;
  /** The blind index, 16 bytes, when the element is searchable. */
  readonly index?: Uint8Array | undefined;
  /** What `assembleTokens` gave, where beginnings or words of it are looked for. */
  readonly tokens?: Uint8Array | undefined;
}

export class RowSealer {
  readonly #place: Place;
  readonly #keyId: Uint8Array;
  /** Row salt and counter: the nonce of the next value. */
  readonly #salt: Uint8Array;
  #rowKey: RowKey | undefined;
  #counter = 0;

  /**
   * @param keyId 16 bytes, the subject key id; not zero, for zero names nobody
   * @param dek 32 bytes, the subject's key; not kept
   * @param rowSalt 16 fresh random bytes, which is what the default gives. A salt used twice under one key gives both
   *   plaintexts away, so only the golden files of the tests pass one.
   * @throws {KeyUnavailableError} when the key was wiped meanwhile
   */
  constructor(place: Place, keyId: Uint8Array, dek: Uint8Array, rowSalt: Uint8Array = randomBytes(ROW_SALT_BYTES)) {
    if (isAllZero(keyId)) throw new RangeError('key id zero names nobody');
    this.#place = place;
    this.#keyId = copyOf(keyId);
    this.#salt = new Uint8Array(SALT_BYTES);
    put(this.#salt, 0, rowSalt);
    this.#rowKey = deriveRowKey(place.engine, dek, keyId, rowSalt);
  }

  /**
   * @param payload codec tag and value, as `encode` gives them
   * @returns the sealed value, 80 or 96 bytes longer than the padded payload, and 2 + 8 for each search token
   */
  seal(target: SealTarget, payload: Uint8Array): Buffer {
    const { cipherKey, commitment } = this.#liveKey();
    const { element, padding, index, tokens } = target;
    const plain = pad(padding, payload);
    const header = { element, padding, index, keyId: this.#keyId, salt: this.#salt, commitment, tokens };
    const value = assembleHeader(header, plain.length + TAG_BYTES);
    const frame = layoutFor(target);
    const { instance, engine } = this.#place;
    engine.sealFrame(cipherKey, framePrefix(instance, frame), value, frame, plain);
    if (plain !== payload) wipe(plain);
    this.#count();
    return value;
  }

  /** Forgets the row's key. Nothing can be sealed afterwards. */
  wipe(): void {
    if (this.#rowKey) wipeRowKey(this.#rowKey);
    this.#rowKey = undefined;
  }

  #liveKey(): RowKey {
    if (this.#rowKey === undefined) throw new RangeError('this row was sealed and its key wiped');
    return this.#rowKey;
  }

  /** The counter only grows; no row has 2^53 values. */
  #count(): void {
    const count = ++this.#counter;
    writeU32(this.#salt, ROW_SALT_BYTES, Math.floor(count / 2 ** 32));
    writeU32(this.#salt, ROW_SALT_BYTES + 4, count % 2 ** 32);
  }
}
