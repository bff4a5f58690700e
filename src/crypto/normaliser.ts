/**
 * Normalisers: what counts as equal when a sealed text is searched. The element's declaration names one; it decides
 * what the blind index is computed from (ENVELOPE.md I1). JavaScript only: SQL's `lower` gives other answers.
 *
 * Ids and versions are part of the index key and can never change for indexes already written.
 */
import type { Names } from '../errors';
import { normaliseEmail } from './email';
import { normaliseDigits, normaliseLowercase, normaliseUnaccented } from './folded-text';
import { storableText } from './text';

export type Normaliser = 'exact' | 'email' | 'lowercase' | 'digits' | 'unaccented';

export interface NormaliserOf {
  readonly id: number;
  readonly version: number;
  /** @throws {InvalidValueError} for a text that has no normal form */
  normalise(text: string, names?: Names): string;
}

export const NORMALISERS: Readonly<Record<Normaliser, NormaliserOf>> = {
  /** The code points as they are: no Unicode normalisation, so that equal means what `=` means to PostgreSQL. */
  exact: { id: 1, version: 1, normalise: (text, names = {}) => storableText(text, names) },
  email: { id: 2, version: 1, normalise: normaliseEmail },
  lowercase: { id: 3, version: 1, normalise: normaliseLowercase },
  digits: { id: 4, version: 1, normalise: normaliseDigits },
  unaccented: { id: 5, version: 1, normalise: normaliseUnaccented },
};
