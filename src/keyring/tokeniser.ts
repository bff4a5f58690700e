/**
 * Makes the search tokens of a declared text, to be stored in its sealed value or to be asked for: knows the element's normaliser
 * and its keys. One of each installation, beside the `Sealer`, which uses it.
 */
import type { Element, ElementTokens } from '../catalogue/model';
import { wipe } from '../crypto/bytes';
import type { Engine } from '../crypto/engine';
import type { Normaliser } from '../crypto/normaliser';
import {
  asInt8,
  assembleTokens,
  beginnings,
  normalised,
  searchToken,
  searchTokenKey,
  storedWords,
  type TokenKind,
  wordsOf,
} from '../crypto/search-tokens';
import type { Names } from '../errors';
import { comparedValue } from './declared-value';

const EPOCH = 1;

export class Tokeniser {
  readonly #keys = new Map<string, Uint8Array>();
  readonly #indexRoot: Uint8Array;

  constructor(
    private readonly engine: Engine,
    indexRoot: Uint8Array,
  ) {
    this.#indexRoot = indexRoot;
  }

  /**
   * The tokens that a value is to be found by, as they stand in it.
   * @throws {InvalidValueError} for what is no text, or has too many words
   */
  stored(element: Element, tokens: ElementTokens, value: unknown, names: Names): Uint8Array {
    const text = normalised(tokens.as as Normaliser, comparedValue(value, element.limits, names), names);
    const found = {
      beginnings: this.hashed(element, tokens, 'prefix', tokens.prefix ? beginnings(text, tokens.prefix) : []),
      words: this.hashed(element, tokens, 'words', tokens.words ? storedWords(text, names) : []),
    };
    return assembleTokens(found, tokens);
  }

  /** The tokens that a value must have, all of them: of one beginning, or of each word. As PostgreSQL writes an `int8[]`. */
  asked(element: Element, tokens: ElementTokens, kind: TokenKind, value: unknown, names: Names): string {
    const text = normalised(tokens.as as Normaliser, value, names);
    const sought = this.hashed(element, tokens, kind, kind === 'prefix' ? [text] : wordsOf(text));
    return `{${sought.map(asInt8).join(',')}}`;
  }

  /** Forgets the keys. */
  wipe(): void {
    for (const key of this.#keys.values()) wipe(key);
    this.#keys.clear();
  }

  private hashed(element: Element, tokens: ElementTokens, kind: TokenKind, texts: readonly string[]): Uint8Array[] {
    if (texts.length === 0) return [];
    const key = this.keyOf(element, tokens, kind);
    return texts.map((text) => searchToken(this.engine, key, text));
  }

  private keyOf(element: Element, tokens: ElementTokens, kind: TokenKind): Uint8Array {
    const name = `${element.id} ${kind}`;
    let key = this.#keys.get(name);
    if (!key) {
      key = searchTokenKey(this.engine, this.#indexRoot, element.id, kind, tokens.as as Normaliser, EPOCH);
      this.#keys.set(name, key);
    }
    return key;
  }
}
