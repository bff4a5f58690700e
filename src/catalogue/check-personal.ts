/**
 * The run-time check of `.personal()` and `.notPersonal()`: what the types of `spec.ts` say at compile time, said to
 * JavaScript and to anything cast. What comes out has its defaults written in, so that the catalogue of a database
 * keeps the meaning its migration had, whatever a later version's defaults are.
 */
import { checkAnonymise, checkMeasured, MEASURED } from './check-anonymise';
import { checkCategory } from './check-category';
import { checkTokens } from './check-tokens';
import { Draft, shown } from './draft';
import { SEARCHES } from './search';
import type { NotPersonalSpec, Pad, PersonalSpec } from './spec';
import { BASIS_KEYS, ORIGIN_KEYS, type Origin } from './vocabulary';
import { type Fields, isFields } from './written';

type WithDefaults<Spec> = Spec extends { readonly protect: 'encrypt' }
  ? Spec & { readonly origin: Origin; readonly pad: Pad }
  : Spec extends { readonly protect: 'truncate-ip' }
    ? Spec & { readonly origin: Origin; readonly v4: 16 | 24; readonly v6: 32 | 48 }
    : Spec & { readonly origin: Origin };

/** A checked declaration, its defaults written in. */
export type SettledPersonalSpec = WithDefaults<PersonalSpec>;

type Protect = PersonalSpec['protect'];

const COMMON = ['category', 'mapsTo', 'origin', 'purpose', 'basis', 'subject', 'protect'] as const;
const OPTIONS_OF: Readonly<Record<Protect, readonly string[]>> = {
  encrypt: ['search', 'unique', 'tokens', 'pad', 'maxBytes', 'acknowledgeLeak'],
  pseudonymise: ['anonymise'],
  'truncate-ip': ['v4', 'v6', 'quasiIdentifier'],
  clear: ['because', 'replaceWith', 'anonymise', 'statistics', ...MEASURED],
};
const PROTECTS = Object.keys(OPTIONS_OF) as readonly Protect[];
const ALL_OPTIONS = [...new Set([...COMMON, ...Object.values(OPTIONS_OF).flat()])];

const PADS: readonly Pad[] = ['16', 'none', '32', '64', 'padme'];
const EXAMPLE = { category: 'identity.name', protect: 'encrypt' };
const REASON = 'say why';
const MOST_BYTES = 16_777_216;

/**
 * Checks one `.personal()` declaration and writes its defaults in.
 *
 * @throws AnnotationError naming table and column, with the declaration corrected in `fix`
 * @example
 * checkPersonalSpec('users', 'email', { category: 'contact.email', protect: 'encrypt', search: 'email' })
 * // { category: 'contact.email', protect: 'encrypt', search: 'email', origin: 'provided', pad: '16' }
 */
export function checkPersonalSpec(table: string, column: string, spec: unknown): SettledPersonalSpec {
  const call = (code: string): string => `.personal(${code})  // ${table}.${column}`;
  const draft = new Draft({ table, column }, call, spec, EXAMPLE);
  draft.refuseUnknownOptions(ALL_OPTIONS);
  const protect = draft.oneOf('protect', PROTECTS);
  refuseMisplacedOptions(draft, protect);
  checkMeasured(draft);
  checkCategory(draft);
  if (draft.has('basis')) draft.oneOf('basis', BASIS_KEYS);
  draft.textIfGiven('purpose', 'what it is for');
  if (draft.has('subject')) checkSubject(draft.nested('subject', { via: 'recipient_id' }));
  const defaults = { origin: draft.oneOf('origin', ORIGIN_KEYS, 'provided'), ...CHECKS[protect](draft) };
  return { ...draft.given, ...defaults } as SettledPersonalSpec;
}

function checkSubject(subject: Draft): void {
  subject.refuseUnknownOptions(['via', 'kind']);
  subject.text('via', 'recipient_id');
  subject.textIfGiven('kind', 'user');
}

/**
 * Checks one `.notPersonal()` declaration: the reason is what an auditor reads.
 *
 * @param measured `quasiIdentifier`, `sensitive`: what singles nobody out alone may do so together
 */
export function checkNotPersonal(
  table: string,
  column: string,
  because: unknown,
  measured: unknown = {},
): NotPersonalSpec {
  const call = (): string => `.notPersonal('${REASON}')  // ${table}.${column}`;
  const draft = new Draft({ table, column }, call, { because });
  const said = { notPersonal: draft.text('because', REASON, 'NOT_PERSONAL_WITHOUT_BECAUSE') };
  const also = new Draft({ table, column }, (code) => `.notPersonal('…', ${code})  // ${table}.${column}`, measured);
  also.refuseUnknownOptions(MEASURED);
  checkMeasured(also);
  return { ...said, ...also.given } as NotPersonalSpec;
}

