/**
 * What the benches work on: one server, the same people in a plain table, in a protected one and in each peer's. The server is
 * the embedded one, with nothing going on by itself: no vacuum, no checkpoint falls into one side's time.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knexPackage, { type Knex } from 'knex';
import { AnnotatingClient, install, localKeys, type Oubli, oubli, SCHEMA_VERSION } from '../src';
import { generateKeyFile } from '../src/keyring/local-keys';
import { createDatabase, type PostgresServer, startPostgres } from '../test/support/postgres';
import { makePeople, type Person } from './people';

const QUIET = { autovacuum: 'off', checkpoint_timeout: '1h', max_wal_size: '16GB', shared_buffers: '512MB' };

export interface BenchWorld {
  /** Knex as everybody has it. */
  readonly plain: Knex;
  /** The same kind of instance, protected. */
  readonly oubli: Oubli;
  readonly people: readonly Person[];
  readonly postgres: string;
  end(): Promise<void>;
}

/** A server of the benches' own. */
export function startQuietServer(): Promise<PostgresServer> {
  return startPostgres({ fresh: true, settings: QUIET, onDisk: true });
}

export async function createBenchWorld(server: string, count: number): Promise<BenchWorld> {
  const database = await createDatabase(server);
  await migrate(database.url);
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-bench-'));
  const file = path.join(folder, 'oubli.keys');
  await generateKeyFile(file);
  const plain = connect(database.url);
  const knex = connect(database.url);
  const instance = await oubli(knex, { keys: localKeys({ file }) });
  const { rows } = await plain.raw('show server_version');
  const end = async (): Promise<void> => {
    await instance.close();
    await knex.destroy();
    await plain.destroy();
    await database.drop();
    await rm(folder, { recursive: true });
  };
  return { plain, oubli: instance, people: makePeople(count), postgres: rows[0].server_version, end };
}

/** One connection, kept: with several, a round would depend on which of them it gets, and on what that one has cached. */
function connect(connection: string): Knex {
  return knexPackage({ client: 'pg', connection, pool: { min: 1, max: 1 } });
}

async function migrate(url: string): Promise<void> {
  const knex = knexPackage({ client: AnnotatingClient, connection: url, pool: { min: 0, max: 1 } });
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('plain_people', (t) => {
    t.increments('id');
    for (const column of ['first_name', 'last_name', 'phone', 'address', 'locale']) t.text(column);
    t.text('email').unique();
    t.date('left_on');
  });
  await knex.schema.createTable('people', (t) => {
    t.increments('id');
    t.text('first_name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('last_name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('phone').personal({ category: 'contact.phone', protect: 'encrypt' });
    t.text('address').personal({ category: 'contact.address', protect: 'encrypt' });
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.text('locale').notPersonal('a language tag singles nobody out');
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('person', {
      purpose: 'measure',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
  await knex.destroy();
}
