/**
 * Equal values in a column that is declared unique: PostgreSQL says so when it builds the index, and names a ciphertext. Here it
 * is said with how many there are and with the query that shows which rows, without their values.
 */
import type { Column, Table } from '../catalogue/model';
import { AnnotationError } from '../errors';
import { type Queryable, quoteIdentifier as q } from '../queryable';

/**
 * @param by what of a value is compared: its blind index, or, of a column on its way out, the bytes of its text
 * @param again what to run when they are gone
 * @throws AnnotationError DUPLICATES for the first column that has some
 */
export async function refuseDuplicates(
  connection: Queryable,
  table: Table,
  columns: readonly Column[],
  by: 'blind index' | 'text',
  again: string,
): Promise<void> {
  for (const column of columns.filter(isUnique)) {
    const query = duplicates(table, column, by);
    const { rows } = await connection.query(`select count(*) as n from (${query}) d`);
    const count = Number(rows[0]?.n);
    if (count > 0)
      throw new AnnotationError('DUPLICATES', { table: table.name, column: column.name, count, query, again });
  }
}

function isUnique({ spec }: Column): boolean {
  return spec !== undefined && 'unique' in spec && spec.unique === true;
}

/** SQL of one row per value that several rows hold: how often, and which rows. */
function duplicates(table: Table, column: Column, by: 'blind index' | 'text'): string {
  const bytes = `${q(column.name)}::bytea`;
  const compared = by === 'text' ? bytes : `substring(${bytes} from 9 for 16)`;
  const key = table.primaryKey.map(q).join(', ') || 'ctid';
  const rows = table.primaryKey.length > 1 ? `row(${key})` : key;
  return `select count(*), array_agg(${rows}) as rows from ${table.sqlName} where ${q(column.name)} is not null group by ${compared} having count(*) > 1`;
}
