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
import { storableText } from './text';

const LABEL = utf8('oubli/index/v1');

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
  return engine.hash(32, root, concat(LABEL, u32(element), Uint8Array.of(id, version), u32(epoch)));
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
