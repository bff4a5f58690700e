/**
 * A document of wrapped keys in a table of PostgreSQL, for several hosts. A table of the team's own, in this database or in another
 * one: in this one it is dumped and restored with the data it belongs to.
 */
import { ConfigurationError, KeyUnavailableError } from '../../errors';
import { type Queryable, quoteIdentifier, type Row } from '../../queryable';
import type { DocumentStore } from './document-store';

export interface DocumentTableOptions {
  /** A `pg` Pool, or whatever runs one statement with `$1` parameters. Not the instance that `oubli()` protects: it needs the keys. */
  readonly pool: Queryable;
  /** `oubli_keys` unless named otherwise; with its schema as `schema.table`. */
  readonly table?: string;
}

const TABLE = 'oubli_keys';
/** Each of them loses only to one who wrote; five in a row would be five epochs opened at once. */
const ATTEMPTS = 5;
/** Of PostgreSQL's manual, appendix A: connection exceptions, too many connections, shutdown and recovery, locks, a read-only standby. */
const PASSING = /^(08|53|57P|55P03|40|25006)/;

/**
 * The table is made once, by whoever owns it: `create table oubli_keys (document text not null, one boolean primary key default true
 * check (one))`. The application's role needs SELECT, INSERT and UPDATE on it.
 *
 * @throws ConfigurationError KEY_TABLE_MISSING, WRAPPED_DOCUMENT_MISSING, WRAPPED_DOCUMENT_EXISTS, KEY_TABLE_REFUSED; KeyUnavailableError
 *   KEY_TABLE_UNREACHABLE, KEY_TABLE_CONTENDED
 * @example vaultTransitKeys({ installation: 'shop', address, token, document: documentTable({ pool: new Pool() }) })
 */
export function documentTable({ pool, table = TABLE }: DocumentTableOptions): DocumentStore {
  const store = `table ${table}`;
  const quoted = table.split('.').map(quoteIdentifier).join('.');
  const ask = (sql: string, params: unknown[] = []): Promise<Row[]> => asked(pool, sql, params, { table, quoted });
  const read = async (): Promise<string> => {
    const [row] = await ask(`select document from ${quoted}`);
    if (!row) throw new ConfigurationError('WRAPPED_DOCUMENT_MISSING', { store });
    return row.document as string;
  };
  return {
    name: store,
    read,
    create: async (text) => {
      const made = await ask(`insert into ${quoted} (document) values ($1) on conflict do nothing returning true`, [
        text,
      ]);
      if (made.length === 0) throw new ConfigurationError('WRAPPED_DOCUMENT_EXISTS', { store });
    },
    change: async (change) => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const before = await read();
        const text = change(before);
        if (text === before) return text;
        const sql = `update ${quoted} set document = $1 where document = $2 returning true`;
        if ((await ask(sql, [text, before])).length > 0) return text;
      }
      throw new KeyUnavailableError('KEY_TABLE_CONTENDED', { table });
    },
  };
}

async function asked(
  pool: Queryable,
  sql: string,
  params: unknown[],
  names: { table: string; quoted: string },
): Promise<Row[]> {
  try {
    return (await pool.query(sql, params)).rows;
  } catch (error) {
    // the document is a parameter, and PostgreSQL may quote one: of its errors the code is all
    const { code: why = 'no connection' } = error as { code?: string };
    if (why === '42P01') throw new ConfigurationError('KEY_TABLE_MISSING', names);
    if (/^[0-9A-Z]{5}$/.test(why) && !PASSING.test(why))
      throw new ConfigurationError('KEY_TABLE_REFUSED', { ...names, why });
    throw new KeyUnavailableError('KEY_TABLE_UNREACHABLE', { ...names, why });
  }
}
