/**
 * What the purges are measured on: people with 60 rows each in 6 tables, 7 of them with sealed values, and the same rows, byte for
 * byte, in tables that oubli does not know. Whoever measures takes people who were not taken before.
 */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import knexPackage, { type Knex } from 'knex';
import { AnnotatingClient, install, localKeys, type Oubli, oubli, SCHEMA_VERSION } from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { createDatabase } from '../../test/support/postgres';

export const ROWS_EACH = 60;
const MESSAGES = 6;

/** Children first: the order in which foreign keys let rows go. */
export const TABLES = ['order_lines', 'orders', 'visits', 'logins', 'messages', 'users'] as const;

/** A database with the library's schema, and what reaches it with and without the library. */
export interface Opened {
  readonly url: string;
  readonly keyFile: string;
  readonly plain: Knex;
  readonly oubli: Oubli;
  end(): Promise<void>;
}

export interface Estate extends Opened {
  /** The first and the last of so many people whom nobody took yet. */
  take(count: number): readonly [first: number, last: number];
}

/** @param declare makes the tables, with annotations */
export async function open(server: string, declare: (knex: Knex) => Promise<void>): Promise<Opened> {
  const database = await createDatabase(server);
  const folder = mkdtempSync(path.join(tmpdir(), 'oubli-bench-'));
  const keyFile = path.join(folder, 'oubli.keys');
  await generateKeyFile(keyFile);
  const owner = knexPackage({ client: AnnotatingClient, connection: database.url, pool: { min: 0, max: 1 } });
  await install(owner, { version: SCHEMA_VERSION });
  await declare(owner);
  await owner.destroy();
  const plain = knexPackage({ client: 'pg', connection: database.url, pool: { min: 0, max: 2 } });
  const knex = knexPackage({ client: 'pg', connection: database.url, pool: { min: 0, max: 2 } });
  const instance = await oubli(knex, { keys: localKeys({ file: keyFile }) });
  return {
    url: database.url,
    keyFile,
    plain,
    oubli: instance,
    end: async () => {
      await instance.close();
      await knex.destroy();
      await plain.destroy();
      await database.drop();
      await rm(folder, { recursive: true });
    },
  };
}

export async function createEstate(server: string, people: number): Promise<Estate> {
  const opened = await open(server, declare);
  await fill(opened.oubli, opened.plain, people);
  await copy(opened.plain);
  let taken = 0;
  const take: Estate['take'] = (count) => {
    const first = taken + 1;
    taken += count;
    if (taken > people) throw new Error(`there are no more than ${people} people to be measured on`);
    return [first, taken];
  };
  return { ...opened, take };
}

async function declare(knex: Knex): Promise<void> {
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
    t.date('left_on').index().notPersonal('the event that starts the clock');
    t.dataSubject('user', {
      purpose: 'measure',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
  const owned = (name: string, columns: (t: Knex.CreateTableBuilder) => void): Knex.SchemaBuilder =>
    knex.schema.createTable(name, (t) => {
      t.increments('id');
      t.integer('user_id').notNullable().references('users.id').index();
      columns(t);
      t.personalData({ purpose: 'measure', basis: 'contract' });
    });
  await owned('messages', (t) => t.text('body').personal({ category: 'activity.content', protect: 'encrypt' }));
  await owned('visits', (t) => t.timestamp('at').notPersonal('a moment'));
  await owned('logins', (t) => t.timestamp('at').notPersonal('a moment'));
  await owned('orders', (t) => t.decimal('total').notPersonal('an amount'));
  await knex.schema.createTable('order_lines', (t) => {
    t.increments('id');
    t.integer('order_id').notNullable().references('orders.id').index();
    t.text('article').notPersonal('a thing');
    t.personalData({ purpose: 'measure', basis: 'contract' });
  });
}

async function fill({ insertMany }: Oubli, plain: Knex, people: number): Promise<void> {
  await insertMany(
    'users',
    rows(people, (id) => ({ id, name: `Person ${id}`, email: `${id}@example.org` })),
  );
  await insertMany(
    'messages',
    rows(people, (id) => ({ user_id: id, body: `Message of person ${id}` })),
  );
  // the other messages are the same sealed bytes again: what leaves is not opened
  const filling = [
    `insert into messages (user_id, body) select user_id, body from messages, generate_series(2, ${MESSAGES})`,
    'insert into visits (user_id, at) select id, now() from users, generate_series(1, 16)',
    'insert into logins (user_id, at) select id, now() from users, generate_series(1, 5)',
    'insert into orders (user_id, total) select id, 9.99 from users, generate_series(1, 8)',
    `insert into order_lines (order_id, article) select id, 'a thing' from orders, generate_series(1, 3)`,
  ];
  for (const statement of filling) await plain.raw(statement);
}

function* rows(count: number, row: (id: number) => Record<string, unknown>): Generator<Record<string, unknown>> {
  for (let id = 1; id <= count; id++) yield row(id);
}

/** The same rows with the same bytes, keys and indexes; sealed columns are bytea there. */
async function copy(plain: Knex): Promise<void> {
  for (const table of [...TABLES].reverse()) {
    const { rows: columns } = await plain.raw(
      `select string_agg(case when t.typtype = 'd' then format('%1$I::bytea as %1$I', a.attname) else quote_ident(a.attname) end, ', ') as list
      from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = ?::regclass and a.attnum > 0`,
      [table],
    );
    await plain.raw(`create table plain_${table} as select ${columns[0].list} from ${table} order by id`);
    await plain.raw(`alter table plain_${table} add primary key (id)`);
  }
  for (const table of ['messages', 'visits', 'logins', 'orders']) await refer(plain, table, 'user_id', 'users');
  await refer(plain, 'order_lines', 'order_id', 'orders');
  await plain.raw('create index on plain_users (left_on)');
  await plain.raw('create unique index on plain_users (substr(email, 9, 16))');
  await plain.raw('vacuum analyze');
}

async function refer(plain: Knex, table: string, column: string, parent: string): Promise<void> {
  await plain.raw(`create index on plain_${table} (${column})`);
  await plain.raw(`alter table plain_${table} add foreign key (${column}) references plain_${parent}`);
}

/** Their service ended long ago. */
export async function makeDue(
  plain: Knex,
  prefix: '' | 'plain_',
  [first, last]: readonly [number, number],
): Promise<void> {
  await plain.raw(`update ${prefix}users set left_on = '2020-01-01' where id between ? and ?`, [first, last]);
  await plain.raw(`vacuum ${prefix}users`);
}

/** All may leave at once, and VACUUM comes later: neither the breaker nor VACUUM is what is measured, nor part of DELETEs by hand. */
export const WHOLE = { breaker: { people: 1 }, vacuum: 'later' } as const;
