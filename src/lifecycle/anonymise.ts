/**
 * What an anonymised row holds instead of a person (ERASURE.md A6, A7): NULL wherever the column allows it, else a value that
 * belongs to nobody, is unique by construction and stands in reserved space. Legal effect: the row *anonymises* only if what
 * stays identifies nobody; the link to the person's key is gone in every case.
 */
import { type Column, isPersonal, type Table } from '../catalogue/model';
import { AnnotationError } from '../errors';
import { quoteIdentifier as q } from '../queryable';

/**
 * The SET list that takes the person out of rows of a table.
 * @param alias of the table
 * @param salt SQL of a random text, so that replacements cannot be computed from the row's key
 * @throws AnnotationError REPLACEMENT_MISSING
 */
export function anonymisingAssignments(table: Table, alias: string, salt: string): string[] {
  const mark = `${rowName(table, alias)} || ${salt}`;
  return [...table.columns.values()]
    .filter(isPersonal)
    .map((column) => `${q(column.name)} = ${replacement(table, column, mark)}`);
}

function replacement(table: Table, column: Column, mark: string): string {
  if (!column.notNull) return 'null';
  const { element } = column;
  switch (element?.protect) {
    case 'encrypt':
      return `oubli.tombstone(${element.id}, ${element.normaliser !== undefined}, ${mark} || '${column.name.replaceAll("'", "''")}')`;
    case 'pseudonymise':
      // 43 characters of base64url are a pseudonym's form; md5 only spreads the random salt over them
      return `'psn1.' || left(md5(${mark}) || md5(${mark} || '2'), 43)`;
    case 'truncate-ip':
      return "'0.0.0.0'";
    default:
      return clearReplacement(table, column, mark);
  }
}

function clearReplacement(table: Table, column: Column, mark: string): string {
  const { spec, type } = column;
  const given = spec && 'protect' in spec && spec.protect === 'clear' ? spec.replaceWith : undefined;
  if (given !== undefined) return `'${String(given).replaceAll("'", "''")}'::${type}`;
  if (!/^(text|character varying|varchar)/.test(type)) {
    throw new AnnotationError('REPLACEMENT_MISSING', { table: table.name, column: column.name, type });
  }
  const isAddress = spec && 'category' in spec && spec.category === 'contact.email';
  // RFC 2606 §2: .invalid never resolves, so nothing can be sent to it.
  return isAddress ? `md5(${mark}) || '@erased.invalid'` : `('erased-' || md5(${mark}))::${type}`;
}

/** A text that tells the rows of a table apart. */
function rowName(table: Table, alias: string): string {
  if (table.primaryKey.length === 0) return `${alias}.ctid::text`;
  return table.primaryKey.map((name) => `${alias}.${q(name)}::text`).join(` || ',' || `);
}
