/**
 * The world of the tests: a small service with users, their contracts, visits and invoices, as a team would declare it.
 * Each test file works in a database of its own, cloned from a template that was migrated once.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knexPackage, { type Knex } from 'knex';
import { AnnotatingClient, install, localKeys, type Oubli, type OubliOptions, oubli, SCHEMA_VERSION } from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { createDatabase, templateDatabase, testServerUrl } from './postgres';

/** What the service's own migration says. */
export async function migrateWorld(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('email')
      .notNullable()
      .personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.date('birth_date').personal({ category: 'identity.birth_date', protect: 'encrypt' });
    t.specificType('last_ip', 'inet').personal({
      category: 'connection.ip',
      protect: 'truncate-ip',
      origin: 'observed',
    });
    t.text('crm_id').personal({ category: 'account.id', protect: 'pseudonymise' });
    t.text('nickname').personal({ category: 'contact.handle', protect: 'clear', because: 'shown on public pages' });
    t.text('locale').notPersonal('a language tag singles nobody out');
    t.date('service_ended_on').nullable().notPersonal('the event that starts the clock');
    t.dataSubject('user', {
      purpose: 'provide the service',
      basis: 'contract',
      retention: { from: 'service_ended_on', keep: '6 months', then: 'erase' },
    });
  });
  await knex.schema.createTable('contracts', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id').index();
    t.text('signatory').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('plan').notPersonal('a tariff');
    t.personalData({ purpose: 'provide the service', basis: 'contract' });
  });
  await knex.schema.createTable('notes', (t) => {
    t.increments('id');
    t.integer('contract_id').notNullable().references('contracts.id').index();
    t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
    t.personalData({ purpose: 'provide the service', basis: 'contract' });
  });
  await knex.schema.createTable('visits', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id').index();
    t.text('ip').personal({ category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' });
    t.timestamp('at').notPersonal('the moment of a visit');
    t.personalData({ purpose: 'audience measurement', basis: 'consent' });
  });
  await knex.schema.createTable('invoices', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id').index();
    t.text('billing_address').personal({ category: 'contact.address', protect: 'encrypt' });
    t.decimal('total').notPersonal('an amount');
    t.date('issued_on').notPersonal('the fiscal date');
    t.personalData({
      purpose: 'invoicing',
      basis: 'legal_obligation',
      retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
    });
  });
  await knex.schema.createTable('products', (t) => {
    t.increments('id');
    t.text('name');
    t.text('email');
  });
}

export interface World extends Oubli {
  readonly url: string;
  readonly knex: Knex;
  readonly keyFile: string;
  /** Another instance on the same database, as another process would have: own pool, own caches. */
  another(
    options?: Partial<OubliOptions> & { config?: Partial<Knex.Config>; factory?: typeof knexPackage },
  ): Promise<Oubli & { knex: Knex }>;
  /** An instance that oubli never touched, as psql or another service would be. */
  readonly plain: Knex;
  end(): Promise<void>;
}

/** A migrated database of its own and a protected instance on it. */
export async function createWorld(
  options: {
    migrate?: (knex: Knex) => Promise<void>;
    config?: Partial<Knex.Config>;
    oubli?: Partial<OubliOptions>;
    /** A superuser's address of the server; that of the running mocha unless given. */
    server?: string;
  } = {},
): Promise<World> {
  const migrate = options.migrate ?? migrateWorld;
  const server = options.server ?? testServerUrl();
  const template = await templateDatabase(server, migrate.toString(), (url) => migrated(url, migrate));
  const database = await createDatabase(server, { template });
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-keys-'));
  const keyFile = path.join(folder, 'oubli.keys');
  await generateKeyFile(keyFile);

  const open: Oubli[] = [];
  const pools: Knex[] = [];
  const connect = (config: Partial<Knex.Config> = {}, factory = knexPackage): Knex => {
    const knex = factory({ client: 'pg', connection: database.url, pool: { min: 0, max: 5 }, ...config });
    pools.push(knex);
    return knex;
  };
  // In so small a world nearly everything is due in a test: what the breaker is for, its own tests say.
  const sweeps = { breaker: { people: 1, rows: 1 } };
  const another: World['another'] = async ({ config, factory, ...more } = {}) => {
    const knex = connect(config, factory);
    const instance = await oubli(knex, { keys: localKeys({ file: keyFile }), sweeps, ...more });
    open.push(instance);
    return { ...instance, knex };
  };
  const first = await another({ ...options.oubli, ...(options.config ? { config: options.config } : {}) });
  const end = async (): Promise<void> => {
    for (const instance of open) await instance.close();
    for (const knex of pools) await knex.destroy();
    await database.drop();
    await rm(folder, { recursive: true });
  };
  return { ...first, url: database.url, keyFile, plain: connect(), another, end };
}

async function migrated(url: string, migrate: (knex: Knex) => Promise<void>): Promise<void> {
  const knex = knexPackage({ client: AnnotatingClient, connection: url, pool: { min: 0, max: 1 } });
  try {
    await knex.transaction((trx) => migrate(trx));
  } finally {
    await knex.destroy();
  }
}
