/**
 * The run-time check of a column's category: one of the list, or an own one that both public taxonomies can place.
 */
import { CATEGORY_KEYS, isCategoryKey } from './categories';
import { type Draft, shown } from './draft';
import { isFideslangKey, isOwnCategoryKey, isPdTerm } from './own-category';
import { suggest } from './suggest';

/** A mapping that a fix can show: terms that exist in both taxonomies. */
const MAPPING = { fideslang: 'user.demographic.profile', dpv: 'pd:Profile' };

/** Refuses a category that is neither in the list nor an own one mapped to both taxonomies. */
export function checkCategory(draft: Draft): void {
  const { category } = draft.given;
  if (isOwnCategoryKey(category)) checkMapping(draft, category);
  else if (!isCategoryKey(category)) refuseCategory(draft, category);
  else if (draft.has('mapsTo')) draft.refuse('MAPPED_ALREADY', { given: category }, { mapsTo: undefined });
}

function checkMapping(draft: Draft, category: string): void {
  if (!draft.has('mapsTo')) draft.refuse('OWN_CATEGORY_UNMAPPED', { given: category }, { mapsTo: MAPPING });
  const mapping = draft.nested('mapsTo', MAPPING);
  mapping.refuseUnknownOptions(['fideslang', 'dpv', 'special']);
  if (!isFideslangKey(mapping.given.fideslang)) refuseTerm(mapping, 'fideslang');
  if (!isPdTerm(mapping.given.dpv)) refuseTerm(mapping, 'dpv');
  if (mapping.has('special')) mapping.oneOf('special', [true]);
}

function refuseTerm(mapping: Draft, option: keyof typeof MAPPING): never {
  const correction = { ...MAPPING, ...mapping.given, [option]: MAPPING[option] };
  return mapping.refuse('BAD_MAPPING', { option, given: shown(mapping.given[option]) }, correction);
}

function refuseCategory(draft: Draft, category: unknown): never {
  if (category === undefined) {
    draft.refuse('MISSING_OPTION', { option: 'category' }, { category: 'identity.name' });
  }
  const given = shown(category);
  const suggestion = suggest(given, CATEGORY_KEYS);
  const own = { category: ownKeyFrom(given), mapsTo: MAPPING };
  return draft.refuse('UNKNOWN_CATEGORY', { given, suggestion }, suggestion ? { category: suggestion } : own);
}

/** `Loyalty tier` and `marketing.loyalty-tier` become `own.loyalty_tier`. */
function ownKeyFrom(given: string): string {
  const last = given.toLowerCase().split('.').pop() ?? '';
  const word = last.replace(/[^a-z0-9]+/g, '_').replace(/^[^a-z]+|_+$/g, '');
  return `own.${word || 'word'}`;
}
