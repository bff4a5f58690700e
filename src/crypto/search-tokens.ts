/**
 * Search tokens: what a sealed text is found by where only its beginning, or some of its words, are known. Each is 8 bytes of a
 * keyed hash, and they stand together in the sealed value, so they leave with it. Asked for one by one, under the same key.
 *
 * They give away more than a blind index (ENVELOPE.md I2): which rows share a beginning or a word, how often each occurs, and
 * which occur together. What they do not give away is their number: it is rounded up with tokens of nothing, which are random.
 */
import { InvalidValueError, type Names } from '../errors';
import { concat, concatPublic, u32, utf8, viewOf } from './bytes';
import type { Engine } from './engine';
import { MOST_SEARCH_TOKENS, SEARCH_TOKEN_BYTES } from './layout';
import { NORMALISERS, type Normaliser } from './normaliser';
import { randomBytes } from './random';
import { refuseUnusableKey } from './row-key';
import { secretBytes } from './secret';
import { storableText } from './text';

/** Beginnings and words have keys of their own: `gard` as a word says nothing of what begins with it. */
export type TokenKind = 'prefix' | 'words';

/** How long the beginnings are that can be looked for, in code points of the normalised text. */
export interface Prefixes {
  readonly min: number;
  readonly max: number;
}

/** What of a text is to be found. */
export interface Tokenised {
  readonly prefix?: Prefixes | undefined;
  readonly words?: boolean | undefined;
}

/** The longest beginning. A beginning has a token for each of its lengths, and they count towards `MOST_SEARCH_TOKENS`. */
export const LONGEST_PREFIX = 32;
/** The most different words of one value: they and the beginnings fit the count in its header. */
export const MOST_WORDS = MOST_SEARCH_TOKENS - LONGEST_PREFIX;

const LABEL = utf8('oubli/tokens/v1');
/** Part of the key, so they can never change for tokens already written. */
const KINDS: Readonly<Record<TokenKind, number>> = { prefix: 1, words: 2 };
/** The number of words is rounded up to a multiple of this. */
const WORDS_CLASS = 4;
/** BLAKE2b's shortest output here; a token is the first half of it. */
const HASH_BYTES = 16;

/**
 * The key of an element's tokens of one kind. No two elements share one, not even within a search group.
 *
 * @param root 32 bytes, the index root
 * @throws {KeyUnavailableError} for a root that was wiped
 * @returns BLAKE2b-256(root, label ‖ element ‖ kind ‖ normaliser id ‖ normaliser version ‖ epoch), all of fixed width
 */
export function searchTokenKey(
  engine: Engine,
  root: Uint8Array,
  element: number,
  kind: TokenKind,
  normaliser: Normaliser,
  epoch: number,
): Uint8Array {
  refuseUnusableKey(root);
  const { id, version } = NORMALISERS[normaliser];
  const key = secretBytes(32);
  engine.derive(key, root, concat(LABEL, u32(element), Uint8Array.of(KINDS[kind], id, version), u32(epoch)));
  return key;
}

/** The first 8 bytes of BLAKE2b-128(key, text). @param text a beginning or a word of what `normalised` gave */
export function searchToken(engine: Engine, key: Uint8Array, text: string): Uint8Array {
  return engine.hash(HASH_BYTES, key, utf8(text)).slice(0, SEARCH_TOKEN_BYTES);
}

/** What beginnings and words are taken from, written or asked for. @throws {InvalidValueError} for what is no text */
export function normalised(normaliser: Normaliser, value: unknown, names: Names): string {
  return NORMALISERS[normaliser].normalise(storableText(value, names), names);
}

/** The beginnings of a normalised text: none where it is shorter than the shortest. */
export function beginnings(text: string, { min, max }: Prefixes): string[] {
  const found: string[] = [];
  let length = 0;
  let end = 0;
  for (const character of text) {
    end += character.length;
    if (++length >= min) found.push(text.slice(0, end));
    if (length === max) break;
  }
  return found;
}

/**
 * The different words of a normalised text: runs of letters, digits and the marks on them, in the order in which they occur.
 * Everything else stands between words: `l'eau-de-vie` has four.
 *
 * By Unicode's categories, which do not change for characters that are assigned. `Intl.Segmenter` would find words in scripts
 * without spaces, from a dictionary that differs between versions of Node: what one wrote, the next would not find. There a run
 * is one word.
 */
export function wordsOf(text: string): string[] {
  return [...new Set(text.match(WORD))];
}

const WORD = /[\p{L}\p{N}\p{M}]+/gu;

/** @throws {InvalidValueError} for more different words than one value can have tokens for */
export function storedWords(text: string, names: Names): string[] {
  const words = wordsOf(text);
  if (words.length > MOST_WORDS) throw new InvalidValueError('VALUE_HAS_MANY_WORDS', { ...names, most: MOST_WORDS });
  return words;
}

/**
 * The tokens of one value as they stand in it: filled up with random ones to a number that says little, and in the order of
 * their bytes, which says nothing.
 *
 * @param found 8 bytes for each beginning and for each different word that the text has
 * @param declared what is looked for in the column
 * @returns 8 bytes for each beginning that a text could have, and for each word, and at least 4 of words
 */
export function assembleTokens(
  found: { readonly beginnings: readonly Uint8Array[]; readonly words: readonly Uint8Array[] },
  declared: Tokenised,
): Uint8Array {
  const { prefix, words } = declared;
  const tokens = [
    ...filledUp(found.beginnings, prefix ? prefix.max - prefix.min + 1 : 0),
    ...filledUp(found.words, words ? Math.max(1, Math.ceil(found.words.length / WORDS_CLASS)) * WORDS_CLASS : 0),
  ];
  return concatPublic(...tokens.sort(Buffer.compare));
}

/** As PostgreSQL reads them: `oubli.search_tokens` takes 8 bytes, big endian, for an int8. */
export function asInt8(token: Uint8Array): bigint {
  return viewOf(token).getBigInt64(0);
}

function filledUp(tokens: readonly Uint8Array[], count: number): Uint8Array[] {
  const fillers = Array.from({ length: count - tokens.length }, () => randomBytes(SEARCH_TOKEN_BYTES));
  return [...tokens, ...fillers];
}
