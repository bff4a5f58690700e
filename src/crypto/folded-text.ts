/**
 * The normalisers `lowercase`, `digits` and `unaccented`: what two spellings of a name, of a word or of a number have in common
 * (ENVELOPE.md I1). Version 1 of each; a change of one answer here is a new version, for the indexes of rows already written
 * would no longer be found.
 *
 * By Unicode's own tables, in no language's way: the case mapping is the full one without tailoring (Unicode 3.13; Turkish `I` is
 * `i`, not `ı`), the forms are NFC and NFKD (UAX #15). Both are stable for characters that are assigned; one that the Unicode of
 * an older Node does not know yet may be compared otherwise there.
 */
import { InvalidValueError, type Names } from '../errors';
import { storableText } from './text';

/** Case does not count, nor how accents are composed; all else does, spaces too. `ß` is not `ss`. */
export function normaliseLowercase(text: string, names: Names = {}): string {
  return lower(storableText(text, names).normalize('NFC')).normalize('NFC');
}

/**
 * Neither case nor marks count, nor compatibility forms: `É`, `é`, `e` are one, so are `ﬁ` and `fi`, `Ａ` and `a`. Letters of
 * their own stay what they are: `ø` is not `o`, `ł` not `l`, `ß` not `ss`. Spaces and punctuation count.
 */
export function normaliseUnaccented(text: string, names: Names = {}): string {
  return unmarked(lower(unmarked(storableText(text, names))));
}

/**
 * Decimal digits only, of whatever script, as 0 to 9. Everything between them is dropped, a `+` too: `+33 6 12` is `33612`. What
 * is itself made of digits stays: `0033 6 12` and `06 12` are other numbers, since what they stand for depends on where they
 * are dialled. Store one form (E.164) where they shall be found as one.
 *
 * @throws {InvalidValueError} when there is no digit: all such texts would be equal
 */
export function normaliseDigits(text: string, names: Names = {}): string {
  const digits = storableText(text, names).match(DIGIT);
  if (!digits) throw new InvalidValueError('VALUE_HAS_NO_DIGITS', names);
  return digits.map(asciiDigit).join('');
}

/** `Σ` is `ς` at the end of a word and `σ` elsewhere; to a search they are one letter. */
function lower(text: string): string {
  return text.toLowerCase().replaceAll('ς', 'σ');
}

function unmarked(text: string): string {
  return text.normalize('NFKD').replace(MARKS, '');
}

const MARKS = /\p{Mark}/gu;
const DIGIT = /\p{Decimal_Number}/gu;
const IS_DIGIT = /^\p{Decimal_Number}$/u;

/** Every script's digits stand together in rising order from its zero, and next to them stand only other tens (Unicode 4.6). */
function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0) as number;
  let place = 0;
  while (IS_DIGIT.test(String.fromCodePoint(code - place - 1))) place++;
  return String(place % 10);
}
