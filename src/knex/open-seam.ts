/**
 * How a seam comes about: the keys are loaded and proved, the schema and what it declares verified, before any query of the
 * application runs; and how it ends, with every key of ours overwritten.
 */
import type { Knex } from 'knex';
import { LiveCatalogue } from '../catalogue/live-catalogue';
import type { Catalogue } from '../catalogue/model';
import { verifyCatalogue } from '../catalogue/verify';
import { libsodiumEngine } from '../crypto/libsodium';
import { nobleEngine } from '../crypto/noble';
import { ConfigurationError } from '../errors';
import { verifyCanaries } from '../keyring/canary';
import { Epochs } from '../keyring/epochs';
import { type Announcements, KeyConnection } from '../keyring/key-connection';
import { LedgerKeys } from '../keyring/ledger-keys';
import { type KeyMaterial, type KeyProvider, loadKeys, wipeKeys } from '../keyring/provider';
import { Scopes } from '../keyring/scopes';
import { Sealer } from '../keyring/sealer';
import { SubjectKeys } from '../keyring/subject-keys';
import type { Queryable } from '../queryable';
import type { Journal } from '../registers/journal';
import { Ledger } from '../registers/ledger';
import { Overruns } from '../registers/overruns';
import { OwnJournal } from '../registers/own-journal';
import { refuseIfJournaled } from '../registers/remembered-journal';
import { RestoreWatch } from '../registers/restore-watch';
import { journaled } from '../registers/teller';
import { verifySchema } from '../schema/install';
import { type Connection, type InternalClient, internalsOf } from './internals';
import { keyConnector } from './key-connector';
import { type KeyStoreOptions, keyStoreClient, refuseOtherDatabase } from './key-store';
import { keysOfSubjects, successorsOf } from './keys-of-subjects';
import { OwnTransactions } from './own-transactions';
import type { Seam } from './seam';

export interface SeamOptions extends KeyStoreOptions {
  readonly keys: KeyProvider;
  readonly engine?: 'libsodium' | 'noble';
  readonly journal?: Journal;
  /** Said by a replay, and where a journal is begun anew or the ledger verified: they work on a database that everybody else must not. */
  readonly replaying?: true;
  /** What limits statements outside of every scope. */
  readonly scope?: { readonly max: number };
}

/**
 * @param ended called once, when it closes
 * @throws ConfigurationError for wrong keys, SchemaVersionError, AnnotationError, RestoreReplayRequiredError; nothing is left open then
 */
export async function openSeam(knex: Knex, options: SeamOptions, ended: () => void): Promise<Seam> {
  const material = await loadKeys(options.keys);
  const engine = options.engine === 'noble' ? nobleEngine() : await libsodiumEngine();
  const catalogue = new LiveCatalogue(verifyCatalogue);
  let keys: SubjectKeys | undefined;
  let watch: RestoreWatch | undefined;
  const store = new KeyConnection(
    keyConnector(keyStoreClient(knex, options)),
    announcementsTo(
      catalogue,
      () => keys,
      () => watch,
    ),
  );
  try {
    if (options.keyStore) await refuseOtherDatabase(store, knex);
    await verifySchema(store);
    await verifyCanaries(store, engine, material, options.keys.name);
    await catalogue.load(store);
    const { instance } = catalogue.current as Catalogue;
    const sealer = new Sealer({ engine, instance }, material.index);
    const ledgerKeys = await LedgerKeys.from(engine, material);
    if (!options.journal && !options.replaying) await refuseIfJournaled(store);
    const own = options.journal && new OwnJournal(options.journal.name);
    if (options.journal && own && !options.replaying)
      watch = new RestoreWatch(options.journal, own, ledgerKeys, instance);
    await watch?.compare(store);
    const served = watch ? watched(store, watch, () => keys?.cache.clear()) : store;
    const epochs = new Epochs(options.keys, served, engine, material);
    keys = new SubjectKeys(served, engine, epochs, material.ledger);
    const ledger = new Ledger(ledgerKeys, instance, own, watch);
    const overruns = new Overruns(
      ledger,
      transactionsAside(internalsOf(knex), { ledger, ledgerKeys, instance }, options.journal),
    );
    const scopes = new Scopes(
      (subjects) => keysOfSubjects(catalogue.current as Catalogue, store, subjects),
      (names) => successorsOf(store, names),
      (overrun) => overruns.tell(overrun),
      options.scope?.max,
    );
    return seamOf({ catalogue, keys, sealer, ledgerKeys, ledger, scopes, store, material, ended });
  } catch (error) {
    await store.close();
    wipeKeys(material);
    throw error;
  }
}

/** What is locked by whoever is refused is not waited for: she waits for us. */
const PATIENCE = { statement: '5s', lock: '2s', most: 10_000 };

/** Apart from the application's transaction, which may roll back, and from its pool, which may have one place. */
function transactionsAside(
  client: InternalClient,
  { ledger, ledgerKeys: keys, instance }: { ledger: Ledger; ledgerKeys: LedgerKeys; instance: Uint8Array },
  journal: Journal | undefined,
): OwnTransactions['transaction'] {
  const connector = keyConnector(client);
  const aside = new OwnTransactions(
    {
      acquireConnection: async () => (await connector.connect()) as unknown as Connection,
      releaseConnection: (connection) => connector.disconnect(connection as never),
    },
    PATIENCE,
  );
  const told = journal ? journaled(aside, ledger, { keys, instance, journal }) : aside;
  return (work) => told.transaction(work);
}

/** No key is handed out of a database that was restored, and those in memory are forgotten. */
function watched(store: Queryable, watch: RestoreWatch, forget: () => void): Queryable {
  return {
    query: async (sql, params) => {
      await watch.look(store).catch((error: unknown) => {
        forget();
        throw error;
      });
      return store.query(sql, params);
    },
  };
}

function announcementsTo(
  catalogue: LiveCatalogue,
  keys: () => SubjectKeys | undefined,
  watch: () => RestoreWatch | undefined,
): Announcements {
  return {
    shredded: (keyIds) => {
      for (const keyId of keyIds) keys()?.cache.evict(keyId);
    },
    schemaChanged: () => catalogue.schemaChanged(),
    epochsChanged: (destroyed) => keys()?.epochs.suspect(destroyed),
    lost: () => {
      keys()?.cache.clear();
      keys()?.epochs.suspect();
      watch()?.suspect();
      catalogue.schemaChanged();
    },
  };
}

interface Parts {
  readonly catalogue: LiveCatalogue;
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
  readonly ledgerKeys: LedgerKeys;
  readonly ledger: Ledger;
  readonly scopes: Scopes;
  readonly store: KeyConnection;
  readonly material: KeyMaterial;
  ended(): void;
}

function seamOf({ catalogue, keys, sealer, ledgerKeys, ledger, scopes, store, material, ended }: Parts): Seam {
  return {
    keys,
    sealer,
    ledgerKeys,
    ledger,
    scopes,
    get catalogue() {
      const { current } = catalogue;
      if (!current) throw new ConfigurationError('NOT_READY');
      return current;
    },
    refresh: () => catalogue.refresh(store),
    freshen: () => catalogue.freshen(store),
    load: (connection) => catalogue.load(connection),
    schemaChanged: () => catalogue.schemaChanged(),
    close: async () => {
      ended();
      catalogue.close();
      await store.close();
      keys.cache.wipe();
      keys.epochs.wipe();
      sealer.wipe();
      ledgerKeys.wipe();
      wipeKeys(material);
    },
  };
}
