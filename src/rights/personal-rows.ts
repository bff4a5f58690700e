/**
 * A person's rows of one table, opened, as text: in PostgreSQL's own output form, so that no date moves with the time zone of
 * the process and no number loses a digit. Streamed, with one key query a batch.
 */
import type { Catalogue } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { isAllZero } from '../crypto/bytes';
import { isEnvelope, keyIdOf } from '../crypto/envelope';
import { KeyCache } from '../keyring/key-cache';
import type { Admit } from '../keyring/scopes';
import { ResultOpener, type Sealer } from '../keyring/sealer';
import type { SubjectKeys } from '../keyring/subject-keys';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import { asText } from './as-text';
import type { PortableTable } from './portable';
import { sharedRowsStatement } from './shared-rows';

/** What a sealed value is in an export: its text, or base64 of its bytes, or null when it can no longer be opened. */
export type ExportedRow = Record<string, string | null>;

interface OpeningParts {
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
  readonly admit: Admit;
}

const BATCH = 200;

export async function* personalRows(
  { catalogue, ...opening }: OpeningParts & { readonly catalogue: Catalogue },
  snapshot: Queryable,
  portable: PortableTable,
  id: string,
): AsyncGenerator<ExportedRow> {
  // A cursor of SQL's own: one of the protocol would wait for ever for a server that went away, and hold its connection.
  await snapshot.query(`declare oubli_export no scroll cursor for ${statement(catalogue, portable)}`, [id]);
  for (;;) {
    const { rows } = await snapshot.query(`fetch ${BATCH} from oubli_export`);
    yield* await openBatch(rows, portable, opening);
    if (rows.length < BATCH) break;
  }
  await snapshot.query('close oubli_export');
}

function statement(catalogue: Catalogue, portable: PortableTable): string {
  if (portable.shares) return sharedRowsStatement(catalogue, portable, portable.shares);
  const { table, ways, subjectColumn, subjectType, columns } = portable;
  const hers = ways.map((hops) => {
    const chain = joinChain(catalogue, 't', hops, subjectColumn);
    const where = [...chain.conditions, `${chain.root} = $1::${subjectType}`].join(' and ');
    return `select t.* from ${[`${table.sqlName} t`, ...chain.tables].join(', ')} where ${where}`;
  });
  const order =
    table.primaryKey.length > 0 ? ` order by ${table.primaryKey.map((name) => `t.${q(name)}`).join(', ')}` : '';
  return `select ${columns.map(({ column }) => asText(column.name)).join(', ')} from (${hers.join(' union all ')}) t${order}`;
}

async function openBatch(
  rows: readonly Row[],
  { table, columns }: PortableTable,
  { keys, sealer, admit }: OpeningParts,
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
  const named = new Map([...ids].filter(([, keyId]) => !isAllZero(keyId)));
  await admit(named);
  const states = await keys.byId(named.values());
  const opener = new ResultOpener(sealer.place, (keyId) => states.get(KeyCache.nameOf(keyId)));
  const openRow = (row: Row): ExportedRow => {
    const exported: ExportedRow = {};
    for (const { column } of columns) {
      const bytes = column.element?.protect === 'encrypt' ? bytesOf(row, column.name) : undefined;
      if (!bytes) {
        exported[column.name] = (row[column.name] as string | null) ?? null;
        continue;
      }
      const names = { table: table.name, column: column.name };
      const decoded = opener.open(bytes, column.element?.id, names);
      exported[column.name] = decoded && (decoded.codec === 'bytes' ? decoded.bytes.toString('base64') : decoded.text);
    }
    return exported;
  };
  try {
    return rows.map(openRow);
  } finally {
    opener.wipe();
  }
}
