/** The policy is the column's type: it goes where the column goes, into copies, views, and another database. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { AnnotatingClient, install, localKeys, oubli, SCHEMA_VERSION } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { toolsFor } from '../support/dump-tools';
import { createDatabase, testServerUrl } from '../support/postgres';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const run = promisify(execFile);
const REFUSED = '23514'; // check_violation

describe('A sealed column keeps its type', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
    await world.db('users').insert({ name: 'Ada', email: 'ada@example.org', last_ip: '203.0.113.77' });
  });
  after(() => world.end());

  const typeOf = async (table: string, column: string): Promise<string> => {
    const { rows } = await world.plain.raw(
      'select format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = ?::regclass and attname = ?',
      [table, column],
    );
    return rows[0].type;
  };

  for (const [how, make] of [
    ['CREATE TABLE LIKE', 'create table copy (like users)'],
    ['CREATE TABLE AS', 'create table copy as select * from users'],
    ['SELECT INTO', 'select * into copy from users'],
    ['a view', 'create view copy as select * from users'],
    ['a materialised view', 'create materialized view copy as select * from users'],
    ['INHERITS', 'create table copy () inherits (users)'],
    ['a temporary table', 'create temp table copy as select * from users'],
  ] as const) {
    it(`in ${how}${how.includes('view') ? '' : ', which refuses plaintext too'}`, async () => {
      const trx = await world.plain.transaction();
      await trx.raw(make);
      const { rows } = await trx.raw(
        `select attname, format_type(atttypid, null) as type from pg_attribute where attrelid = 'copy'::regclass and attname in ('name', 'last_ip')`,
      );
      expect(rows).to.have.deep.members([
        { attname: 'name', type: 'oubli."users.name"' },
        { attname: 'last_ip', type: 'oubli."users.last_ip"' },
      ]);
      if (!how.includes('view')) {
        expect((await failureOf(() => trx('copy').insert({ name: 'Ada', email: null }))).code).to.equal(REFUSED);
      }
      await trx.rollback();
    });
  }

  it('after raw renames of column and table', async () => {
    await world.plain.raw('alter table notes rename to remarks; alter table remarks rename body to words');
    expect(await typeOf('remarks', 'words')).to.equal('oubli."notes.body"');
    await world.plain.raw('alter table remarks rename words to body; alter table remarks rename to notes');
  });

  it('and the operators that search it stay usable through a view, by index', async () => {
    await world.plain.raw('create view people as select id, email from users');
    const found = await world.db.raw('select id from people where email = ?', ['ADA@example.org']);
    expect(found.rows).to.have.length(1);
    const trx = await world.plain.transaction();
    await trx.raw('set local enable_seqscan = off');
    const { rows } = await trx.raw(`explain select id from people where email = (select email from users limit 1)`);
    await trx.rollback();
    expect(JSON.stringify(rows)).to.contain('_blind');
    await world.plain.raw('drop view people');
  });

  it('and whatever else would compare ciphertext raises instead of answering', async () => {
    for (const operator of ['<', '<=', '>', '>=']) {
      const error = await failureOf(() => world.plain.raw(`select from users where name ${operator} name`));
      expect(error.code, operator).to.equal('OU003');
    }
    expect((await failureOf(() => world.plain.raw('select from users where name = name'))).code).to.equal('OU003');
  });
});

describe('A dump, restored into another database', function () {
  this.timeout(60_000);

  it('has the same catalogue, and everything works in it', async function () {
    const tools = await toolsFor(testServerUrl());
    if (typeof tools === 'string') {
      this.test!.title += ` (skipped: ${tools})`;
      return this.skip();
    }
    const world = await createWorld();
    const folder = await mkdtemp(path.join(tmpdir(), 'oubli-dump-'));
    const restored = await createDatabase(testServerUrl());
    const knex = knexPackage({ client: 'pg', connection: restored.url, pool: { min: 0, max: 3 } });
    try {
      await makeHistory(world);
      const before = await everything(world.plain);
      const file = path.join(folder, 'dump');
      await run(tools.dump, ['--format=custom', `--file=${file}`, world.url]);
      await run(tools.restore, ['--exit-on-error', '--no-owner', `--dbname=${restored.url}`, file]);
      const { db, close } = await oubli(knex, { keys: localKeys({ file: world.keyFile }) });
      expect(await everything(knex)).to.deep.equal(before);
      expect(
        await db('users').where({ email: 'ADA@example.org' }).first('name', 'email', 'last_ip', 'motto'),
      ).to.deep.equal({
        name: 'Ada',
        email: 'ada@example.org',
        last_ip: '203.0.113.0',
        motto: 'forget me not',
      });
      const raw = await db.raw('select id from users u where u.email = ?', ['ada@example.org']);
      expect(raw.rows).to.have.length(1);
      const [bob] = await db('users').insert({ name: 'Bob', email: 'bob@example.org' }).returning(['id', 'name']);
      expect(bob).to.include({ name: 'Bob' });
      expect((await failureOf(() => db('users').insert({ name: 'Eve', email: 'ada@example.org' }))).code).to.equal(
        '23505',
      );
      await close();
      await changeAfterRestore(restored.url);
    } finally {
      await knex.destroy();
      await restored.drop();
      await rm(folder, { recursive: true });
      await world.end();
    }
  });

  /** Columns dropped and added move attribute numbers, which a restore renumbers: a policy kept by number would move too. */
  async function makeHistory(world: World): Promise<void> {
    await world.db.schema.alterTable('users', (t) => t.dropColumn('crm_id'));
    await world.db.schema.alterTable('users', (t) => {
      t.text('motto').personal({ category: 'activity.content', protect: 'encrypt' });
    });
    await world
      .db('users')
      .insert({ name: 'Ada', email: 'ada@example.org', last_ip: '203.0.113.77', motto: 'forget me not' });
  }

  /** What is declared, without OIDs and attribute numbers. */
  async function everything(knex: Knex): Promise<unknown> {
    const catalogue = await loadCatalogue({
      query: async (sql) =>
        knex.client.acquireConnection().then(async (connection: { query(sql: string): Promise<never> }) => {
          try {
            return await connection.query(sql);
          } finally {
            await knex.client.releaseConnection(connection);
          }
        }),
    });
    return catalogue.tables
      .map(({ name, declaration, columns }) => ({
        name,
        declaration,
        columns: [...columns.values()].map(({ name, spec, element }) => [name, spec, element?.id, element?.label]),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Migrations go on: numbers of guards and elements are not given twice. */
  async function changeAfterRestore(url: string): Promise<void> {
    const knex = knexPackage({ client: AnnotatingClient, connection: url, pool: { min: 0, max: 1 } });
    try {
      await install(knex, { version: SCHEMA_VERSION });
      await knex.schema.alterTable('users', (t) => {
        t.text('phone').personal({ category: 'contact.phone', protect: 'encrypt', search: 'exact', unique: true });
      });
      await knex.schema.dropTable('notes');
    } finally {
      await knex.destroy();
    }
  }
});
