/**
 * Seals and opens by element: knows which codec, padding, normaliser and index key a protected column has. Used by the seam
 * for every value that passes, by the backfill, and by an erasure for rows that the law keeps.
 */
import { type Element, namesOfLabel } from '../catalogue/model';
import {
  blindIndex,
  compoundIndexKey,
  compoundInput,
  groupIndexKey,
  indexInput,
  indexKey,
} from '../crypto/blind-index';
import { stands, wipe } from '../crypto/bytes';
import { type Codec, type Decoded, decode, encode } from '../crypto/codec';
import { type Envelope, isTombstone, parseEnvelope, token } from '../crypto/envelope';
import { DEFAULT_BITS, truncateIp } from '../crypto/ip';
import { INDEX_BYTES } from '../crypto/layout';
import type { Normaliser } from '../crypto/normaliser';
import { Opener } from '../crypto/open';
import type { Padding } from '../crypto/padding';
import { pseudonym } from '../crypto/pseudonym';
import { randomBytes } from '../crypto/random';
import type { Place } from '../crypto/row-key';
import { RowSealer } from '../crypto/seal';
import {
  AnnotationError,
  InvalidValueError,
  type Names,
  RestrictedError,
  TamperedError,
  UnsupportedQueryError,
} from '../errors';
import { comparedValue, declaredValue } from './declared-value';
import type { SubjectKey } from './key-cache';
import type { KeyState } from './subject-keys';
import { Tokeniser } from './tokeniser';

const INDEX_EPOCH = 1;

export class Sealer {
  readonly tokeniser: Tokeniser;
  readonly #indexKeys = new Map<number, Uint8Array>();
  readonly #indexRoot: Uint8Array;

  constructor(
    readonly place: Place,
    indexRoot: Uint8Array,
  ) {
    this.#indexRoot = indexRoot;
    this.tokeniser = new Tokeniser(place.engine, indexRoot);
  }

  /** Everything sealed by one row write: one derivation, wiped when done. */
  row(key: SubjectKey): RowSealer {
    return new RowSealer(this.place, key.keyId, key.dek);
  }

  /** @param compound the index of a value that carries one over several columns */
  seal(row: RowSealer, element: Element, value: unknown, names: Names, compound?: Uint8Array): Buffer {
    const declared = declaredValue(value, element.limits, names);
    const payload = encode(element.codec as Codec, declared, names, element.maxBytes);
    try {
      const index = element.normaliser === undefined ? undefined : (compound ?? this.index(element, declared, names));
      const tokens = element.tokens && this.tokeniser.stored(element, element.tokens, declared, names);
      return row.seal({ element: element.id, padding: element.padding as Padding, index, tokens }, payload);
    } finally {
      wipe(payload);
    }
  }

  /** The pseudonym of a value for one subject and one element's purpose. Stable, and dead with the subject's key. */
  pseudonym(key: SubjectKey, element: Element, value: unknown, names: Names): string {
    if (typeof value !== 'string') throw new InvalidValueError('PSEUDONYM_NEEDS_TEXT', names);
    return pseudonym(this.place.engine, key.dek, `element ${element.id}`, value, names);
  }

  /** By what a value is found: the same whether it was read from a row, or is as it was before it was written there. */
  index(element: Element, value: unknown, names: Names): Uint8Array {
    if (element.normaliser === undefined) throw new AnnotationError('NOT_SEARCHABLE', names);
    if (element.compound) throw new UnsupportedQueryError('COMPOUND_ALONE', { ...names, others: othersOf(element) });
    const normaliser = element.normaliser as Normaliser;
    const compared = comparedValue(value, element.limits, names);
    const input = indexInput(element.codec as Codec, normaliser, compared, names);
    return blindIndex(this.place.engine, this.indexKeyOf(element, normaliser), input);
  }

  /**
   * The index of several values together. Where one of them is NULL the row equals no other, as in a unique constraint of
   * SQL, and its index is random.
   * @param parts the carrier and its other columns, `values` in the same order
   */
  compoundIndex(parts: readonly Element[], values: readonly unknown[]): Uint8Array {
    const [carrier] = parts;
    if (!carrier?.compound || values.some((value) => value === null || value === undefined))
      return randomBytes(INDEX_BYTES);
    const normalisers = [carrier.normaliser, ...carrier.compound.map(({ as }) => as)] as Normaliser[];
    const inputs = parts.map((element, i) => {
      const names = namesOfLabel(element.label);
      const normaliser = normalisers[i] as Normaliser;
      const compared = comparedValue(values[i], element.limits, names);
      return { normaliser, input: indexInput(element.codec as Codec, normaliser, compared, names) };
    });
    return blindIndex(this.place.engine, this.indexKeyOf(carrier, normalisers[0] as Normaliser), compoundInput(inputs));
  }

