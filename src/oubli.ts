/**
 * Assembly: the one place that knows every part. `oubli(knex, { keys })` verifies the keys, loads the catalogue, puts the
 * seam into the Knex instance, and hands out what an application uses.
 */
import type { Knex } from 'knex';
import { afterwards } from './afterwards';
import { Archives, checkArchive } from './archive';
import { refuseUnknownKeys } from './catalogue/suggest';
import { type LedgerReport, verifyLedger } from './checks/ledger';
import { converting } from './converting';
import { ConfigurationError } from './errors';
import type { KeyProvider } from './keyring/provider';
import { protectInPlace, refuseUnsuitable, unprotectedHandle } from './knex/clients';
import { type InsertManyOptions, insertMany, type Rows } from './knex/insert-many';
import { internalsOf } from './knex/internals';
import { checkKeyStore, type KeyStoreOptions } from './knex/key-store';
import { openSeam } from './knex/open-seam';
import type { Redrive } from './lifecycle/deferred';
import type { Engine } from './lifecycle/engine';
import { type EpochKeys, epochKeysOf } from './lifecycle/epochs/epoch-keys';
import { type DueOptions, type DueReport, foresee } from './lifecycle/foresight';
import { type Holds, holdsOf } from './lifecycle/holds';
import { Redriving } from './lifecycle/redriving';
import { archivesOf, ownDatabase } from './own-database';
import { recordExport } from './registers/exports';
import type { Journal } from './registers/journal';
import { journalInTime } from './registers/journal-in-time';
import type { Receipt } from './registers/receipt';
import { type ReceiptsOptions, readReceipts } from './registers/receipts';
import { type ErasureRequest, type RequestsOptions, readRequests } from './registers/requests';
import { refuseNoJournal } from './registers/restore-watch';
import {
  type Accountability,
  type AccountabilityOptions,
  accountabilityOf,
  checkAccountability,
} from './rights/accountability';
import type { ExportParts } from './rights/export';
import { type BackfillReport, backfillTable } from './schema/backfill';
import { type ReleaseOptions, type ReleaseReport, releaseTable } from './schema/release';
import type { PassOptions } from './schema/table-passes';
import { checkOutside, type OutsideScopes, type Scoping, scopingOf } from './scoping';
import { Subject, type SubjectId } from './subject';
import { type SweepDefaults, type Sweeping, sweeping } from './sweeping';

export interface OubliOptions extends AccountabilityOptions, KeyStoreOptions {
  /** Where the keys come from: `localKeys`, `environmentKeys`, or a provider of your own. */
  readonly keys: KeyProvider;
  /** `'libsodium'` (WebAssembly) unless said otherwise; `'noble'`: pure JavaScript, 15 times slower, and epoch keys outlive `close()`. */
  readonly engine?: 'libsodium' | 'noble';
  /** Where archives are, beside the schemas that migrations declared, and who may read them. */
  readonly archive?: {
    /** The database of archives that were declared `elsewhere`: any Knex instance of PostgreSQL; it is yours to destroy. */
    readonly knex?: Knex;
    /** The role that reads, taken on for one transaction; the session's own, as a rule without the right, unless named. */
    readonly role?: string;
  };
  /** How sweeps go where a call does not say otherwise: their breaker, their pace, who hears of alarms. */
  readonly sweeps?: SweepDefaults;
  /**
   * What oubli keeps outside the database, `fileJournal` or a place of your own: with it a restored or rewritten database is noticed,
   * and whoever was erased is erased again (`npx oubli replay`).
   */
  readonly journal?: Journal;
  /** What limits statements outside of every `scope()`; nothing unless given. */
  readonly scope?: OutsideScopes;
}

