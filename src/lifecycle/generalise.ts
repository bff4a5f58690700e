/**
 * Values made coarser, computed by PostgreSQL in the erasing statement: the year of a date, the first characters of a
 * postcode, the step that a number is on. What is left describes many people, or one: so the effect is that it anonymises
 * *if its tests pass* (Art. 29 Working Party, opinion 05/2014 §3.2), and k and l are measured beside it. NULL stays NULL.
 */
import type { Anonymise } from '../catalogue/spec';
import { AnnotationError } from '../errors';
import { lengthOf, type Place, type Replacement } from './replacement';

type Generalisation = Exclude<Anonymise, { readonly fake: unknown }>;

const DATES = /^(date|timestamp(\(\d\))? with(out)? time zone)$/;
const NUMBERS = /^(smallint|integer|bigint|real|double precision|numeric(\(.*\))?)$/;

/** @throws AnnotationError STRATEGY_TYPE where the column's type has no such thing */
export function generalised(place: Place, said: Generalisation): Replacement {
  const value = coarser(place, said);
  const effect = 'anonymises if its tests pass';
  return {
    strategy: 'generalised',
    effect,
    value,
    stands: `${place.name} is not distinct from ${value}`,
    unique: false,
  };
}

function coarser(place: Place, said: Generalisation): string {
  const { name } = place;
  const { type } = place.column;
  if ('to' in said) {
    refuseUnless(DATES.test(type), place, 'to', 'the first day of a month or a year');
    // of an instant the year is UTC's, so that it depends on no session
    const zone = type.endsWith('with time zone') ? ", 'UTC'" : '';
    return `date_trunc('${said.to}', ${name}${zone})::${type}`;
  }
  if ('prefix' in said) {
    refuseUnless(lengthOf(type) !== undefined, place, 'prefix', 'the beginning of a text');
    return `left(${name}::text, ${said.prefix})::${type}`;
  }
  refuseUnless(NUMBERS.test(type), place, 'range', 'a round number');
  // towards zero, so that no step lies beyond what the type can hold
  return `(trunc(${name}::numeric / ${said.range}) * ${said.range})::${type}`;
}

function refuseUnless(fits: boolean, { table, column }: Place, option: string, wanted: string): void {
  if (fits) return;
  throw new AnnotationError('STRATEGY_TYPE', {
    table: table.name,
    column: column.name,
    type: column.type,
    option,
    wanted,
  });
}
