/**
 * A person's rows of one table, opened, as text: in PostgreSQL's own output form, so that no date moves with the time zone of
 * the process and no number loses a digit. Streamed, with one key query a batch.
 */
import type { Catalogue } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { isEnvelope, keyIdOf } from '../crypto/envelope';
import { KeyCache } from '../keyring/key-cache';
import { ResultOpener, type Sealer } from '../keyring/sealer';
import type { SubjectKeys } from '../keyring/subject-keys';
import { quoteIdentifier as q, type Row } from '../queryable';
import type { PortableTable } from './portable';

/** Rows of a statement as they come, every value as PostgreSQL's text. */
export type TextReader = (sql: string, parameters: unknown[]) => AsyncIterable<Row>;

/** What a sealed value is in an export: its text, or base64 of its bytes, or null when it can no longer be opened. */
export type ExportedRow = Record<string, string | null>;

const BATCH = 200;

export async function* personalRows(
  catalogue: Catalogue,
  keys: SubjectKeys,
  sealer: Sealer,
  read: TextReader,
  portable: PortableTable,
  id: string,
): AsyncGenerator<ExportedRow> {
  const opener = new ResultOpener(sealer.place);
  try {
    for await (const rows of batches(read(statement(catalogue, portable), [id]))) {
      yield* await openBatch(rows, portable, keys, opener);
    }
  } finally {
    opener.wipe();
  }
}

function statement(catalogue: Catalogue, { table, hops, subjectColumn, subjectType, columns }: PortableTable): string {
  const chain = joinChain(catalogue, 't', hops, subjectColumn);
  const tables = [`${table.sqlName} t`, ...chain.tables].join(', ');
  const where = [...chain.conditions, `${chain.root} = $1::${subjectType}`].join(' and ');
  const order =
    table.primaryKey.length > 0 ? ` order by ${table.primaryKey.map((name) => `t.${q(name)}`).join(', ')}` : '';
  return `select ${columns.map(({ column }) => `t.${q(column.name)}`).join(', ')} from ${tables} where ${where}${order}`;
}

async function* batches(rows: AsyncIterable<Row>): AsyncGenerator<Row[]> {
  let batch: Row[] = [];
  for await (const row of rows) {
    batch.push(row);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function openBatch(
  rows: readonly Row[],
  { table, columns }: PortableTable,
  keys: SubjectKeys,
  opener: ResultOpener,
): Promise<ExportedRow[]> {
  const ids = new Map<string, Uint8Array>();
  const sealed = columns.filter(({ column }) => column.element?.protect === 'encrypt');
  const bytesOf = (row: Row, name: string): Buffer | undefined => {
    const text = row[name];
    return typeof text === 'string' ? Buffer.from(text.slice(2), 'hex') : undefined;
  };
  for (const row of rows) {
    for (const { column } of sealed) {
      const bytes = bytesOf(row, column.name);
      if (bytes && isEnvelope(bytes)) ids.set(KeyCache.nameOf(keyIdOf(bytes)), keyIdOf(bytes));
    }
  }
  const states = await keys.byId([...ids.values()].filter((keyId) => keyId.some((byte) => byte !== 0)));
  return rows.map((row) => {
    const exported: ExportedRow = {};
    for (const { column } of columns) {
      const bytes = column.element?.protect === 'encrypt' ? bytesOf(row, column.name) : undefined;
      if (!bytes) {
        exported[column.name] = (row[column.name] as string | null) ?? null;
        continue;
      }
      const names = { table: table.name, column: column.name };
      const decoded = opener.open(bytes, (keyId) => states.get(KeyCache.nameOf(keyId)), column.element?.id, names);
      exported[column.name] = decoded && (decoded.codec === 'bytes' ? decoded.bytes.toString('base64') : decoded.text);
    }
    return exported;
  });
}
