/**
 * Parameters that PostgreSQL reads as bare bytes, in raw SQL about people. `in ($1, $2)`, `between` and `coalesce` take a sealed
 * column for the `bytea` beneath its type: whatever is given there is compared with ciphertext and matches nothing, silently.
 * Bytes that are sealed already pass, and bytes for a column that is `bytea` by itself.
 */
import type { Catalogue, Table } from '../catalogue/model';
import { hasEnvelopeShape, hasTokenShape } from '../crypto/envelope';
import { UnsupportedQueryError } from '../errors';
import { mentionsTable } from './watched-names';

const BYTEA = 17;
const BYTEA_ARRAY = 1001;

/**
 * @param type what the server said the parameter is
 * @throws UnsupportedQueryError for what cannot be meant as bytes, or could only be meant for a sealed column
 */
export function refuseForBytes(catalogue: Catalogue, sql: string, type: number, value: unknown, place: number): void {
  if (type === BYTEA) refuseUnlessBytes(catalogue, sql, value, place);
  if (type !== BYTEA_ARRAY) return;
  if (!Array.isArray(value)) refuse(value, place);
  for (const each of value.flat(Number.POSITIVE_INFINITY)) {
    if (each !== null) refuseUnlessBytes(catalogue, sql, each, place);
  }
}

function refuseUnlessBytes(catalogue: Catalogue, sql: string, value: unknown, place: number): void {
  if (!(value instanceof Uint8Array)) refuse(value, place);
  if (!hasEnvelopeShape(value) && !hasTokenShape(value) && isForSealedBytes(catalogue, sql)) refuse(value, place);
}

/** Whether the only bytes that the statement can speak of are those of a sealed column. */
function isForSealedBytes(catalogue: Catalogue, sql: string): boolean {
  const tables = catalogue.tables.filter(({ name }) => mentionsTable(sql, name));
  return tables.some(sealsBytes) && !tables.some(hasPlainBytes);
}

function sealsBytes({ columns }: Table): boolean {
  return [...columns.values()].some(({ element }) => element?.codec === 'bytes');
}

function hasPlainBytes({ columns }: Table): boolean {
  return [...columns.values()].some(({ element, type }) => element === undefined && type === 'bytea');
}

function refuse(value: unknown, parameter: number): never {
  throw new UnsupportedQueryError('VALUE_FOR_BYTEA', { parameter, given: kindOf(value) });
}

function kindOf(value: unknown): string {
  if (typeof value === 'string') return 'text';
  if (value instanceof Uint8Array) return 'a Buffer of plain bytes';
  if (typeof value !== 'object' || value === null) return `a ${typeof value}`;
  return value instanceof Date ? 'a date' : Array.isArray(value) ? 'an array' : 'an object';
}
