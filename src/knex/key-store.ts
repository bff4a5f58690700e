/**
 * How the store of people's keys is reached: on a connection of its own in any case, and where the team says so under a role of its own, so
 * that what the application sends can neither read a key nor make one (GDPR Art. 32(1)(b)).
 */
import type { Knex } from 'knex';
import { refuseUnknownKeys } from '../catalogue/suggest';
import { randomBytes } from '../crypto/random';
import { ConfigurationError } from '../errors';
import type { Queryable } from '../queryable';
import { refuseUnsuitable } from './clients';
import { type InternalClient, internalsOf } from './internals';
import { OwnTransactions } from './own-transactions';

export interface KeyStoreOptions {
  /**
   * How the store of people's keys is reached: as the application reaches its database, unless given.
   * @example oubli(knex, { keys, keyStore: { knex: knexPackage({ client: 'pg', connection: process.env.KEY_STORE_URL }) } })
   */
  readonly keyStore?: {
    /** A Knex instance on the same database, under the role of `npx oubli roles --keystore`; it is yours to destroy. */
    readonly knex: Knex;
  };
}

/** @throws ConfigurationError UNKNOWN_SETTING, KEY_STORE_WITHOUT_KNEX, and what an instance is refused for */
export function checkKeyStore({ keyStore }: KeyStoreOptions): void {
  if (keyStore === undefined) return;
  refuseUnknownKeys(
    keyStore,
    ['knex'],
    (given, suggestion) => new ConfigurationError('UNKNOWN_SETTING', { given: `keyStore.${given}`, suggestion }),
  );
  if (typeof keyStore.knex !== 'function') throw new ConfigurationError('KEY_STORE_WITHOUT_KNEX');
  refuseUnsuitable(keyStore.knex);
}

export function keyStoreClient(knex: Knex, { keyStore }: KeyStoreOptions): InternalClient {
  return internalsOf(keyStore?.knex ?? knex);
}

/**
 * A copy of the database has its names, its keys and its identity: keys made there would open nothing that is written here. What tells them
 * apart is a lock, for each database has its own (PostgreSQL manual 13.3.5).
 * @throws ConfigurationError KEY_STORE_ELSEWHERE
 */
export async function refuseOtherDatabase(store: Queryable, knex: Knex): Promise<void> {
  const mark = Buffer.from(randomBytes(8)).readBigInt64BE().toString();
  await store.query('select pg_advisory_lock($1::bigint)', [mark]);
  const { rows } = await new OwnTransactions(internalsOf(knex))
    .alone((connection) => connection.query('select pg_try_advisory_xact_lock_shared($1::bigint) as free', [mark]))
    .finally(() => store.query('select pg_advisory_unlock($1::bigint)', [mark]));
  if (rows[0]?.free !== false) throw new ConfigurationError('KEY_STORE_ELSEWHERE');
}
