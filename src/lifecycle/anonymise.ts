/**
 * What an anonymised row holds instead of a person (ERASURE.md A6, A7): NULL wherever the column allows it, else a value that
 * belongs to nobody, is unique by construction and stands in reserved space. Legal effect: the row *anonymises* only if what
 * stays identifies nobody; the link to the person's key is gone in every case.
 */
import { type Column, isPersonal, type Table } from '../catalogue/model';
import { AnnotationError } from '../errors';
import { quoteIdentifier as q } from '../queryable';
import { literal } from './due';

interface Replacement {
  /** SQL of the value. */
  readonly value: string;
  /** SQL condition: the column holds such a value already. */
  readonly stands: string;
}

/**
 * The SET list that takes the person out of rows of a table.
 * @param alias of the table
 * @param salt SQL of a random text, so that replacements cannot be computed from the row's key
 * @throws AnnotationError REPLACEMENT_MISSING
 */
export function anonymisingAssignments(table: Table, alias: string, salt: string): string[] {
  const mark = `${rowName(table, alias)} || ${salt}`;
  return personalColumns(table).map((column) => `${q(column.name)} = ${replacement(table, column, alias, mark).value}`);
}

/** SQL of what stands in one column of an anonymised row. */
export function replacementOf(table: Table, column: Column, alias: string, salt: string): string {
  return replacement(table, column, alias, `${rowName(table, alias)} || ${salt}`).value;
}

/**
 * SQL condition: the row was not anonymised yet. Without it, rows that stay would be due for ever.
 * @param columns those of one of several people; all personal ones otherwise
 */
export function stillPersonal(
  table: Table,
  alias: string,
  columns: readonly Column[] = personalColumns(table),
): string {
  const untouched = columns.map((column) => `not (${replacement(table, column, alias, "''").stands})`);
  return untouched.length === 0 ? 'false' : `(${untouched.join(' or ')})`;
}

function personalColumns(table: Table): Column[] {
  return [...table.columns.values()].filter(isPersonal);
}

function replacement(table: Table, column: Column, alias: string, mark: string): Replacement {
  const name = `${alias}.${q(column.name)}`;
  const { element, notNull } = column;
  if (!notNull) return { value: 'null', stands: `${name} is null` };
  switch (element?.protect) {
    case 'encrypt':
      return {
        value: `oubli.tombstone(${element.id}, ${element.normaliser !== undefined}, ${mark} || ${literal(column.name)})`,
        stands: `oubli.key_id(${name}::bytea) is null`,
      };
    case 'pseudonymise':
      // 43 characters of base64url are a pseudonym's form; md5 only spreads the random salt over them
      return {
        value: `'psn1.' || left(md5(${mark}) || md5(${mark} || '2'), 43)`,
        stands: `${name} ~ '^psn1[.][0-9a-f]{43}$'`,
      };
    case 'truncate-ip':
      return { value: "'0.0.0.0'", stands: `${name} = '0.0.0.0'` };
    default:
      return clearReplacement(table, column, name, mark);
  }
}

const TEXT = /^(text|(?:\w+\.)?citext|bpchar|(?:character varying|varchar|character|char)(?:\((\d+)\))?)$/;
/** Fewer hexadecimal digits would meet again among ten million rows. */
const LEAST_DIGITS = 16;

function clearReplacement(table: Table, { spec, type, name: column }: Column, name: string, mark: string): Replacement {
  const given = spec && 'protect' in spec && spec.protect === 'clear' ? spec.replaceWith : undefined;
  if (given !== undefined) {
    const value = `${literal(String(given))}::${type}`;
    return { value, stands: `${name} = ${value}` };
  }
  const [isText, , length = '999'] = TEXT.exec(type) ?? [];
  if (isText === undefined || Number(length) < LEAST_DIGITS) {
    throw new AnnotationError('REPLACEMENT_MISSING', { table: table.name, column, type });
  }
  // RFC 2606 §2: .invalid never resolves, so nothing can be sent to it.
  const isAddress = spec && 'category' in spec && spec.category === 'contact.email';
  const [before, after] = isAddress ? ['', '@erased.invalid'] : ['erased-', ''];
  if (Number(length) < before.length + 32 + after.length) {
    return {
      value: `left(md5(${mark}), ${length})`,
      stands: `${name} ~ '^[0-9a-f]{${Math.min(32, Number(length))}} *$'`,
    };
  }
  const value = `${literal(before)} || md5(${mark}) || ${literal(after)}`;
  return { value: `(${value})::${type}`, stands: `${name} ~ '^${before}[0-9a-f]{32}${after.replace('.', '[.]')} *$'` };
}

/** A text that tells the rows of a table apart. */
function rowName(table: Table, alias: string): string {
  if (table.primaryKey.length === 0) return `${alias}.tableoid::bigint || ' ' || ${alias}.ctid`;
  return table.primaryKey.map((name) => `${alias}.${q(name)}::text`).join(` || ',' || `);
}
