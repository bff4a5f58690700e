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
import { type Announcements, KeyConnection } from '../keyring/key-connection';
import { LedgerKeys } from '../keyring/ledger-keys';
import { copyKeys, type KeyMaterial, type KeyProvider, wipeKeys } from '../keyring/provider';
import { Sealer } from '../keyring/sealer';
import { SubjectKeys } from '../keyring/subject-keys';
import { Ledger } from '../registers/ledger';
import { verifySchema } from '../schema/install';
import { internalsOf } from './internals';
import { keyConnector } from './key-connector';
import type { Seam } from './seam';

export interface SeamOptions {
  readonly keys: KeyProvider;
  readonly engine?: 'libsodium' | 'noble';
}

/**
 * @param ended called once, when it closes
 * @throws ConfigurationError for wrong keys, SchemaVersionError, AnnotationError; nothing is left open then
 */
export async function openSeam(knex: Knex, options: SeamOptions, ended: () => void): Promise<Seam> {
  const material = copyKeys(await options.keys.load());
  const engine = options.engine === 'noble' ? nobleEngine() : await libsodiumEngine();
  const catalogue = new LiveCatalogue(verifyCatalogue);
  let keys: SubjectKeys | undefined;
  const store = new KeyConnection(
    keyConnector(internalsOf(knex)),
    announcementsTo(catalogue, () => keys),
  );
  try {
    await verifySchema(store);
    await verifyCanaries(store, engine, material, options.keys.name);
    await catalogue.load(store);
    keys = new SubjectKeys(store, engine, material);
    const sealer = new Sealer({ engine, instance: (catalogue.current as Catalogue).instance }, material.index);
    const ledgerKeys = await LedgerKeys.from(engine, material);
    const ledger = new Ledger(ledgerKeys, (catalogue.current as Catalogue).instance);
    return seamOf({ catalogue, keys, sealer, ledgerKeys, ledger, store, material, ended });
  } catch (error) {
    await store.close();
    wipeKeys(material);
    throw error;
  }
}

function announcementsTo(catalogue: LiveCatalogue, keys: () => SubjectKeys | undefined): Announcements {
  return {
    shredded: (keyIds) => {
      for (const keyId of keyIds) keys()?.cache.evict(keyId);
    },
    schemaChanged: () => catalogue.schemaChanged(),
    lost: () => {
      keys()?.cache.clear();
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
  readonly store: KeyConnection;
  readonly material: KeyMaterial;
  ended(): void;
}

function seamOf({ catalogue, keys, sealer, ledgerKeys, ledger, store, material, ended }: Parts): Seam {
  return {
    keys,
    sealer,
    ledgerKeys,
    ledger,
    get catalogue() {
      const { current } = catalogue;
      if (!current) throw new ConfigurationError('NOT_READY');
      return current;
    },
    refresh: () => catalogue.refresh(store),
    load: (connection) => catalogue.load(connection),
    schemaChanged: () => catalogue.schemaChanged(),
    close: async () => {
      ended();
      catalogue.close();
      await store.close();
      keys.cache.wipe();
      sealer.wipe();
      ledgerKeys.wipe();
      wipeKeys(material);
    },
  };
}
