/**
 * The traps of Knex, pg and PostgreSQL that trials had found before the seam was written, each with its number, so far as they
 * have no test beside the feature they belong to (test/database/seam-*.test.ts and keys.test.ts name theirs in their titles).
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { ConfigurationError, localKeys, oubli, TamperedError } from '../../src';
import { seamOf, sentDuring } from '../support/listening';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('Traps', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  it('each of the 31 has a test that names it', () => {
    const tests = path.join(__dirname, '..');
    const texts = readdirSync(tests, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.test.ts'))
      .map((file) => readFileSync(path.join(tests, file), 'utf8'))
      .join('\n');
    const named = new Set(
      [...texts.matchAll(/\b(?:it|describe)\(\s*[`'"]trap (\d+):/g)].map(([, number]) => Number(number)),
    );
    const untested = Array.from({ length: 31 }, (_, i) => i + 1).filter((number) => !named.has(number));
    expect(untested).to.deep.equal([]);
  });

  it('trap 9: what is protected is no matter of a column’s place, which a dump and restore changes', async () => {
    await world.db.schema.createTable('moved', (t) => {
      t.text('a');
      t.text('b');
      t.increments('id');
      t.integer('user_id').references('users.id');
      t.text('words').personal({ category: 'activity.content', protect: 'encrypt' });
      t.personalData({ purpose: 'tests', basis: 'contract' });
    });
    await world.db.schema.alterTable('moved', (t) => t.dropColumns('a', 'b'));
    const places = (table: string): Promise<number> =>
      world
        .plain('pg_attribute')
        .whereRaw('attrelid = ?::regclass and attname = ?', [table, 'words'])
        .pluck('attnum')
        .then(([n]) => n);
    // As a restored table is: dropped columns leave no gaps.
    await world.plain.raw('create table restored (like moved including constraints including indexes)');
    expect(await places('moved')).not.to.equal(await places('restored'));
    await world.plain.raw('drop table moved; alter table restored rename to moved');
    await world.db.raw('comment on table moved is null');
    const { db } = await world.another();
    const [{ id: user_id }] = await db('users').insert({ email: 'moved@example.org' }).returning('id');
    const refused = await failureOf(() => world.plain('moved').insert({ id: 1, user_id, words: 'plain' }));
    expect(refused.code).to.equal('23514');
    expect(seamOf(db).catalogue.named('moved')[0]?.columns.get('words')?.element?.protect).to.equal('encrypt');
  });

  it('trap 31: unique() on a sealed column is refused; `unique: true` is about the blind index', async () => {
    const sealed = { category: 'contact.email', protect: 'encrypt', search: 'email' } as const;
    const create = (name: string, column: (t: Knex.CreateTableBuilder) => unknown): Promise<void> =>
      world.db.schema.createTable(name, (t) => {
        t.increments('id');
        t.integer('user_id').references('users.id');
        column(t);
        t.personalData({ purpose: 'tests', basis: 'contract' });
      });
    const useless = await failureOf(() => create('useless', (t) => t.text('mail').unique().personal(sealed)));
    expect(useless.message).to.match(/unique: true/);
    expect(await world.plain.schema.hasTable('useless')).to.equal(false);
    await create('useful', (t) => t.text('mail').personal({ ...sealed, unique: true }));
    const { rows } = await world.plain.raw(
      `select indexdef from pg_indexes where tablename = 'useful' and indexdef like '%mail%'`,
    );
    expect(rows).to.have.length(1);
    expect(rows[0].indexdef).to.match(/UNIQUE INDEX .*substring/i);
    const [{ id: user_id }] = await world.db('users').insert({ email: 'unique@example.org' }).returning('id');
    await world.db('useful').insert({ user_id, mail: 'Same@example.org' });
    const again = await failureOf(() => world.db('useful').insert({ user_id, mail: 'same@example.org' }));
    expect(again.code).to.equal('23505');
    await world.db.schema.dropTable('useful');
  });

  it('trap 13: what toString() prints for a sealed value is no bit string, and cannot be executed', async () => {
    const insert = world.db('users').insert({ id: 5, email: 'printed@example.org', name: 'Printed' });
    const text = insert.toString();
    expect(text).to.include('([oubli users.email], ').and.not.match(/X'/);
    const error = await failureOf(() => world.plain.raw(text.replaceAll('?', '\\?')));
    expect(error.code).to.equal('42601');
    const { sql, bindings } = insert.toSQL().toNative();
    const client = await world.plain.client.acquireConnection();
    try {
      expect((await failureOf(() => client.query(sql, bindings))).code).to.equal('PLACEHOLDER_SENT');
    } finally {
      await world.plain.client.releaseConnection(client);
    }
  });

  it('trap 21: pg’s pipeline mode is refused at start', async () => {
    const knex = knexPackage({ client: 'pg', connection: { connectionString: world.url, pipeline: true } as never });
    const error = await failureOf(() => oubli(knex, { keys: localKeys({ file: world.keyFile }) }));
    expect(error).to.be.instanceOf(ConfigurationError);
    expect(error.code).to.equal('PIPELINE');
    await knex.destroy();
  });

  it('trap 22: listeners of query-response get no opened row, and the caller gets it all the same', async () => {
    const heard: unknown[] = [];
    const listen = (response: unknown, query: { response?: unknown }): unknown =>
      heard.push([response, query.response]);
    world.db.on('query-response', listen);
    const [row] = await world
      .db('users')
      .insert({ email: 'heard@example.org', name: 'H' })
      .returning(['email', 'name']);
    const own: unknown[] = [];
    await world
      .db('users')
      .first('name')
      .on('query-response', (response: unknown) => own.push(response));
    await world.db('products').insert({ name: 'Lamp' }).returning('name');
    world.db.removeListener('query-response', listen);
    expect(row).to.deep.equal({ email: 'heard@example.org', name: 'H' });
    expect(heard[0]).to.deep.equal([['[oubli row]'], undefined]);
    expect(own).to.deep.equal(['[oubli row]']);
    expect((heard[2] as unknown[])[0]).to.deep.equal([{ name: 'Lamp' }]);
  });

  it('trap 23: when what an autocommit statement returns cannot be opened, the error says that it was carried out', async () => {
    const [{ id }] = await world.db('users').insert({ email: 'carried@example.org', name: 'C' }).returning('id');
    const { name } = await world.plain('users').where({ id }).first();
    const broken = Buffer.from(name);
    broken[broken.length - 1] = (broken.at(-1) as number) ^ 1;
    await world.plain('users').where({ id }).update({ name: broken });
    const update = world.db('users').where({ id }).update({ locale: 'fr' }).returning('*');
    const error = await failureOf(() => update);
    expect(error).to.be.instanceOf(TamperedError);
    expect(error.message).to.match(/was carried out; do not repeat it/);
    expect((await world.plain('users').where({ id }).first()).locale).to.equal('fr');
    const trx = await world.db.transaction();
    const inside = await failureOf(() => trx('users').where({ id }).update({ locale: 'en' }).returning('*'));
    expect(inside.message).to.match(/stands if the transaction commits/);
    await trx.rollback();
    const read = await failureOf(() => world.db('users').where({ id }));
    expect(read.message).not.to.match(/carried out/);
  });

  it('trap 24: a query built and printed before oubli() is ready cannot store plaintext', async () => {
    const knex = knexPackage({ client: 'pg', connection: world.url, pool: { min: 0, max: 2 } });
    const early = knex('users').insert({ email: 'early@example.org', name: 'Early' });
    expect((await failureOf(() => early.clone())).code).to.equal('23514');
    const { db, close } = await oubli(knex, { keys: localKeys({ file: world.keyFile }) });
    await early;
    const [stored] = await world.plain('users').orderBy('id', 'desc').limit(1);
    expect(stored.name.subarray(0, 2).toString('hex')).to.equal('a70b');
    await close();
    for (const print of [
      () => early.toString(),
      () => early.toSQL(),
      () => db('users').where({ email: 'x@example.org' }).toString(),
    ]) {
      expect((await failureOf(print)).code).to.equal('NOT_READY');
    }
    await knex.destroy();
  });

  it('trap 28: other drivers are refused at start', async () => {
    for (const client of ['pgnative', 'better-sqlite3', 'mysql2', 'cockroachdb']) {
      const knex = { client: { driverName: client === 'cockroachdb' ? 'cockroachdb' : client } } as never;
      const error = await failureOf(() => oubli(knex, { keys: localKeys({ file: world.keyFile }) }));
      expect(error.code, client).to.equal('NOT_POSTGRES');
    }
  });

  it('trap 29: what a raw comparison sends names the index looked for, and holds no ciphertext', async () => {
    const connection = await world.db.client.acquireConnection();
    const { query } = connection;
    const values: unknown[] = [];
    connection.query = function (this: unknown, ...args: [{ values?: unknown[] }]) {
      if (args[0]?.values) values.push(...args[0].values);
      return query.apply(this, args);
    };
    try {
      await world.db.raw('select * from users where email = ?', ['token@example.org']).connection(connection);
      await world.db('users').where({ email: 'token@example.org' }).del().connection(connection);
    } finally {
      connection.query = query;
      await world.db.client.releaseConnection(connection);
    }
    expect(values).to.have.length(2);
    expect(values[0]).to.match(/^\\xa70b0103[0-9a-f]{40}$/);
    expect(values[1]).to.match(/^\\x[0-9a-f]{32}$/);
  });

  it('a statement that is refused is not announced, and one that is sent is announced once', async () => {
    const sent = await sentDuring(world.db, async () => {
      await failureOf(() => world.db('users').insert({ email: 'x' }));
      await world.db('users').where({ locale: 'fr' }).update({ nickname: 'n' });
    });
    expect(sent).to.have.length(1);
    expect(seamOf(world.db).catalogue.isEmpty).to.equal(false);
  });
});
