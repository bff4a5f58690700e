/**
 * Reading an archive (ERASURE.md R1): for a stated reason, which stands in the ledger, committed, before the first row is given; by the
 * role that may; found by what the legal ground needs and nothing else: the end date, the move, the person's key id on
 * her receipt, or the person herself, whose right of access reaches here too (GDPR Art. 15).
 */

import { suggest } from '../../catalogue/suggest';
import { keyIdOf } from '../../crypto/envelope';
import { ConfigurationError } from '../../errors';
import { KeyCache } from '../../keyring/key-cache';
import type { Admit } from '../../keyring/scopes';
import { ResultOpener } from '../../keyring/sealer';
import { type Queryable, quoteIdentifier as q, type Row } from '../../queryable';
import { canonicalId } from '../canonical-id';
import type { Engine } from '../engine';
import { inStore, lacksElsewhere, type Store, storesOf } from './places';
import { type ArchivedColumns, openArchived } from './row';
import { archiveRuleOf } from './rule';

export interface ArchiveReading {
  /** The table that the rows came from, as receipts name it: `invoices`, `billing.invoices`. */
  readonly table: string;
  /** Who asked, on what ground: it stands in the ledger for ever. */
  readonly because: string;
  readonly subject?: { readonly kind: string; readonly id: string | number | bigint };
  readonly where?: {
    /** Number of the ledger's entry of the move: a receipt's `entry`. */
    readonly entry?: number;
    /** A receipt's `keyId`: what was moved when she was erased. */
    readonly keyId?: string;
    /** ISO date: rows whose archive ends on it or before. */
    readonly endsBy?: string;
  };
}

export interface ArchivedRow {
  readonly table: string;
  /** The ledger's entry of the move. */
  readonly entry: number;
  readonly movedAt: Date;
  /** When it is destroyed. */
  readonly until: Date;
  /** The columns that the legal ground names, as PostgreSQL prints them; bytes as base64. Null when its key is gone. */
  readonly columns: ArchivedColumns | null;
}

/** The engine, and whether so much may be opened. */
type Reader = Engine & { readonly admit: Admit };

const BATCH = 200;
const DENIED = '42501';

/** A condition with its parameters, from `$1` on. */
interface Wanted {
  readonly where: string;
  readonly parameters: readonly unknown[];
  /** What the ledger says was asked for: names of conditions, never a person's id. */
  readonly by: readonly string[];
}

/** @throws ConfigurationError ARCHIVE_UNKNOWN_TABLE, ARCHIVE_UNREADABLE, ARCHIVE_ELSEWHERE: nothing was read then */
export async function* readArchive(engine: Reader, reading: ArchiveReading): AsyncGenerator<ArchivedRow> {
  const stores = await storesWith(engine, reading.table);
  const wanted = await conditionsOf(engine, reading);
  for (const store of [outboxOf(engine), ...stores]) {
    yield* store.database.stream((snapshot) => readStore(engine, store, snapshot, reading, wanted));
  }
}

/** Rows on their way are read where they wait, by the application's own role, whose they still are. */
function outboxOf({ archives }: Engine): Store {
  return { database: archives.here, schema: 'oubli', elsewhere: false };
}

async function storesWith({ archives, catalogue }: Engine, table: string): Promise<Store[]> {
  const declared = catalogue.tables.find(({ displayName }) => displayName === table);
  const rule = declared && archiveRuleOf(declared);
  const found: Store[] = [];
  for (const store of await storesOf(archives)) {
    const { rows } = await store.database.transaction((connection) =>
      connection.query(`select ${inStore(store, 'holds($1)')} as held`, [table]),
    );
    if (rows[0]?.held) found.push(store);
  }
  if (await lacksElsewhere(archives)) {
    if (rule?.archive.elsewhere || found.length === 0) throw new ConfigurationError('ARCHIVE_ELSEWHERE');
  }
  if (found.length > 0 || rule) return found;
  const known = catalogue.tables.filter((each) => archiveRuleOf(each)).map(({ displayName }) => displayName);
  throw new ConfigurationError('ARCHIVE_UNKNOWN_TABLE', {
    given: table,
    suggestion: suggest(table, known) ?? known[0],
  });
}

async function conditionsOf(
  { catalogue, database, keys }: Engine,
  { table, subject, where = {} }: ArchiveReading,
): Promise<Wanted> {
  const conditions = ['source = $1'];
  const parameters: unknown[] = [table];
  const by: string[] = [];
  const add = (name: string, condition: string, parameter: unknown): void => {
    by.push(name);
    parameters.push(parameter);
    conditions.push(condition.replace('?', `$${parameters.length}`));
  };
  if (subject) {
    const id = await canonicalId({ catalogue, database }, subject.kind, String(subject.id));
    add('subject', 'subject = ?', keys.referenceOf(subject.kind, id));
  }
  if (where.entry !== undefined) add('entry', 'entry = ?::bigint', where.entry);
  if (where.keyId !== undefined) add('keyId', 'entry = any(?::bigint[])', await entriesOf(database, where.keyId));
  if (where.endsBy !== undefined) add('endsBy', "until < (?::date + 1)::timestamp at time zone 'UTC'", where.endsBy);
  return { where: conditions.join(' and '), parameters, by };
}

