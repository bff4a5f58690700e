/**
 * What becomes of a personal column of a row that stays (ERASURE.md A6, A7): SQL that is the same for every row, and the legal
 * effect that the strategy declares. Only what erases closes an erasure by itself; what generalises does if its tests pass;
 * what leaves a pseudonym never does (GDPR recital 26; Art. 4(5)).
 */
import type { Column, Table } from '../catalogue/model';
import type { Anonymise } from '../catalogue/spec';
import { AnnotationError } from '../errors';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import { fakeReplacement } from './fake-value';
import { generalised } from './generalise';
import { LEAST_DIGITS, lengthOf, type Place, type Replacement } from './replacement';

const ERASES = { effect: 'erases' } as const;

/** @throws AnnotationError REPLACEMENT_MISSING, STRATEGY_TYPE */
export function replacementOf(table: Table, column: Column, alias: string, mark: string): Replacement {
  const place = { table, column, name: `${alias}.${q(column.name)}`, mark };
  const { spec } = column;
  if (column.generatedFrom) return { ...ERASES, strategy: 'computed', value: undefined, stands: 'true', unique: false };
  const said = spec && 'protect' in spec && 'anonymise' in spec ? spec.anonymise : undefined;
  if (said === 'pseudonym') return pseudonym();
  if (said !== undefined) return declared(place, said);
  if (!column.notNull) {
    return { ...ERASES, strategy: 'null', value: 'null', stands: `${place.name} is null`, unique: false };
  }
  return column.element ? ofProtected(place) : ofClear(place);
}

/** What was stored as a pseudonym stays one: re-linkable by whoever kept the key, or the list that it was made from. */
function pseudonym(): Replacement {
  const effect = 'pseudonymises (still personal)';
  return { strategy: 'pseudonym', effect, value: undefined, stands: 'true', unique: true };
}

function declared(place: Place, said: Anonymise): Replacement {
  return 'fake' in said ? fakeReplacement(place, said.fake) : generalised(place, said);
}

function ofProtected({ column: { element, name: column }, name, mark }: Place): Replacement {
  switch (element?.protect) {
    case 'encrypt':
      return {
        ...ERASES,
        strategy: 'tombstone',
        value: `oubli.tombstone(${element.id}, ${element.normaliser !== undefined}, ${mark} || ${literal(column)})`,
        stands: `oubli.key_id(${name}::bytea) is null`,
        unique: true,
      };
    case 'pseudonymise':
      // 43 characters of base64url are a pseudonym's form; md5 only spreads the random salt over them
      return {
        ...ERASES,
        strategy: 'random',
        value: `'psn1.' || left(md5(${mark}) || md5(${mark} || '2'), 43)`,
        stands: `${name} ~ '^psn1[.][0-9a-f]{43}$'`,
        unique: true,
      };
    default:
      return fixed(`'0.0.0.0'`, `${name} = '0.0.0.0'`);
  }
}

function ofClear(place: Place): Replacement {
  const { table, column, name, mark } = place;
  const { spec, type } = column;
  const given = spec && 'protect' in spec && spec.protect === 'clear' ? spec.replaceWith : undefined;
  if (given !== undefined) {
    const value = `${literal(String(given))}::${type}`;
    return fixed(value, `${name} = ${value}`);
  }
  const empty = emptyOf(place);
  if (empty) return empty;
  const length = lengthOf(type);
  if (length === undefined || length < LEAST_DIGITS) {
    throw new AnnotationError('REPLACEMENT_MISSING', { table: table.name, column: column.name, type });
  }
  // RFC 2606 §2: .invalid never resolves, so nothing can be sent to it.
  const isAddress = spec && 'category' in spec && spec.category === 'contact.email';
  const [before, after] = isAddress ? ['', '@erased.invalid'] : ['erased-', ''];
  if (length < before.length + 32 + after.length) {
    return random(`left(md5(${mark}), ${length})`, `${name} ~ '^[0-9a-f]{${Math.min(32, length)}} *$'`);
  }
  const value = `${literal(before)} || md5(${mark}) || ${literal(after)}`;
  return random(`(${value})::${type}`, `${name} ~ '^${before}[0-9a-f]{32}${after.replace('.', '[.]')} *$'`);
}

const RANGE = /^(\w+range|\w+multirange)$/;

/** Types that have a value of nobody's by themselves. */
function emptyOf({ column: { type }, name, mark }: Place): Replacement | undefined {
  const is = (value: string, stands = `${name} = ${value}`): Replacement => ({
    ...ERASES,
    strategy: 'empty',
    value,
    stands,
    unique: false,
  });
  if (type.endsWith('[]')) return is(`'{}'::${type}`);
  if (type === 'bytea') return is(`'\\x'::bytea`);
  if (RANGE.test(type)) return is(type.endsWith('multirange') ? `'{}'::${type}` : `'empty'::${type}`);
  if (type === 'json' || type === 'jsonb') return is(`'{}'::${type}`, `${name}::text = '{}'`);
  // no generator of UUIDs writes eight zero bytes first
  if (type === 'uuid')
    return random(
      `('00000000-0000-0000-' || left(md5(${mark}), 4) || '-' || substr(md5(${mark}), 5, 12))::uuid`,
      `${name}::text ~ '^00000000-0000-0000-'`,
    );
  return undefined;
}

function fixed(value: string, stands: string): Replacement {
  return { ...ERASES, strategy: 'fixed', value, stands, unique: false };
}

function random(value: string, stands: string): Replacement {
  return { ...ERASES, strategy: 'random', value, stands, unique: true };
}
