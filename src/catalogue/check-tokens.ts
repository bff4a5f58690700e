/**
 * The check of `tokens`: what a sealed text can be found by besides its whole. It leaks more than a blind index, so it is never
 * declared without a reason that an auditor can read (ENVELOPE.md I2).
 */
import { type Draft, shown } from './draft';
import type { Fields } from './written';

/** Of one letter there are so few that their frequencies name them: two is the least of which there are hundreds. */
const SHORTEST_PREFIX = 2;
/** So that the tokens of a value stay few; as long as what is asked for by its beginning ever is. */
const LONGEST_PREFIX = 32;
const EXAMPLE = { prefix: { min: 3, max: 8 }, as: 'lowercase' };

/** @throws AnnotationError naming the option, with the declaration corrected in `fix` */
export function checkTokens(draft: Draft): void {
  const tokens = draft.nested('tokens', EXAMPLE);
  tokens.refuseUnknownOptions(['as', 'prefix', 'words']);
  tokens.oneOf('as', ['lowercase', 'unaccented']);
  if (tokens.has('words')) tokens.oneOf('words', [true]);
  else if (!tokens.has('prefix')) tokens.refuse('MISSING_OPTION', { option: 'tokens.prefix' }, EXAMPLE);
  if (tokens.has('prefix')) checkPrefix(tokens.nested('prefix', EXAMPLE.prefix));
  draft.text('acknowledgeLeak', 'say why', 'LEAKY_TOKENS');
}

function checkPrefix(prefix: Draft): void {
  prefix.refuseUnknownOptions(['min', 'max']);
  const { max } = prefix.given;
  const min = length(prefix, 'min', SHORTEST_PREFIX, LONGEST_PREFIX, { ...EXAMPLE.prefix, ...(max ? { max } : {}) });
  length(prefix, 'max', min, LONGEST_PREFIX, { max: Math.max(min, EXAMPLE.prefix.max) });
}

function length(prefix: Draft, option: string, least: number, most: number, correction: Fields): number {
  const value = prefix.given[option];
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  const names = {
    option: `tokens.prefix.${option}`,
    given: shown(value),
    choices: `a number from ${least} to ${most}`,
  };
  return prefix.refuse(value === undefined ? 'MISSING_OPTION' : 'BAD_OPTION', names, correction);
}