async function entriesOf(database: Engine['database'], keyId: string): Promise<unknown[]> {
  const entries = 'select entry::text as entry from oubli.ledger where key_id = $1';
  const { rows } = await database.transaction((connection) => connection.query(entries, [Buffer.from(keyId, 'hex')]));
  return rows.map(({ entry }) => entry);
}

async function* readStore(
  engine: Reader,
  store: Store,
  snapshot: Queryable,
  reading: ArchiveReading,
  wanted: Wanted,
): AsyncGenerator<ArchivedRow> {
  const isOutbox = store.schema === 'oubli';
  const from = `${isOutbox ? 'oubli.archive_outbox' : `${q(store.schema)}.archived_row`} where ${wanted.where}`;
  if (!isOutbox && engine.archives.role !== undefined) await takeRole(snapshot, engine.archives.role, store);
  const counted = `select count(*)::text as rows, current_user::text as role from ${from}`;
  const { rows } = await snapshot
    .query(counted, [...wanted.parameters])
    .catch((error) => denied(error, snapshot, store));
  const [{ rows: number, role } = {}] = rows as Row[];
  if (isOutbox && number === '0') return;
  await record(engine, reading, wanted, {
    archive: isOutbox ? 'oubli.archive_outbox' : store.schema,
    rows: Number(number),
    role,
  });
  yield* readRows(engine, snapshot, from, wanted, reading.table);
}

/** Known only while the transaction lasts. */
async function takeRole(snapshot: Queryable, role: string, store: Store): Promise<void> {
  await snapshot.query(`set local role ${q(role)}`).catch((error) => denied(error, snapshot, store));
}

async function denied(error: unknown, snapshot: Queryable, { schema }: Store): Promise<never> {
  if ((error as { code?: string }).code !== DENIED) throw error;
  await snapshot.query('rollback');
  const { rows } = await snapshot.query('select session_user::text as role');
  throw new ConfigurationError('ARCHIVE_UNREADABLE', { schema, role: String(rows[0]?.role) });
}

/** In a transaction of its own, committed before the first row is given. */
async function record(
  { database, ledger }: Engine,
  { table, because }: ArchiveReading,
  { by }: Wanted,
  { archive, rows, role }: { archive: string; rows: number; role: unknown },
): Promise<void> {
  const details = { archive, role, tables: [{ table, action: 'read', rows }], ...(by.length > 0 ? { by } : {}) };
  await database.transaction((connection) => ledger.record(connection, [{ act: 'archive_read', because, details }]));
}

async function* readRows(
  engine: Reader,
  snapshot: Queryable,
  from: string,
  { parameters }: Wanted,
  table: string,
): AsyncGenerator<ArchivedRow> {
  const columns = 'id::text as id, until, moved_at, entry::text as entry, sealed::bytea as sealed';
  // A cursor of SQL's own, as exports have it: one of the protocol would wait for ever for a server that went away.
  await snapshot.query(`declare oubli_archive no scroll cursor for select ${columns} from ${from} order by until, id`, [
    ...parameters,
  ]);
  for (;;) {
    const { rows } = await snapshot.query(`fetch ${BATCH} from oubli_archive`);
    yield* await openRows(engine, table, rows);
    if (rows.length < BATCH) return;
  }
}

/** A key that is not there any more was destroyed on its date; or the active base was restored to a day before the move. */
async function openRows({ keys, sealer, admit }: Reader, table: string, rows: readonly Row[]): Promise<ArchivedRow[]> {
  const ids = rows.map(({ sealed }) => keyIdOf(sealed as Uint8Array));
  const known = await keys.among(ids);
  const named = new Map(ids.map((id) => [KeyCache.nameOf(id), id] as const).filter(([name]) => known.has(name)));
  await admit(named);
  const states = await keys.byId(named.values());
  const opener = new ResultOpener(sealer.place, (keyId) => states.get(KeyCache.nameOf(keyId)));
  try {
    return rows.map((row) => ({
      table,
      entry: Number(row.entry),
      movedAt: row.moved_at as Date,
      until: row.until as Date,
      columns: openArchived(opener, row.sealed as Uint8Array, { source: table, id: String(row.id) }) ?? null,
    }));
  } finally {
    opener.wipe();
  }
}
