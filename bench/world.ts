/** What the benches work on: the same 10,000 seeded people in a plain table and in a protected one, on one server. */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { en, Faker, fr } from '@faker-js/faker';
import knexPackage, { type Knex } from 'knex';
import { AnnotatingClient, install, localKeys, oubli, SCHEMA_VERSION } from '../src';
import { generateKeyFile } from '../src/keyring/local-keys';
import { createDatabase, startPostgres } from '../test/support/postgres';

export const PEOPLE = 10_000;
export const BATCH = 500;

export interface Person extends Record<string, unknown> {
  id: number;
  first_name: string;
  last_name: string;
  email: string;
  phone: string;
  address: string;
  locale: string;
}

export interface BenchWorld {
  /** Knex as everybody has it. */
  readonly plain: Knex;
  /** The same kind of instance, protected. */
  readonly db: Knex;
  readonly people: readonly Person[];
  end(): Promise<void>;
}

export async function createBenchWorld(): Promise<BenchWorld> {
  const server = await startPostgres();
  const database = await createDatabase(server.url);
  await migrate(database.url);
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-bench-'));
  const file = path.join(folder, 'oubli.keys');
  await generateKeyFile(file);
  const plain = knexPackage({ client: 'pg', connection: database.url });
  const knex = knexPackage({ client: 'pg', connection: database.url });
  const { db, close } = await oubli(knex, { keys: localKeys({ file }) });
  const end = async (): Promise<void> => {
    await close();
    await knex.destroy();
    await plain.destroy();
    await database.drop();
    await rm(folder, { recursive: true });
    await server.stop();
  };
  return { plain, db, people: makePeople(), end };
}

async function migrate(url: string): Promise<void> {
  const knex = knexPackage({ client: AnnotatingClient, connection: url, pool: { min: 0, max: 1 } });
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('plain_people', (t) => {
    t.increments('id');
    for (const column of ['first_name', 'last_name', 'phone', 'address', 'locale']) t.text(column);
    t.text('email').unique();
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

function makePeople(): Person[] {
  const faker = new Faker({ locale: [fr, en], seed: 1789 });
  return Array.from({ length: PEOPLE }, (_, i) => ({
    id: i + 1,
    first_name: faker.person.firstName(),
    last_name: faker.person.lastName(),
    email: `${i}.${faker.internet.email()}`,
    phone: faker.phone.number(),
    address: faker.location.streetAddress(),
    locale: 'fr',
  }));
}
