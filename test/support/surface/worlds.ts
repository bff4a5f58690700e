/** The same service twice: declared and protected, and as plain Knex knows it. Both hold the same people. */
import knexPackage, { type Knex } from 'knex';
import type { Oubli } from '../../../src';
import { createDatabase, testServerUrl } from '../postgres';
import { createWorld, migrateWorld, type World } from '../world';
import { ADA, BOB } from './verb';

export async function migrateSurface(knex: Knex): Promise<void> {
  await migrateWorld(knex);
  await knex.schema.createTable('profiles', (t) => {
    t.increments('id');
    t.integer('user_id').references('users.id');
    t.jsonb('profile').personal({ category: 'activity.content', protect: 'encrypt' });
    t.integer('points').personal({ category: 'activity.content', protect: 'encrypt' });
    t.text('bio').personal({
      category: 'activity.content',
      protect: 'encrypt',
      tokens: { prefix: { min: 2, max: 6 }, words: true, as: 'lowercase' },
      acknowledgeLeak: 'searched by everybody',
    });
    t.personalData({ purpose: 'tests', basis: 'contract' });
  });
}

const PLAIN = `
create table users (id serial primary key, name text, email text not null unique, birth_date date, last_ip inet, crm_id text,
  nickname text, locale text, service_ended_on date);
create table contracts (id serial primary key, user_id integer not null references users, signatory text, plan text);
create table profiles (id serial primary key, user_id integer references users, profile jsonb, points integer, bio text);
create table products (id serial primary key, name text, email text);`;

const UNIQUE = `
create unique index on contracts (user_id, plan);
alter table users add column nobody_id integer;
create unique index on users (%, locale);`;

export interface Surface {
  readonly protected: World;
  /** What stands behind `db`. */
  readonly oubli: Oubli;
  readonly db: Knex;
  readonly plain: Knex;
  end(): Promise<void>;
}

/** @param factory the version of Knex that both instances are made by */
export async function createSurface(factory: typeof knexPackage = knexPackage): Promise<Surface> {
  const world = await createWorld({ migrate: migrateSurface });
  const database = await createDatabase(testServerUrl());
  const plain = factory({ client: 'pg', connection: database.url, pool: { min: 0, max: 4 } });
  await plain.raw(PLAIN);
  await plain.raw(UNIQUE.replace('%', 'email'));
  await world.plain.raw(UNIQUE.replace('%', 'substring(email::bytea, 9, 16)'));
  const oubli = await world.another({ factory });
  const { db } = oubli;
  await db.raw('comment on table products is null');
  for (const each of [plain, db]) await addPeople(each);
  const end = async (): Promise<void> => {
    await plain.destroy();
    await database.drop();
    await world.end();
  };
  return { protected: world, oubli, db, plain, end };
}

async function addPeople(db: Knex): Promise<void> {
  await db('users').insert([
    {
      id: 1,
      name: 'Ada',
      email: ADA,
      birth_date: '1815-12-10',
      last_ip: '203.0.113.0',
      nickname: 'countess',
      locale: 'fr',
    },
    { id: 2, name: 'Bob', email: BOB, nickname: 'bobby', locale: 'en' },
    { id: 3, name: 'Cyd', email: 'cyd@example.org', nickname: 'c', locale: 'fr' },
  ]);
  await db('contracts').insert([
    { id: 1, user_id: 1, signatory: 'A. Lovelace', plan: 'gold' },
    { id: 2, user_id: 2, signatory: 'B. Jones', plan: 'tin' },
    { id: 3, user_id: 1, signatory: 'A. L.', plan: 'tin' },
  ]);
  await db('profiles').insert([
    { id: 1, user_id: 1, profile: { a: 1 }, points: 5, bio: 'Engines, and poetry' },
    { id: 2, user_id: 2, bio: 'English gardens' },
    { id: 3, user_id: 3, bio: null },
  ]);
  await db('products').insert([
    { id: 1, name: 'Lamp', email: 'shop@example.org' },
    { id: 2, name: 'Desk', email: ADA },
  ]);
}