  token(element: Element, value: unknown, names: Names): Uint8Array {
    return token(element.id, this.index(element, value, names));
  }

  truncate(element: Element, value: unknown, names: Names): string {
    return truncateIp(value as string, { v4: element.v4 ?? DEFAULT_BITS.v4, v6: element.v6 ?? DEFAULT_BITS.v6 }, names);
  }

  /** The values of one row under another key; what can no longer be opened, or is not there, stays as it is. */
  resealRow(
    key: SubjectKey,
    values: readonly { element: { readonly id: number } | undefined; bytes: Uint8Array | null }[],
    stateOf: (keyId: Uint8Array) => KeyState | undefined,
  ): (Uint8Array | null)[] {
    const row = this.row(key);
    const opener = new Opener(this.place);
    try {
      return values.map(({ element, bytes }) => bytes && this.reseal(row, opener, element?.id, bytes, stateOf));
    } finally {
      opener.wipe();
      row.wipe();
    }
  }

  /** Forgets the index keys; from then on nothing is searched for or indexed. */
  wipe(): void {
    for (const key of this.#indexKeys.values()) key.fill(0);
    this.#indexKeys.clear();
    this.tokeniser.wipe();
    this.place.engine.forget();
  }

  private reseal(
    row: RowSealer,
    opener: Opener,
    element: number | undefined,
    bytes: Uint8Array,
    stateOf: (keyId: Uint8Array) => KeyState | undefined,
  ): Uint8Array {
    const envelope = parseEnvelope(bytes);
    const key = isTombstone(envelope) ? undefined : stateOf(envelope.keyId);
    if (key === undefined || key === 'shredded' || key === 'restricted') return bytes;
    const payload = opener.open(envelope, key.dek, element);
    const { padding, index, tokens } = envelope;
    try {
      return row.seal({ element: envelope.element, padding, index, tokens }, payload);
    } finally {
      wipe(payload);
    }
  }

  private indexKeyOf(element: Element, normaliser: Normaliser): Uint8Array {
    let key = this.#indexKeys.get(element.id);
    if (!key) {
      const { engine } = this.place;
      if (element.compound) key = compoundIndexKey(engine, this.#indexRoot, element.id, INDEX_EPOCH);
      else if (element.group) key = groupIndexKey(engine, this.#indexRoot, element.group, normaliser, INDEX_EPOCH);
      else key = indexKey(engine, this.#indexRoot, element.id, normaliser, INDEX_EPOCH);
      this.#indexKeys.set(element.id, key);
    }
    return key;
  }
}

function othersOf({ compound = [] }: Element): string {
  return compound.map(({ column }) => column).join(', ');
}

/** Opens the values of one result. */
export class ResultOpener {
  private readonly opener: Opener;
  /** Values of one row name one key: it is looked up once. */
  private last: { keyId: Uint8Array; state: KeyState | undefined } | undefined;

  /** @param stateOf the key a value names, as `SubjectKeys.byId` found it */
  constructor(
    place: Place,
    private readonly stateOf: (keyId: Uint8Array) => KeyState | undefined,
  ) {
    this.opener = new Opener(place);
  }

  /** @returns null for a shredded value and for what an erasure left (ENVELOPE.md E10) */
  open(bytes: Uint8Array, element: number | undefined, names: Names): Decoded | null {
    const envelope = parseEnvelope(bytes, names);
    if (element !== undefined && envelope.element !== element) throw new TamperedError('SEALED_VALUE_TAMPERED', names);
    const key = this.keyOf(envelope);
    if (key === 'restricted') throw new RestrictedError('RESTRICTED', names);
    if (key === 'shredded' || key === undefined) return null;
    return this.opener.read(envelope, key.dek, element, names, decode);
  }

  wipe(): void {
    this.opener.wipe();
  }

  private keyOf(envelope: Envelope): KeyState | undefined {
    if (!this.last || !stands(this.last.keyId, envelope.bytes, envelope.layout.keyIdAt)) {
      const { keyId } = envelope;
      this.last = { keyId, state: isTombstone(envelope) ? undefined : this.stateOf(keyId) };
    }
    return this.last.state;
  }
}
