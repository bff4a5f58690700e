/**
 * What a plan computes of ciphertext as of bytes or a text: its length, its first letter, its hash. PostgreSQL has functions of `bytea`
 * for that, and finds nothing wrong; what they answer is not true of what the column holds. Pure: an expression is data.
 */
import { COLUMN } from './plan';
import { type BlindUse, closeAt, ENVELOPE, type Meant, openAt, refusedSealed } from './plan-expressions';

/** What is made of ciphertext as of a text or of bytes, and would be something else than of what it holds. */
export const COMPUTING: ReadonlySet<string> = new Set(
  `length char_length character_length bit_length substr substring left right overlay position strpos btrim ltrim rtrim trim lower upper
   initcap reverse replace translate repeat lpad rpad split_part ascii regexp_replace regexp_match regexp_matches regexp_like regexp_count
   to_tsvector unaccent similarity soundex levenshtein md5 sha224 sha256 sha384 sha512 crc32 crc32c digest get_byte get_bit bit_count
   convert_from min max greatest least`.split(/\s+/),
);
/** A sealed column as an argument: its bytes, or its text. */
const ARGUMENT = new RegExp(`\\((${COLUMN})\\)::(?:bytea|text|character varying|character)\\b`, 'g');
const JOINED = new RegExp(`\\((${COLUMN})\\)::(?:bytea|text) \\|\\| | \\|\\| \\((${COLUMN})\\)::(?:bytea|text)`, 'g');
/** Too short for ciphertext, or not: what is shown of it is a piece. */
const CUT = new RegExp(`\\(+(${COLUMN})\\)+::(?:text\\)::)?(character varying|character)\\(\\d+\\)`, 'g');
const IS_INDEX = /^(?: FROM 9 FOR 16|, 9, 16)\)/;
const CALLED = /(?:([\w$]+)|"([^"]+)")$/;

/** @returns each sealed column of which a piece is taken, or something computed or made */
export function computationsIn(expression: string, meant: Meant): BlindUse[] {
  return [
    ...[...expression.matchAll(ARGUMENT)].flatMap((found) => computed(expression, found, meant)),
    ...[...expression.matchAll(SYNTAX)].flatMap((found) => bySyntax(expression, found, meant)),
    ...[...expression.matchAll(CUT)].flatMap(([, cut = '', type]) =>
      refusedSealed(cut, meant, 'OPERATOR', `::${type}`),
    ),
    ...[...expression.matchAll(JOINED)].flatMap(([, first, second]) =>
      refusedSealed(first ?? second ?? '', meant, 'SEALED_IN_TEXT', '||'),
    ),
  ];
}

/** Where SQL has a syntax of its own for a function, PostgreSQL writes no cast that nobody wrote. */
function bySyntax(
  expression: string,
  { 0: { length }, 1: called = '', index }: RegExpExecArray,
  meant: Meant,
): BlindUse[] {
  const end = closeAt(expression, index + length);
  const text = expression.slice(index + length, end);
  if (/ FROM 9 FOR 16$/.test(text) || (/ FROM 1 FOR 3$/.test(text) && expression.startsWith(IS_SEALED, end))) return [];
  return (withoutCalls(text.replace(CASTS, '')).match(NAMES) ?? []).flatMap((name) =>
    refusedSealed(name, meant, 'AGGREGATE', called.toLowerCase()),
  );
}

/** What other functions make of a column, `format('%s', name)`, is something else than the column. */
function withoutCalls(text: string): string {
  const shorter = text.replace(/[\w$"]+\([^()]*\)/g, '').replace(/(?<![\w$"])\(([^()]*)\)/g, ' $1 ');
  return shorter === text ? text : withoutCalls(shorter);
}

const SYNTAX = /\b(POSITION|OVERLAY|SUBSTRING|TRIM)\(/g;
const NAMES = new RegExp(COLUMN, 'g');
/** A type may have the name of a column. */
const CASTS = /::(?:"[^"]+"|[\w$.]+)/g;
/** How our operators ask whether bytes are sealed. */
const IS_SEALED = `) = ${ENVELOPE}'`;

function computed(expression: string, found: RegExpExecArray, meant: Meant): BlindUse[] {
  const end = found.index + found[0].length;
  const [, plain, quoted] = CALLED.exec(expression.slice(0, callAt(expression, found.index, end))) ?? [];
  const called = (plain ?? quoted ?? '').toLowerCase();
  if (called === 'substring' && IS_INDEX.test(expression.slice(end))) return [];
  const [, written = ''] = found;
  if (called === 'encode') return refusedSealed(written, meant, 'SEALED_IN_TEXT', called);
  return COMPUTING.has(called) ? refusedSealed(written, meant, 'AGGREGATE', called) : [];
}

/** Where the bracket opens of the list that an argument stands in; those around it alone are none. */
function callAt(expression: string, from: number, to: number): number {
  let [start, end] = [from, to];
  while (expression[start - 1] === '(' && expression[end] === ')' && !/[\w$"]/.test(expression[start - 2] ?? ' ')) {
    start--;
    end++;
  }
  return openAt(expression, start);
}