const CHECKS: Readonly<Record<Protect, (draft: Draft) => Fields>> = {
  encrypt(draft) {
    if (draft.has('search')) checkSearch(draft);
    else refuseWithoutSearch(draft);
    if (draft.has('tokens')) checkTokens(draft);
    if (draft.has('maxBytes')) checkMaxBytes(draft);
    return { pad: draft.oneOf('pad', PADS, '16') };
  },
  pseudonymise(draft) {
    checkAnonymise(draft, 'pseudonymise');
    return {};
  },
  'truncate-ip': (draft) => ({
    v4: draft.oneOf('v4', [24, 16], 24),
    v6: draft.oneOf('v6', [48, 32], 48),
  }),
  clear(draft) {
    draft.text('because', REASON, 'CLEAR_WITHOUT_BECAUSE');
    const { replaceWith } = draft.given;
    if (!['undefined', 'string', 'number', 'boolean'].includes(typeof replaceWith)) {
      const names = { option: 'replaceWith', given: shown(replaceWith), choices: 'a string, a number or a boolean' };
      draft.refuse('BAD_OPTION', names, { replaceWith: '' });
    }
    checkAnonymise(draft, 'clear');
    if (draft.has('statistics')) draft.oneOf('statistics', ['none']);
    return {};
  },
};

/** A value is held in memory whole, several times over, by whoever seals it and by whoever opens it. */
function checkMaxBytes(draft: Draft): void {
  const { maxBytes } = draft.given;
  if (typeof maxBytes === 'number' && Number.isInteger(maxBytes) && maxBytes >= 1 && maxBytes <= MOST_BYTES) return;
  const choices = `a whole number of bytes, from 1 to ${MOST_BYTES}`;
  draft.refuse('BAD_OPTION', { option: 'maxBytes', given: shown(maxBytes), choices }, { maxBytes: 4_194_304 });
}

function checkSearch(draft: Draft): void {
  if (isFields(draft.given.search)) checkSearchObject(draft.nested('search', { as: 'exact' }));
  else draft.oneOf('search', SEARCHES);
  if (draft.has('unique')) draft.oneOf('unique', [true]);
  draft.textIfGiven('acknowledgeLeak', REASON);
}

function checkSearchObject(search: Draft): void {
  search.refuseUnknownOptions(['as', 'group', 'with']);
  search.oneOf('as', SEARCHES);
  if (search.has('with')) checkCompound(search);
  const { group } = search.given;
  if (group === undefined || (typeof group === 'string' && /^[a-z][a-z0-9_]*$/.test(group))) return;
  const choices = 'one word of lower-case letters, digits and _';
  search.refuse('BAD_OPTION', { option: 'search.group', given: shown(group), choices }, { group: 'contact' });
}

/** A group compares single values, a compound index several: a column's values have room for one index. */
function checkCompound(search: Draft): void {
  if (search.has('group')) search.refuse('GROUP_OF_COMPOUND', {}, { group: undefined });
  const members = search.nested('with', { birth_date: 'exact' });
  const names = Object.keys(members.given);
  if (names.length === 0) search.refuse('MISSING_OPTION', { option: 'search.with' }, { with: { birth_date: 'exact' } });
  for (const name of names) members.oneOf(name, SEARCHES);
}

function refuseWithoutSearch(draft: Draft): void {
  const option = ['unique', 'acknowledgeLeak'].find(
    (one) => draft.has(one) && !(one !== 'unique' && draft.has('tokens')),
  );
  if (option !== undefined) draft.refuse('NEEDS_SEARCH', { option }, { search: 'exact' });
}

/** An option of another protection: someone expects what this one does not do. */
function refuseMisplacedOptions(draft: Draft, protect: Protect): void {
  const misplaced = ALL_OPTIONS.filter((one) => draft.has(one) && !belongs(one, protect));
  const [option] = misplaced;
  if (option === undefined) return;
  const home = PROTECTS.find((one) => OPTIONS_OF[one].includes(option));
  const wanted = ['search', 'unique', 'tokens'].some((one) => draft.has(one)) ? 'encrypt' : protect;
  const dropped = ALL_OPTIONS.filter((one) => !belongs(one, wanted)).map((one) => [one, undefined] as const);
  const search = wanted === 'encrypt' && !draft.has('search') && draft.has('unique') ? { search: 'exact' } : {};
  draft.refuse(
    'MISPLACED_OPTION',
    { option, protect, home },
    {
      protect: wanted,
      ...Object.fromEntries(dropped),
      ...search,
    },
  );
}

function belongs(option: string, protect: Protect): boolean {
  return (COMMON as readonly string[]).includes(option) || OPTIONS_OF[protect].includes(option);
}
