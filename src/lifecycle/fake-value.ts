/**
 * A readable fake in a row that stays: the fake of the person who left, which is the same in every table of one erasure, and a
 * mark of the row that makes it unique by construction and shows that it is none of anybody's. Addresses stand in reserved
 * space: RFC 2606 §2, `.invalid` never resolves.
 */
import type { Fake } from '../catalogue/spec';
import { AnnotationError } from '../errors';
import { LEAST_DIGITS, lengthOf, type Place, type Replacement } from './replacement';

const DOMAIN = '@erased.invalid';
/** A space or the beginning of the local part, `~` and the digits. */
const MARK = LEAST_DIGITS + 1;
/** Of the readable part. */
const LEAST_READABLE = 6;

/**
 * In the erasing statement `r` is who leaves, and `r.fakes` a JSON object with a fake of each kind for her.
 *
 * @throws AnnotationError STRATEGY_TYPE where a marked fake does not fit
 */
export function fakeReplacement({ table, column, name, mark }: Place, fake: Fake): Replacement {
  const room = lengthOf(column.type) ?? 0;
  const taken = fake === 'email' ? MARK + DOMAIN.length : MARK + 1;
  if (room < taken + LEAST_READABLE) {
    const wanted = `a text of ${taken + LEAST_READABLE} characters and more`;
    throw new AnnotationError('STRATEGY_TYPE', {
      table: table.name,
      column: column.name,
      type: column.type,
      option: 'fake',
      wanted,
    });
  }
  const readable = `left(r.fakes ->> '${fake}', ${room - taken})`;
  const digits = `'~' || left(md5(${mark} || '${column.position}'), ${LEAST_DIGITS})`;
  const [value, end] =
    fake === 'email'
      ? [`${readable} || ${digits} || '${DOMAIN}'`, '@erased[.]invalid']
      : [`${readable} || ' ' || ${digits}`, ''];
  return {
    strategy: 'fake',
    effect: 'erases',
    value: `(${value})::${column.type}`,
    stands: `${name} ~ '~[0-9a-f]{${LEAST_DIGITS}}${end} *$'`,
    unique: true,
  };
}
