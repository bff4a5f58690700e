/**
 * The normaliser `email`: what two spellings of one address have in common (ENVELOPE.md I1). Version 1; a change of one
 * answer here is a new version, for the indexes of rows already written would no longer be found.
 *
 * Trim, NFC, lower case, the domain in its ASCII form (UTS 46) after the last `@`. No folding of dots or `+tags`: only
 * the receiving host knows what they mean (RFC 5321 §2.3.11). Invisible characters are refused, not removed: an address
 * that looks like another's and is not is an attack or an accident, and both should be seen.
 */
import { domainToASCII } from 'node:url';
import { InvalidValueError, type Names } from '../errors';
import { storableText } from './text';

const OUTER_WHITE_SPACE = /^\p{White_Space}+|\p{White_Space}+$/gu;
/** White space, control and format characters (zero width, bidi, soft hyphen, BOM), fillers, the blank of Braille. */
const INVISIBLE = /[\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;
/** What ASCII a domain may hold. Asked first, for `domainToASCII` reads `a/b` as `a` and `%61` as `a`. */
const DOMAIN_ALPHABET = /^[a-zA-Z0-9._\u0080-\u{10ffff}-]+$/u;
/** Labels that are not empty, the last no number: `127.1` would be read as an IPv4 address. */
const ASCII_DOMAIN = /^(?:[a-z0-9_-]+\.)*(?!\d+$)[a-z0-9_-]+$/;

/**
 * What nearly every address is: visible ASCII with one `@`, before a domain of letters, digits and single hyphens under a top-level
 * domain of letters. Of all that follows, lower case alone changes it, and takes a tenth of the time.
 */
const PLAIN = /^[!-?A-~]+@(?:[a-z\d](?:-?[a-z\d])*\.)+[a-z]+$/i;

/** @throws {InvalidValueError} when it has no local part or domain, or something in it cannot be seen */
export function normaliseEmail(text: string, names: Names = {}): string {
  const stored = storableText(text, names);
  if (PLAIN.test(stored)) return stored.toLowerCase();
  const address = lower(stored.replace(OUTER_WHITE_SPACE, ''));
  if (INVISIBLE.test(address)) throw new InvalidValueError('EMAIL_HAS_INVISIBLES', names);
  const at = address.lastIndexOf('@');
  const local = address.slice(0, Math.max(0, at));
  const domain = asciiDomain(address.slice(at + 1));
  if (local === '' || domain === undefined) throw new InvalidValueError('VALUE_NOT_EMAIL', names);
  return `${local}@${domain}`;
}

/** Composed again after lowering: `toLowerCase` may leave a letter and its accent apart. */
function lower(text: string): string {
  return text.normalize('NFC').toLowerCase().normalize('NFC');
}

function asciiDomain(domain: string): string | undefined {
  const ascii = DOMAIN_ALPHABET.test(domain) ? domainToASCII(domain) : '';
  return ASCII_DOMAIN.test(ascii) ? ascii : undefined;
}