export interface Oubli<K extends Knex = Knex> extends Scoping<K>, Sweeping, Accountability {
  /** The same Knex instance, protected in place: same type, same pool. */
  readonly db: K;
  /** A person: her service ends, she takes her data along, she is forgotten. */
  subject(kind: string, id: SubjectId): Subject;
  /**
   * What waits to be sealed in an annotated table is sealed, then proved by PostgreSQL. Resumable. The application goes on
   * writing meanwhile; only at the end its writes wait: while PostgreSQL reads the table once for each column, and builds the
   * blind indexes.
   *
   * @param table its name, with its schema where several hold one: `billing.customers`
   * @param options.load the share of the time that is spent working, 0.5 unless said otherwise: the rest is the application's
   * @param options.onProgress told after each chunk which block of the table it has reached
   * @throws AnnotationError NO_SUCH_TABLE, AMBIGUOUS_NAME, NO_TRANSITION, NOBODYS_ROWS, COPY_WAITS, DUPLICATES
   * @throws ConfigurationError BAD_LOAD
   */
  backfill(table: string, options?: PassOptions): Promise<BackfillReport>;
  /**
   * Loads many rows, sealed, in few statements: one array for each column instead of one parameter for each value. Rows may come
   * one after the other, as of a stream; no more than two chunks of them are held. All arrive, or none.
   *
   * @param table its name as for `db(table)`, protected or not
   * @param rows a column that a row leaves out gets its default there, as with `batchInsert`; where none is given nothing is done
   * @returns how many rows were inserted; for what they were given, `returning`, there is `batchInsert`
   * @throws ConfigurationError BAD_CHUNK_SIZE, UNKNOWN_INSERT_OPTION
   * @throws UnsupportedQueryError ROWS_EMPTY, FOREIGN_TRX, and what an insert of the builder throws
   * @example await insertMany('users', people, { chunkSize: 1_000 });
   */
  insertMany(table: string, rows: Rows, options?: InsertManyOptions): Promise<number>;
  /**
   * The way back out: what is sealed in a table, or in some columns of it, is decrypted to the types it was declared with, with an
   * index where it could be searched, and stays personal data that is declared `clear`. What was truncated or made a pseudonym
   * stays as it is. Resumable; called back by a `backfill`. At the end nobody reads or writes the table while it is rewritten
   * once; meanwhile its columns cannot be searched. A process that has not heard of the end yet, and writes what it sealed, is
   * refused by the column's type; `bytea` would take it, so stop who writes to a column of that type.
   *
   * @param options.because why whoever reads the database may read them: recorded in the declaration and in the ledger
   * @throws AnnotationError NO_SUCH_TABLE, AMBIGUOUS_NAME, NOT_PROTECTED, CLEAR_WITHOUT_BECAUSE, TYPE_SHARED, TYPE_DEPENDED_ON,
   *   NULL_OF_ERASED, DUPLICATES
   * @example await unprotect('customers', { columns: ['name'], because: 'shown on public pages since May' });
   */
  unprotect(table: string, options: ReleaseOptions): Promise<ReleaseReport>;
  /** Cases that hold people and rows, whatever is due or asked for. */
  readonly holds: Holds;
  /** The keys above everybody's keys: listed, rotated, destroyed. */
  readonly epochs: EpochKeys;
  /** The intermediate archive: read with a reason, which is written down, and listed. */
  readonly archive: Archives;
  /**
   * Who would leave before a day, rule by rule, or under a rule that is only proposed. Writes nothing.
   *
   * @throws ConfigurationError BAD_DAY, UNKNOWN_RULE, PROPOSED_WITHOUT_RULE, PROPOSED_UNINDEXED, PROPOSED_UNRECORDED
   * @throws AnnotationError with the correction, where the proposed rule could not be declared
   * @example await due({ before: '2027-01-01', rule: 'subject:user', proposed: { keep: '3 months' } });
   */
  due(options: DueOptions): Promise<DueReport[]>;
  /** What was done, newest first: the receipts of requests and of sweeps alike. */
  receipts(options?: ReceiptsOptions): Promise<Receipt[]>;
  /**
   * What people asked for, newest first: written before anything was destroyed. What could not be done is open still.
   * @example for (const { keyId, at } of await requests({ open: true })) …
   */
  requests(options?: RequestsOptions): Promise<ErasureRequest[]>;
  /**
   * Follows the whole chain of the ledger, and says at which entry it was edited, cut or written by somebody else (ERASURE.md L1).
   *
   * @returns what is broken, nothing if it is whole; and what these means could not tell
   * @example const { broken } = await verifyLedger();
   */
  verifyLedger(options?: { journal?: Journal | undefined }): Promise<LedgerReport>;
  /** 32 bytes, no secret: by it others verify what this installation signed. Ed25519. */
  readonly publicKey: Uint8Array;
  /** A handle on the same pool that reads ciphertext: the explicit way around. */
  unprotected(): Knex;
  /** Forgets the keys and closes the key store's connection. The instance refuses personal data from then on. */
  close(): Promise<void>;
}

const instances = new WeakMap<object, Promise<Oubli>>();

/**
 * Protects a Knex instance in place. Idempotent: a second call answers with the first one's result, until that was closed;
 * then the instance is protected anew.
 *
 * @throws ConfigurationError for wrong keys (naming the epoch), before any query of the application runs
 * @throws SchemaVersionError when schema and library do not fit
 * @throws AnnotationError when a declared table does not lead to its subject
 * @throws ConfigurationError JOURNAL_NOT_GIVEN where the database remembers a journal and the options name none
 * @example const { db, subject, close } = await oubli(knex, { keys: localKeys({ file: './oubli.keys' }) });
 */
