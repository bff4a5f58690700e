/** Migrations as a team runs them: a project folder, a knexfile and TypeScript migrations, through Knex's own command. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, localKeys, oubli, SCHEMA_VERSION } from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { refusalOf } from '../support/refusals';

const repository = path.join(__dirname, '../..');
const version = SCHEMA_VERSION;

const INSTALL = `
import { install, uninstall } from '../../../../src';
export const up = (knex) => install(knex, { version: ${version} });
export const down = (knex) => uninstall(knex);
`;
const USERS = `
export const up = (knex) => knex.schema.createTable('users', (t) => {
  t.increments('id');
  t.text('email').notNullable().personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
  t.dataSubject('user', { purpose: 'provide the service', basis: 'contract',
    retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' } });
});
export const down = (knex) => knex.schema.dropTable('users');
`;
const PHONES = `
export const up = (knex) => knex.schema.alterTable('users', (t) => {
  t.text('phone').personal({ category: 'contact.phone', protect: 'encrypt', search: 'exact' });
});
export const down = (knex) => knex.schema.alterTable('users', (t) => t.dropColumn('phone'));
`;
const FAILING = `
export const up = async (knex) => {
  await knex.schema.alterTable('users', (t) => {
    t.text('motto').personal({ category: 'activity.content', protect: 'encrypt' });
  });
  throw new Error('half way');
};
export const down = () => undefined;
`;

describe('The knex command', function () {
  this.timeout(60_000);
  let empty: EmptyDatabase;
  let project: string;
  before(() => mkdir(path.join(repository, 'test/tmp'), { recursive: true }));
  beforeEach(async () => {
    empty = await createEmpty();
    // Inside the repository, so that knex, pg and ts-node are found, as in a project that installed them.
    project = await mkdtemp(path.join(repository, 'test/tmp/project-'));
    await mkdir(path.join(project, 'migrations'));
  });
  afterEach(async () => {
    await rm(project, { recursive: true });
    await empty.end();
  });
  after(() => rm(path.join(repository, 'test/tmp'), { recursive: true, force: true }));

  async function write(files: Record<string, string>): Promise<void> {
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(project, name), text);
  }

  const knexfile = (client: string): string => `
    import { AnnotatingClient } from '../../../src';
    export default { client: ${client}, connection: process.env.URL, migrations: { extension: 'ts' } };
    void AnnotatingClient;`;

  function knex(...args: string[]): Promise<{ code: number; output: string }> {
    const cli = path.join(repository, 'node_modules/knex/bin/cli.js');
    const env = { ...process.env, URL: empty.url, NO_COLOR: '1' };
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [cli, ...args, '--knexfile', 'knexfile.ts'],
        { cwd: project, env },
        (error, out, err) => resolve({ code: Number(error?.code ?? 0), output: out + err }),
      );
    });
  }

  const tables = async (): Promise<unknown[]> =>
    (
      await empty.rows(`select schemaname || '.' || tablename as name from pg_tables
        where schemaname in ('public', 'oubli') and tablename not like 'knex%' order by 1`)
    ).map((row) => row.name);

  it('runs declarations in one go, and undoes them all', async () => {
    await write({
      'knexfile.ts': knexfile('AnnotatingClient'),
      'migrations/1_install.ts': INSTALL,
      'migrations/2_users.ts': USERS,
      'migrations/3_phones.ts': PHONES,
    });
    const up = await knex('migrate:latest');
    expect(up.output).to.contain('Batch 1 run: 3 migrations');
    expect(await tables()).to.include.members(['public.users', 'oubli.annotation']);
    const columns = await empty.rows('select column_name from oubli.annotation order by 1');
    expect(columns).to.deep.equal([{ column_name: 'email' }, { column_name: 'phone' }]);
    const down = await knex('migrate:rollback', '--all');
    expect(down.output).to.contain('Batch 1 rolled back: 3 migrations');
    expect(await tables()).to.deep.equal([]);
    expect((await knex('migrate:latest')).output).to.contain('Batch 1 run: 3 migrations');
  });

  it('goes up and down one by one', async () => {
    await write({
      'knexfile.ts': knexfile('AnnotatingClient'),
      'migrations/1_install.ts': INSTALL,
      'migrations/2_users.ts': USERS,
    });
    for (const expected of [[], ['public.users']]) {
      await knex('migrate:up');
      expect((await tables()).filter((name) => String(name).startsWith('public.'))).to.deep.equal(expected);
    }
    await knex('migrate:down');
    expect(await tables())
      .to.include('oubli.annotation')
      .and.not.include('public.users');
  });

  it('plants seeds: sealed where the seed protects its instance, refused where it does not', async () => {
    await mkdir(path.join(project, 'seeds'));
    await generateKeyFile(path.join(project, 'oubli.keys'));
    await write({
      'knexfile.ts': knexfile('AnnotatingClient').replace('migrations:', `seeds: { extension: 'ts' }, migrations:`),
      'migrations/1_install.ts': INSTALL,
      'migrations/2_users.ts': USERS,
      'seeds/bare.ts': `export const seed = (knex) => knex('users').insert({ email: 'seed@example.org' });`,
      'seeds/people.ts': `
        import { localKeys, oubli } from '../../../../src';
        export const seed = async (knex) => {
          const { db, close } = await oubli(knex, { keys: localKeys({ file: 'oubli.keys' }) });
          await db('users').insert({ email: 'seed@example.org' });
          await close();
        };`,
    });
    await knex('migrate:latest');
    const refused = await knex('seed:run', '--specific', 'bare.ts');
    expect(refused.code).to.equal(1);
    const planted = await knex('seed:run', '--specific', 'people.ts');
    expect(planted.output).to.contain('Ran 1 seed files');
    const stored = await empty.rows('select email from users');
    expect(stored.map(({ email }) => (email as Buffer).subarray(0, 3).toString('hex'))).to.deep.equal(['a70b01']);
  });

  it('trap 25: Knex does not look for .mjs migrations unless told to, and they declare like any other', async () => {
    await write({
      'knexfile.ts': knexfile('AnnotatingClient'),
      'migrations/1_install.ts': INSTALL,
      'migrations/2_users.mjs': USERS,
    });
    expect((await knex('migrate:latest')).output).to.contain('Batch 1 run: 1 migrations');
    expect((await knex('migrate:latest')).output).to.contain('Already up to date');
    expect(await tables()).not.to.include('public.users');
    const extensions = `extension: 'ts', loadExtensions: ['.ts', '.mjs']`;
    await write({ 'knexfile.ts': knexfile('AnnotatingClient').replace(`extension: 'ts'`, extensions) });
    expect((await knex('migrate:latest')).output).to.contain('Batch 2 run: 1 migrations');
    const columns = await empty.rows('select column_name from oubli.annotation order by 1');
    expect(columns).to.deep.equal([{ column_name: 'email' }]);
  });

  it('without `client: AnnotatingClient` says so, and creates nothing', async () => {
    await write({
      'knexfile.ts': knexfile(`'pg'`),
      'migrations/1_install.ts': INSTALL,
      'migrations/2_users.ts': USERS,
    });
    const { code, output } = await knex('migrate:latest');
    expect(code).to.equal(1);
    expect(output).to.contain('.personal() was called on a Knex client that would ignore it');
    expect(output).to.contain("import { AnnotatingClient } from 'oubli'; export default { client: AnnotatingClient");
    expect(await tables()).not.to.include('public.users');
    expect(await empty.rows(`select count(*)::int as n from knex_migrations where name like '2_%'`)).to.deep.equal([
      { n: 0 },
    ]);
  });

  it('leaves nothing of a migration that fails half way', async () => {
    await write({
      'knexfile.ts': knexfile('AnnotatingClient'),
      'migrations/1_install.ts': INSTALL,
      'migrations/2_users.ts': USERS,
    });
    await knex('migrate:latest');
    await write({ 'migrations/3_failing.ts': FAILING });
    const { code, output } = await knex('migrate:latest');
    expect(code).to.equal(1);
    expect(output).to.contain('half way');
    expect(await empty.rows(`select from oubli.annotation where column_name = 'motto'`)).to.deep.equal([]);
    expect(await empty.rows(`select from pg_type where typname like '%motto%'`)).to.deep.equal([]);
    expect(await empty.rows(`select from pg_attribute where attname = 'motto'`)).to.deep.equal([]);
  });

  it('shows what a refused declaration should be', async () => {
    await write({
      'knexfile.ts': knexfile('AnnotatingClient'),
      'migrations/1_install.ts': INSTALL,
      'migrations/2_users.ts': USERS.replace('contact.email', 'contact.emial'),
    });
    const { code, output } = await knex('migrate:latest');
    expect(code).to.equal(1);
    expect(output).to.contain("users.email: unknown category 'contact.emial', did you mean 'contact.email'?");
    expect(output).to.contain(
      "fix: .personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true })",
    );
  });
});

describe('Migrations through a protected instance', () => {
  let empty: EmptyDatabase;
  let folder: string;
  beforeEach(async () => {
    empty = await createEmpty();
    folder = await mkdtemp(path.join(repository, 'test', '.keys-'));
    await generateKeyFile(path.join(folder, 'oubli.keys'));
    await empty.knex.migrate.latest(source([INSTALL_HERE]));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
    await empty.end();
  });

  interface Migration {
    readonly name: string;
    up(knex: Knex): Promise<unknown>;
    down(knex: Knex): Promise<unknown>;
  }

  const INSTALL_HERE: Migration = {
    name: '1_install',
    up: (knex) => install(knex, { version }),
    down: async () => undefined,
  };
  const service = { purpose: 'provide the service', basis: 'contract' } as const;
  const CREATE: Migration = {
    name: '2_create',
    up: (knex) =>
      knex.schema.createTable('users', (t) => {
        t.increments('id');
        t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email' });
        const retention = { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' } as const;
        t.dataSubject('user', { ...service, retention });
      }),
    down: (knex) => knex.schema.dropTable('users'),
  };
  const FILL: Migration = {
    name: '3_fill',
    up: (knex) => knex('users').insert({ email: 'ada@example.org' }),
    down: (knex) => knex('users').delete(),
  };

  function source(migrations: Migration[]): Knex.MigratorConfig {
    return {
      migrationSource: {
        getMigrations: async () => migrations,
        getMigrationName: (migration: Migration) => migration.name,
        getMigration: async (migration: Migration) => migration,
      },
    };
  }

  const start = async () =>
    oubli(empty.connect({ client: 'pg', log: { warn: () => undefined } }), {
      keys: localKeys({ file: path.join(folder, 'oubli.keys') }),
    });

  for (const [how, config] of [
    ['each in a transaction', {}],
    ['without transactions', { disableTransactions: true }],
  ] as const) {
    it(`seal what the second migration of a run writes into the table of the first, ${how}`, async () => {
      const { db, close } = await start();
      await db.migrate.latest({ ...source([INSTALL_HERE, CREATE, FILL]), ...config });
      expect(await db('users').where({ email: 'ADA@example.org' }).select('email')).to.deep.equal([
        { email: 'ada@example.org' },
      ]);
      const [stored] = await empty.rows('select email from users');
      expect((stored!.email as Buffer).subarray(0, 2).toString('hex')).to.equal('a70b');
      await db.migrate.rollback({ ...source([INSTALL_HERE, CREATE, FILL]), ...config });
      await close();
    });
  }

  it('know after a rollback that the table is not there', async () => {
    const { db, close } = await start();
    const failing: Migration = { ...FILL, up: async () => Promise.reject(new Error('half way')) };
    const both: Migration = {
      ...CREATE,
      up: async (knex) => {
        await CREATE.up(knex);
        await FILL.up(knex);
        await failing.up(knex);
      },
    };
    await db.migrate
      .latest(source([INSTALL_HERE, both]))
      .catch((error: Error) => expect(error.message).to.equal('half way'));
    expect(await db.schema.hasTable('users')).to.equal(false);
    await db.schema.createTable('users', (t) => {
      t.increments('id');
      t.text('email');
    });
    await db('users').insert({ email: 'now plain' });
    expect(await empty.rows('select email from users')).to.deep.equal([{ email: 'now plain' }]);
    await close();
  });

  it('raise there what they raise elsewhere', async () => {
    const { db, close } = await start();
    await db.migrate.latest(source([INSTALL_HERE, CREATE]));
    const error = await refusalOf(() => db.schema.alterTable('users', (t) => void t.unique(['email'])));
    expect(error).to.include({ code: 'CONSTRAINT_ON_SEALED', table: 'users', column: 'email' });
    await close();
  });
});
