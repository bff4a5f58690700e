/**
 * The way back out of `annotate()`: the sealed values of a table are opened chunk by chunk while the application goes on, and at
 * the end, under a lock, the rest; then the columns get the types again that they were declared with. Interrupted, it goes on
 * where it was when it is run again, or is called back by a backfill.
 */
import type { Column, Table } from '../catalogue/model';
import { suggest } from '../catalogue/suggest';
import { AnnotationError } from '../errors';
import type { Ledger } from '../registers/ledger';
import type { SealingParts } from './backfill-chunk';
import { refuseDuplicates } from './duplicates';
import { asAnnotationError } from './migration-errors';
import { ReleaseChunk } from './release-chunk';
import { type PassOptions, TablePasses, type Transaction, throughAll } from './table-passes';

export interface ReleaseParts extends SealingParts {
  readonly transaction: Transaction;
  readonly ledger: Ledger;
}

export interface ReleaseOptions extends PassOptions {
  /** All that are protected unless some are named. */
  readonly columns?: readonly string[];
  /** Why whoever reads the database may read them from now on: recorded in the declaration and in the ledger. */
  readonly because: string;
}

export interface ReleaseReport {
  readonly table: string;
  /** Rows that were opened. */
  readonly rows: number;
  readonly columns: readonly string[];
}

/** What a pass may leave for the end, when nobody can write meanwhile. */
const FEW_ROWS = 1000;
const MOST_PASSES = 3;

/**
 * @throws AnnotationError CLEAR_WITHOUT_BECAUSE, NOT_PROTECTED, TYPE_SHARED with a view or a copy, TYPE_DEPENDED_ON, NULL_OF_ERASED, DUPLICATES
 */
export async function releaseTable(parts: ReleaseParts, table: Table, options: ReleaseOptions): Promise<ReleaseReport> {
  if (!options.because?.trim())
    throw new AnnotationError('CLEAR_WITHOUT_BECAUSE', { table: table.name, corrected: CALL });
  const columns = protectedColumns(table, options.columns);
  const names = columns.map((column) => column.name);
  const chunk = new ReleaseChunk(
    parts,
    table,
    columns.filter((column) => column.element?.protect === 'encrypt'),
  );
  const passes = new TablePasses(parts.transaction, table.sqlName, (...block) => chunk.run(...block), options);
  await call(parts, 'select oubli.begin_release($1::regclass, $2::name[])', [table.sqlName, names]);
  for (let pass = 1; (await passes.once()) > FEW_ROWS && pass < MOST_PASSES; ) pass += 1;
  const last = await end(parts, table, columns, chunk, options.because);
  return { table: table.displayName, rows: passes.rows + last, columns: names };
}

const CALL = `await unprotect('customers', { because: 'say why' })`;

/** Which columns an `unprotect` is about. @throws AnnotationError NOT_PROTECTED */
export function protectedColumns(table: Table, wanted: readonly string[] = []): Column[] {
  const found = [...table.columns.values()].filter((column) => column.element);
  const names = found.map((column) => column.name);
  for (const column of wanted) {
    if (names.includes(column)) continue;
    throw new AnnotationError('NOT_PROTECTED', { table: table.name, column, suggestion: suggest(column, names) });
  }
  if (found.length === 0) throw new AnnotationError('NOT_PROTECTED', { table: table.name });
  return found.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
}

/** Nobody reads or writes the table from here on; it is rewritten once. */
async function end(
  parts: ReleaseParts,
  table: Table,
  columns: readonly Column[],
  chunk: ReleaseChunk,
  because: string,
): Promise<number> {
  const names = columns.map((column) => column.name);
  try {
    return await parts.transaction(async (connection) => {
      await connection.query(`lock table ${table.sqlName} in access exclusive mode`);
      const rows = await throughAll(connection, table.sqlName, (...block) => chunk.run(...block));
      await connection.query('select oubli.end_release($1::regclass, $2::name[], $3)', [table.sqlName, names, because]);
      const details = { table: table.displayName, columns: names };
      await parts.ledger.record(connection, [{ act: 'unprotected', because, details }]);
      return rows;
    });
  } catch (error) {
    const again = `npx oubli unprotect ${table.displayName} ${names.join(' ')}`;
    if ((error as { code?: string }).code === '23505')
      await parts.transaction((connection) => refuseDuplicates(connection, table, columns, 'text', again));
    throw error;
  }
}

async function call(parts: ReleaseParts, sql: string, params: unknown[]): Promise<void> {
  try {
    await parts.transaction((connection) => connection.query(sql, params));
  } catch (error) {
    throw asAnnotationError(error);
  }
}
