/**
 * A category of the application's own: `own.<word>`, mapped to both public taxonomies in the declaration that uses it.
 * Nothing is registered anywhere, so two migrations, two tenants and two tests never see each other's words.
 */
import { CATEGORIES, type CategoryFacts, type CategoryKey, type FideslangKey, type PdTerm } from './categories';

export type OwnCategoryKey = `own.${string}`;

/** What an own category is in the words of others. */
export interface Mapping {
  /** A fideslang 3.2 data category, such as `user.demographic.profile`. */
  readonly fideslang: FideslangKey;
  /** A W3C DPV Personal Data 2.2 term, such as `pd:Profile`. */
  readonly dpv: PdTerm;
  /** It reveals what GDPR Art. 9(1) lists. */
  readonly special?: true;
}

/** The part of a declaration that says what the datum is about. */
export type Categorised =
  | { readonly category: CategoryKey; readonly mapsTo?: never }
  | { readonly category: OwnCategoryKey; readonly mapsTo: Mapping };

const OWN = /^own\.[a-z][a-z0-9_]*$/;

export function isOwnCategoryKey(word: unknown): word is OwnCategoryKey {
  return typeof word === 'string' && OWN.test(word);
}

export function isFideslangKey(word: unknown): word is FideslangKey {
  return typeof word === 'string' && /^user(\.[a-z][a-z_]*)*$/.test(word);
}

export function isPdTerm(word: unknown): word is PdTerm {
  return typeof word === 'string' && /^pd:[A-Z][A-Za-z]*$/.test(word);
}

/**
 * What is known of the category a checked declaration names; an own one is labelled by its word.
 *
 * @example factsOf({ category: 'contact.email' }).dpv // 'pd:EmailAddress'
 */
export function factsOf(spec: Categorised): CategoryFacts {
  if (spec.mapsTo === undefined) return CATEGORIES[spec.category];
  const label = spec.category.slice('own.'.length).replaceAll('_', ' ');
  return { label, group: 'own', ...spec.mapsTo };
}
