import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { install, oubli, SCHEMA_VERSION, uninstall } from '../../src';
import { newKeyDocument, parseKeyDocument } from '../../src/keyring/key-document';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { expectFix, refusalOf } from '../support/refusals';
import { COMPILED } from '../support/worker';

const run = promisify(execFile);
const version = SCHEMA_VERSION;

describe('Installing the schema', () => {
  let empty: EmptyDatabase;
  beforeEach(async () => {
    empty = await createEmpty();
  });
  afterEach(() => empty.end());

  const versions = async (): Promise<number[]> =>
    (await empty.rows('select version from oubli.migration order by version')).map((row) => Number(row.version));
  const ours = async (): Promise<unknown[]> =>
    empty.rows(`select 'namespace' as what from pg_namespace where nspname = 'oubli'
      union all select 'operator' from pg_operator o join pg_namespace n on n.oid = o.oprnamespace where n.nspname = 'public'
      union all select 'trigger' from pg_trigger where tgname like 'oubli%'
      union all select 'comment' from pg_description where description like '%[oubli]%'`);

  it('refuses a role of its own name, whose tables would be made among its own and not be protected', async () => {
    const url = new URL(empty.url);
    await empty.psql.query(
      `do $$ begin create role oubli superuser login; exception when duplicate_object then null; end $$`,
    );
    await empty.psql.query(`alter role oubli password 'oubli'`);
    url.username = 'oubli';
    url.password = 'oubli';
    const asOubli = empty.connect({ connection: url.toString() });
    const refused = await refusalOf(() => install(asOubli, { version }));
    expect(refused).to.have.property('code', 'OWN_SCHEMA_FIRST');
    expectFix(refused, /^alter role "oubli" set search_path = public/);
    await install(empty.knex, { version });
    expect(
      await refusalOf(() =>
        oubli(asOubli, { keys: { name: 'x', load: async () => parseKeyDocument(newKeyDocument(), 'x') } }),
      ),
    ).to.have.property('code', 'OWN_SCHEMA_FIRST');
    await empty.psql.query('alter role oubli set search_path = public');
    const set = empty.connect({ connection: url.toString() });
    await install(set, { version });
  });

  it('knows as many versions as there are files, numbered without a gap', () => {
    const numbers = readdirSync(path.join(__dirname, '../../migrations')).map((name) => Number(name.slice(0, 3)));
    expect(numbers.sort((a, b) => a - b)).to.deep.equal(Array.from({ length: SCHEMA_VERSION }, (_, i) => i + 1));
  });

  it('leaves nothing when its migration is rolled back', async () => {
    const trx = await empty.knex.transaction();
    await install(trx, { version });
    await trx.rollback();
    expect(await ours()).to.deep.equal([]);
  });

  it('goes version by version, as migrations written at different times ask for it', async () => {
    for (let step = 1; step <= SCHEMA_VERSION; step++) {
      await empty.knex.transaction((trx) => install(trx, { version: step }));
      expect(await versions()).to.deep.equal(Array.from({ length: step }, (_, i) => i + 1));
    }
  });

  it('does nothing the second time, nor when an older version is asked for', async () => {
    await install(empty.knex, { version });
    const [first] = await empty.rows('select id from oubli.instance');
    await install(empty.knex, { version });
    await install(empty.knex, { version: 1 });
    expect(await versions()).to.have.length(SCHEMA_VERSION);
    expect(await empty.rows('select id from oubli.instance')).to.deep.equal([first]);
  });

  it('works where the migration has no transaction, and is whole or not at all there too', async () => {
    await empty.psql.query('create schema oubli');
    await empty.psql.query('create table oubli.element ()'); // in the way of version 1
    await refusedBy(() => install(empty.knex, { version }));
    expect(await empty.rows(`select to_regclass('oubli.instance') as there`)).to.deep.equal([{ there: null }]);
    await empty.psql.query('drop schema oubli cascade');
    await install(empty.knex, { version });
    expect(await versions()).to.have.length(SCHEMA_VERSION);
  });

  async function refusedBy(call: () => Promise<unknown>): Promise<void> {
    const failed = await call().then(
      () => false,
      () => true,
    );
    expect(failed).to.equal(true);
  }

  it('lets two processes migrate at once', async () => {
    const script = `
      const knexPackage = require('knex'); const { AnnotatingClient, install } = require('./src');
      const knex = knexPackage({ client: AnnotatingClient, connection: process.env.URL, pool: { min: 0, max: 1 } });
      knex.transaction(async (trx) => { await install(trx, { version: ${version} }); await trx.raw('select pg_sleep(0.3)'); })
        .finally(() => knex.destroy());`;
    const cwd = path.join(__dirname, '../..');
    const env = { ...process.env, URL: empty.url };
    const once = (): Promise<unknown> => run(process.execPath, [...COMPILED, '-e', script], { cwd, env });
    await Promise.all([once(), once(), once()]);
    expect(await versions()).to.have.length(SCHEMA_VERSION);
    expect(await empty.rows('select count(*)::int as n from oubli.instance')).to.deep.equal([{ n: 1 }]);
  });

  it('refuses a version that does not exist', async () => {
    for (const wrong of [0, SCHEMA_VERSION + 1, 1.5]) {
      const error = await refusalOf(() => install(empty.knex, { version: wrong }));
      expect(error.code).to.equal('UNKNOWN_VERSION');
      expectFix(error, new RegExp(`install\\(knex, \\{ version: ${SCHEMA_VERSION} \\}\\)`));
    }
    expect(await ours()).to.deep.equal([]);
  });

  it('refuses a database that a newer library has migrated', async () => {
    await install(empty.knex, { version });
    await empty.psql.query(`insert into oubli.migration values (999, 'later')`);
    const error = await refusalOf(() => install(empty.knex, { version }));
    expect(error.code).to.equal('SCHEMA_TOO_NEW');
    expectFix(error, /npm install oubli@latest/);
  });

  it('is said to be missing by a migration that declares before it installs', async () => {
    const error = await refusalOf(() =>
      empty.knex.schema.createTable('users', (t) => {
        t.increments('id');
        t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
      }),
    );
    expect(error.code).to.equal('NOT_INSTALLED');
    expectFix(error, /install\(knex, \{ version: \d+ \}\)/);
    expect(await empty.rows(`select to_regclass('users') as there`)).to.deep.equal([{ there: null }]);
  });

  describe('is undone', () => {
    beforeEach(async () => {
      await install(empty.knex, { version });
      await empty.knex.schema.createTable('users', (t) => {
        t.increments('id');
        t.text('email')
          .comment('as typed')
          .personal({ category: 'contact.email', protect: 'encrypt', search: 'email' });
        t.text('locale').comment('BCP 47').notPersonal('a language tag singles nobody out');
        t.date('ended_on').notPersonal('the event that starts the clock');
        const retention = { from: 'ended_on', keep: '6 months', then: 'erase' } as const;
        t.dataSubject('user', { purpose: 'provide the service', basis: 'contract', retention });
      });
    });

    it('not while a column is protected: that would drop the column', async () => {
      const error = await refusalOf(() => uninstall(empty.knex));
      expect(error).to.include({ code: 'STILL_IN_USE', table: 'users', column: 'email' });
      expectFix(error, /alterTable\('users', \(t\) => t\.dropColumn\('email'\)\)/);
    });

    it('not while a copy holds an array of its values', async () => {
      await empty.psql.query('create table copies as select array_agg(email) as emails from users');
      await empty.knex.schema.dropTable('users');
      const error = await refusalOf(() => uninstall(empty.knex));
      expect(error).to.include({ code: 'STILL_IN_USE', table: 'copies', column: 'emails' });
      await empty.knex.schema.dropTable('copies');
      await uninstall(empty.knex);
      expect(await ours()).to.deep.equal([]);
    });

    it('wholly once the column is gone, and the comments of the team stay', async () => {
      await empty.knex.schema.alterTable('users', (t) => t.dropColumn('email'));
      await uninstall(empty.knex);
      expect(await ours()).to.deep.equal([]);
      const comments = await empty.rows(`select col_description('users'::regclass, attnum) as said from pg_attribute
        where attrelid = 'users'::regclass and attname = 'locale'`);
      expect(comments).to.deep.equal([{ said: 'BCP 47' }]);
      await uninstall(empty.knex); // and is nothing to do the second time
      await install(empty.knex, { version });
    });
  });
});
