/**
 * An update that does not name whose rows it touches: they are selected first, then it is sent once for each person, sealed
 * under her key and bound to her rows, all or none.
 */
import type { Table } from '../catalogue/model';
import { anchorColumns } from '../catalogue/subject-path';
import { UnsupportedQueryError } from '../errors';
import { withOwnTypes } from '../own-types';
import { refuseTable } from './columns';
import { factsOf, type StatementFacts } from './frame';
import {
  type CompiledQuery,
  type Connection,
  type InternalClient,
  type InternalCompiler,
  isInTransaction,
  type QueryResult,
} from './internals';
import { rollback } from './own-transactions';
import { sealBindings, sealBindingsFor } from './seal-bindings';
import type { Seam } from './seam';
import { builderOf } from './selection';

export type Narrowed = NonNullable<StatementFacts['narrowed']>;

/** Each person costs a statement; beyond this somebody should think again. */
export const MOST_SUBJECTS_PER_UPDATE = 1000;

const READS = new Set([undefined, 'select', 'first', 'pluck']);

/** What stands in `with` is carried out as often as the update is sent: it may only read. */
export function refuseRepeatedWrites(compiler: InternalCompiler, table: Table): void {
  for (const { value } of compiler.grouped.with ?? []) {
    const builder = builderOf(compiler.client, value);
    if (!builder || !READS.has(builder._method)) refuseTable('UPDATE_REPEATED', table);
  }
}

/** A cursor runs one statement: of an update that is sent once for each person, only the first person's. */
export function refuseStreamed(query: CompiledQuery): void {
  const narrowed = factsOf(query)?.narrowed;
  const [row] = narrowed?.rows ?? [];
  if (row) refuseTable('UPDATE_STREAMED', row.path.table);
}

/** The update's bindings, once for each person it concerns. */
export async function sealForEach(
  client: InternalClient,
  seam: Seam,
  connection: Connection,
  query: CompiledQuery,
  narrowed: Narrowed,
): Promise<unknown[][]> {
  const anchors = await anchorsOf(client, seam, connection, narrowed);
  return sealBindingsFor(seam, connection, query.bindings, narrowed.rows, anchors);
}

async function anchorsOf(
  client: InternalClient,
  seam: Seam,
  connection: Connection,
  { rows: unnamed, query }: Narrowed,
): Promise<unknown[][][]> {
  const { rows } = await withOwnTypes(connection).query(
    client.positionBindings(query.sql),
    await sealBindings(seam, connection, query.bindings),
  );
  const table = unnamed[0]?.path.table.name;
  if (rows.length > MOST_SUBJECTS_PER_UPDATE) {
    throw new UnsupportedQueryError('UPDATE_TOO_MANY', { table, most: MOST_SUBJECTS_PER_UPDATE });
  }
  const columns = unnamed.map(({ path }) => anchorColumns(path));
  // Bound to NULL, the update would miss these rows without a word.
  const unset = columns.find((names) => rows.some((found) => names.some((name) => found[name] === null)));
  if (unset) throw new UnsupportedQueryError('NOBODYS_ROW', { table, column: unset.join(', ') });
  return rows.map((found) => columns.map((names) => names.map((name) => found[name])));
}

/** Sends the update with each set of bindings, in a transaction of its own unless the connection is in one. */
export async function allOrNone(
  connection: Connection,
  sets: readonly unknown[][],
  send: (bindings: unknown[]) => Promise<QueryResult>,
): Promise<QueryResult> {
  const results: QueryResult[] = [];
  const ownTransaction = sets.length > 1 && !isInTransaction(connection);
  if (ownTransaction) await connection.query('begin');
  try {
    for (const bindings of sets) results.push(await send(bindings));
    if (ownTransaction) await connection.query('commit');
  } catch (error) {
    if (ownTransaction) await rollback(connection);
    throw error;
  }
  const rows = results.flatMap((result) => result.rows);
  const rowCount = results.reduce((sum, result) => sum + (result.rowCount ?? 0), 0);
  return { command: 'UPDATE', fields: results[0]?.fields ?? [], rows, rowCount };
}