export function oubli<K extends Knex>(knex: K, options: OubliOptions): Promise<Oubli<K>> {
  const client = internalsOf(knex);
  const existing = instances.get(client);
  if (existing) return existing as Promise<Oubli<K>>;
  const made: Promise<Oubli<K>> = assemble(knex, options, () => {
    if (instances.get(client) === made) instances.delete(client);
  });
  instances.set(client, made as Promise<Oubli>);
  made.catch(() => instances.delete(client));
  return made;
}

/** @param ended called when the instance is closed, or its pool destroyed */
async function assemble<K extends Knex>(knex: K, given: OubliOptions, ended: () => void): Promise<Oubli<K>> {
  refuseUnknownKeys(
    given,
    ['keys', 'keyStore', 'engine', 'archive', 'sweeps', 'faker', 'anonymity', 'backups', 'journal', 'scope'],
    (given, suggestion) => new ConfigurationError('UNKNOWN_SETTING', { given, suggestion }),
  );
  checkArchive(given.archive);
  checkKeyStore(given);
  checkAccountability(given);
  if (given.scope) checkOutside(given.scope);
  if (given.journal) refuseNoJournal(given.journal);
  const options = { ...given, ...(given.journal && { journal: journalInTime(given.journal) }) };
  refuseUnsuitable(knex);
  if (options.archive?.knex) refuseUnsuitable(options.archive.knex);
  const seam = await openSeam(knex, options, ended);
  protectInPlace(knex, seam);
  const database = ownDatabase(knex, seam, options.journal);
  await database.begin().catch(async (error: unknown) => {
    await seam.close();
    throw error;
  });
  const archives = archivesOf(database, options.archive);
  const engine = (): Engine => {
    const { catalogue, keys, sealer, ledgerKeys, ledger } = seam;
    const { faker, anonymity: thresholds } = options;
    return { catalogue, keys, sealer, ledgerKeys, ledger, database, archives, faker, thresholds };
  };
  // what is destroyed is decided by the schema as it is, not as it was when this process started
  const freshEngine = async (): Promise<Engine> => {
    await seam.freshen();
    return engine();
  };
  const caughtUp = async (): Promise<Engine> => {
    await database.catchUp();
    return freshEngine();
  };
  const redriving = new Redriving();
  const redrive = (what: Redrive): Promise<void> => redriving.carryOut(what);
  const epochs = epochKeysOf(caughtUp, options);
  const exporting = (): ExportParts => ({
    ...engine(),
    admit: seam.scopes.admitting(),
    snapshot: (work) => database.snapshot(work),
    record: (kind, id, manifest) => recordExport(engine(), kind, id, manifest),
  });
  return {
    db: knex,
    subject: (kind, id) =>
      new Subject({ engine, freshEngine, exporting, redrive, within: database.within, db: knex }, kind, id),
    backfill: (name, options) =>
      converting(seam, database, name, 'backfill', (parts, table) => backfillTable(parts, table, options)),
    unprotect: (name, options) =>
      converting(seam, database, name, 'unprotect', (parts, table) => releaseTable(parts, table, options)),
    archive: new Archives(freshEngine, () => seam.scopes.admitting()),
    ...scopingOf(knex, seam),
    ...sweeping(
      { read: freshEngine, act: caughtUp, tell: options.journal && database.catchUp, rotate: epochs.regular },
      options.sweeps,
      (jobs) => redriving.through(jobs),
    ),
    due: async (options) => {
      const { catalogue } = await freshEngine();
      return database.snapshot((connection) => foresee(catalogue, connection, options));
    },
    ...accountabilityOf(freshEngine, database, options),
    holds: holdsOf(freshEngine, redrive),
    epochs: epochs.keys,
    receipts: (options = {}) => database.transaction((connection) => readReceipts(connection, options)),
    requests: (options = {}) => database.snapshot((connection) => readRequests(connection, options)),
    publicKey: seam.ledgerKeys.publicKey,
    verifyLedger: ({ journal = options.journal } = {}) =>
      verifyLedger(database, seam.catalogue.instance, seam.ledgerKeys, journal),
    insertMany: (table, rows, options = {}) => insertMany(knex, table, rows, options),
    unprotected: () => unprotectedHandle(knex),
    close: () => afterwards(database.told, seam.close),
  };
}
