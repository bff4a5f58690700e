/** The same rows twice: as the application reads them, and as PostgreSQL holds them. */
import type { Knex } from 'knex';
import type { Client } from 'pg';
import type { Cells } from './stage';

/** One row, column by column. */
export async function rowTwice(db: Knex, psql: Client, table: string, id: number): Promise<Cells> {
  const read = await db(table).where({ id }).first();
  const held = await heldRow(psql, table, id);
  return Object.keys(held).map((column) => [column, asCell(read[column]), asCell(held[column])]);
}

/** A row as psql prints it, every value in PostgreSQL's own text. */
export async function heldRow(psql: Client, table: string, id: number): Promise<Record<string, string | null>> {
  const columns = await psql.query('select attname from pg_attribute where attrelid = $1::regclass and attnum > 0', [
    table,
  ]);
  const texts = columns.rows.map(({ attname }) => `${attname}::text`).join(', ');
  return (await psql.query(`select ${texts} from ${table} where id = $1`, [id])).rows[0];
}

/** Hex of a sealed value is long and says nothing: its beginning and its length will do. */
export function asCell(value: unknown): string {
  if (value === null || value === undefined) return '(null)';
  if (value instanceof Date) return localDay(value);
  const text = String(value).replace(/\/(32|128)$/, ''); // of an address: all bits, which psql does not print either
  if (!text.startsWith('\\x')) return text;
  return `${text.slice(0, 16)}… (${text.length / 2 - 1} bytes)`;
}

/** pg reads a date as midnight of the process's time zone. */
export function localDay(date: Date): string {
  const [month, day] = [date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, '0'));
  return `${date.getFullYear()}-${month}-${day}`;
}
