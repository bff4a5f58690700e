/**
 * The blind index: 16 bytes in front of a sealed value by which `where email = …` finds it. Written by the write path,
 * asked for by query tokens, under one key per element, normaliser version and epoch (ENVELOPE.md, "Blind index").
 *
 * It gives away which rows are equal and how often (I2), and whoever holds its key can ask for any value (I3).
 */
import { AnnotationError, type Names } from '../errors';
import { concat, u32, utf8 } from './bytes';
import { type Codec, encode } from './codec';
import type { Engine } from './engine';
import { INDEX_BYTES } from './layout';
import { NORMALISERS, type Normaliser } from './normaliser';
import { comparableNumericText } from './numeric';
import { refuseUnusableKey } from './row-key';
import { secretBytes } from './secret';
import { storableText } from './text';

const LABEL = utf8('oubli/index/v1');
const GROUP_LABEL = utf8('oubli/group/v1');
const COMPOUND_LABEL = utf8('oubli/tuple/v1');

/**
 * The key of one element's index.
 *
 * @param root 32 bytes, the index root
 * @param epoch index epoch; keys rotate by counting it up (ENVELOPE.md I4)
 * @throws {KeyUnavailableError} for a root that was wiped
 * @returns BLAKE2b-256(root, label ‖ element ‖ normaliser id ‖ normaliser version ‖ epoch), all of fixed width
 */
export function indexKey(
  engine: Engine,
  root: Uint8Array,
  element: number,
  normaliser: Normaliser,
  epoch: number,
): Uint8Array {
  refuseUnusableKey(root);
  const { id, version } = NORMALISERS[normaliser];
  return derived(engine, root, concat(LABEL, u32(element), Uint8Array.of(id, version), u32(epoch)));
}

/**
 * The key that the elements of one search group share, so that equal values have equal indexes in all of them.
 *
 * @param group its name; another name is another key
 * @returns BLAKE2b-256(root, label ‖ length of the name ‖ name ‖ normaliser id ‖ normaliser version ‖ epoch)
 */
export function groupIndexKey(
  engine: Engine,
  root: Uint8Array,
  group: string,
  normaliser: Normaliser,
  epoch: number,
): Uint8Array {
  refuseUnusableKey(root);
  const { id, version } = NORMALISERS[normaliser];
  const name = utf8(group);
  return derived(engine, root, concat(GROUP_LABEL, u32(name.length), name, Uint8Array.of(id, version), u32(epoch)));
}

/**
 * The key of the compound index that stands in an element's values.
 * @returns BLAKE2b-256(root, label ‖ element ‖ epoch); the normalisers stand in the input, part by part
 */
export function compoundIndexKey(engine: Engine, root: Uint8Array, element: number, epoch: number): Uint8Array {
  refuseUnusableKey(root);
  return derived(engine, root, concat(COMPOUND_LABEL, u32(element), u32(epoch)));
}

/**
 * What is hashed for several values: each as `indexInput` gives it, with its normaliser, its version and its length before it, so
 * that no two rows of values have one input.
 */
export function compoundInput(parts: readonly { normaliser: Normaliser; input: Uint8Array }[]): Uint8Array {
  return concat(
    ...parts.flatMap(({ normaliser, input }) => {
      const { id, version } = NORMALISERS[normaliser];
      return [Uint8Array.of(id, version), u32(input.length), input];
    }),
  );
}

/** @param input what `indexInput` gives */
export function blindIndex(engine: Engine, key: Uint8Array, input: Uint8Array): Uint8Array {
  return engine.hash(INDEX_BYTES, key, input);
}

/**
 * What is hashed for a value: the normalised text, or, for other types, the payload in the one form equal values share.
 *
 * @throws {InvalidValueError} for a value that its declaration cannot hold
 * @throws {AnnotationError} for a type that has no such form, or a text normaliser on another type
 */
export function indexInput(codec: Codec, normaliser: Normaliser, value: unknown, names: Names): Uint8Array {
  if (codec === 'text') return utf8(NORMALISERS[normaliser].normalise(storableText(value, names), names));
  if (normaliser !== 'exact') throw new AnnotationError('NORMALISER_NEEDS_TEXT', { ...names, normaliser, codec });
  // Two texts of one JSON value differ in spaces and order of keys; PostgreSQL's json has no equality either.
  if (codec === 'json') throw new AnnotationError('JSON_NOT_SEARCHABLE', names);
  return encode(codec, codec === 'numeric' ? comparableNumericText(value, names) : value, names);
}

function derived(engine: Engine, root: Uint8Array, message: Uint8Array): Uint8Array {
  const key = secretBytes(32);
  engine.derive(key, root, message);
  return key;
}
