/**
 * The run-time check of what a declaration says about anonymised rows: what stays of a value (ERASURE.md A6, A7), and by what
 * it is measured whether that singles somebody out.
 */
import { type Draft, shown } from './draft';
import type { Fake } from './spec';
import { isFields } from './written';

/** Options by which k and l are measured. */
export const MEASURED = ['quasiIdentifier', 'sensitive'] as const;

export const FAKES: readonly Fake[] = ['name', 'first_name', 'last_name', 'username', 'company', 'email'];

const STRATEGIES = ['to', 'prefix', 'range', 'fake'] as const;
const EXAMPLE = { anonymise: { to: 'year' } };
const HASH = /hash|sha-?\d|md5|hmac|blake|digest/i;

/** @param protect what the column is protected by: only a pseudonym can stay one */
export function checkAnonymise(draft: Draft, protect: 'clear' | 'pseudonymise'): void {
  if (!draft.has('anonymise')) return;
  const said = draft.given.anonymise;
  if (typeof said === 'string' && HASH.test(said)) draft.refuse('HASH_IS_PSEUDONYM', {}, EXAMPLE);
  if (protect === 'pseudonymise') draft.oneOf('anonymise', ['pseudonym']);
  else checkStrategy(draft);
}

export function checkMeasured(draft: Draft): void {
  for (const option of MEASURED) if (draft.has(option)) draft.oneOf(option, [true]);
}

function checkStrategy(draft: Draft): void {
  if (draft.has('replaceWith')) draft.refuse('REPLACED_TWICE', {}, { replaceWith: undefined });
  if (!isFields(draft.given.anonymise)) {
    const names = {
      option: 'anonymise',
      given: shown(draft.given.anonymise),
      choices: "{ to: 'year' }, { prefix: 2 }",
    };
    draft.refuse('BAD_OPTION', names, EXAMPLE);
  }
  const strategy = draft.nested('anonymise', EXAMPLE.anonymise);
  strategy.refuseUnknownOptions(STRATEGIES);
  const [first, second] = STRATEGIES.filter((one) => strategy.has(one));
  if (first === undefined) strategy.refuse('MISSING_OPTION', { option: 'anonymise' }, { to: 'year' });
  if (second !== undefined)
    strategy.refuse('BAD_OPTION', { option: second, given: second, choices: first }, { [second]: undefined });
  if (first === 'to') strategy.oneOf('to', ['year', 'month']);
  else if (first === 'fake') strategy.oneOf('fake', FAKES);
  else if (first !== undefined) checkCount(strategy, first);
}

function checkCount(strategy: Draft, option: 'prefix' | 'range'): void {
  const given = strategy.given[option];
  if (typeof given === 'number' && Number.isSafeInteger(given) && given >= 1) return;
  strategy.refuse(
    'BAD_OPTION',
    { option: `anonymise.${option}`, given: shown(given), choices: 'a whole number from 1 on' },
    { [option]: option === 'prefix' ? 2 : 10 },
  );
}
