import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import {
  AnnotatingClient,
  annotate,
  install,
  localKeys,
  oubli,
  PlanBlockedError,
  type Receipt,
  SCHEMA_VERSION,
} from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { isTelling } from '../../src/lifecycle/identifiers';
import { startPostgres } from '../support/postgres';
import { refusalOf } from '../support/refusals';
import { beforeStatement } from '../support/sent-statements';
import { createWorld, type World } from '../support/world';

const serve = { purpose: 'serve', basis: 'contract' } as const;
const clear = { category: 'identity.name', protect: 'clear', because: 'a test reads it' } as const;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create table users (id int primary key, name text, nickname text, email text, remark text, ended_on date);
    create table bills (id int primary key, user_id int not null references users, billed_to text, comment text, issued_on date);
    create index on bills (user_id);
    create table posts (id int primary key, user_id int references users, author text, body text);
    create index on posts (user_id);
    create table things (id int primary key, note text, code varchar(200), tags text[], facts jsonb, old json, number int);
    create table logs (at date not null, line text) partition by range (at);
    create table logs_2026 partition of logs for values from ('2026-01-01') to ('2027-01-01');
    create table parents (id int, note text); create table children (more text) inherits (parents);`);
  await annotate(knex, 'users', {
    subject: { kind: 'user', ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
    columns: {
      name: { category: 'identity.name', protect: 'encrypt' },
      nickname: { ...clear, category: 'account.username' as const },
      email: { category: 'contact.email', protect: 'encrypt', search: 'email' },
      remark: { notPersonal: 'where the bill goes, by region' },
      ended_on: { notPersonal: 'starts the clock' },
    },
  });
  await annotate(knex, 'bills', {
    data: {
      purpose: 'invoicing',
      basis: 'legal_obligation',
      retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
    },
    columns: { billed_to: clear, issued_on: { notPersonal: 'the fiscal date' } },
  });
  await annotate(knex, 'posts', {
    data: serve,
    columns: { author: clear, body: { ...clear, category: 'activity.content' as const } },
  });
}

const ADA = { name: 'Ada Lovelace', nickname: 'adalove', email: 'Ada@Example.org' };

describe('L5: the residue probe', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate });
    await world.db('users').insert([
      { id: 1, ...ADA },
      { id: 2, name: 'Bob Brown', nickname: 'bobbrown', email: 'bob@example.org' },
    ]);
  });
  afterEach(() => world.end());

  type Options = Parameters<ReturnType<World['subject']>['erase']>[0];
  const erase = (options: Partial<Options> = {}, id = 1): Promise<Receipt> =>
    world.subject('user', id).erase({ because: 'a test', ...options });
  const hold = (table: string, row: object): Promise<unknown> => Promise.resolve(world.plain(table).insert(row));

  it('L5: finds nothing where only the plan’s own rows hold her, and says how much it looked through', async () => {
    await hold('posts', { id: 1, user_id: 1, author: ADA.name, body: `I, ${ADA.name}` });
    await hold('bills', { id: 1, user_id: 1, billed_to: ADA.name, issued_on: '2025-01-01' });
    const { probe } = await erase();
    expect(probe).to.deep.equal({ tables: 7, found: [], notLookedThrough: [] });
  });

  for (const [what, table, row, column] of [
    ['a text', 'things', { id: 1, note: `call ada LOVELACE back` }, 'note'],
    ['a varchar', 'things', { id: 1, code: 'mailto:ada@example.org' }, 'code'],
    ['an array', 'things', { id: 1, tags: ['x', 'Ada Lovelace'] }, 'tags'],
    ['a jsonb', 'things', { id: 1, facts: { who: { name: 'Ada Lovelace' } } }, 'facts'],
    ['a json', 'things', { id: 1, old: JSON.stringify(['ada@example.org']) }, 'old'],
    ['a user name', 'things', { id: 1, note: '/home/adalove/.profile' }, 'note'],
    ['a hash of her address', 'things', { id: 1, note: md5('ada@example.org') }, 'note'],
    ['another hash of it', 'things', { id: 1, note: sha256('ada@example.org') }, 'note'],
    ['a column of a row that stays', 'users', { id: 3, remark: 'of Ada Lovelace' }, 'remark'],
    ['another person’s row', 'posts', { id: 1, user_id: 2, author: 'Bob Brown', body: 'thanks Ada Lovelace!' }, 'body'],
    ['a partition', 'logs', { at: '2026-02-03', line: 'login ada@example.org' }, 'line'],
    ['a table that inherits', 'children', { id: 1, more: 'Ada Lovelace' }, 'more'],
  ] as const) {
    it(`L5: finds her in ${what}, and touches nothing then`, async () => {
      await hold(table, row);
      const error = await refusalOf(() => erase());
      expect(error).to.be.instanceOf(PlanBlockedError).and.include({ code: 'RESIDUE_FOUND', column });
      expect(error.message).to.contain(`1 in ${table === 'logs' ? 'logs_2026' : table}.${column}`);
      for (const value of Object.values(ADA)) expect(error.message.toLowerCase()).not.to.contain(value.toLowerCase());
      expect(await world.db('users').where({ id: 1 }).first()).to.include(ADA);
      expect(await world.plain('oubli.ledger').where({ act: 'erased' })).to.deep.equal([]);
    });
  }

  it('L5: finds her in a column of her own kept row that nobody declared', async () => {
    await hold('bills', {
      id: 1,
      user_id: 1,
      billed_to: ADA.name,
      comment: 'asked for by ada@example.org',
      issued_on: '2025-01-01',
    });
    expect((await refusalOf(() => erase())).message).to.contain('1 in bills.comment');
  });

  it('L5: takes who is called the same in the same column for somebody else', async () => {
    await hold('bills', { id: 1, user_id: 1, billed_to: ADA.name, issued_on: '2025-01-01' });
    await hold('bills', { id: 2, user_id: 2, billed_to: 'ada lovelace', issued_on: '2025-01-01' });
    expect((await erase()).probe?.found).to.deep.equal([]);
  });

  it('L5: goes on where the request says so, with the finding in the receipt, and in the ledger without a value', async () => {
    await hold('things', { id: 1, note: ADA.name });
    await hold('things', { id: 2, note: `${ADA.name}, ${ADA.email}` });
    const receipt = await erase({ probe: { hits: 'report' } });
    expect(receipt.probe?.found).to.deep.equal([{ table: 'things', column: 'note', rows: 2 }]);
    expect(await world.receipts()).to.deep.equal([receipt]);
    const ledger = JSON.stringify(await world.plain('oubli.ledger'));
    for (const value of Object.values(ADA)) expect(ledger).not.to.contain(value);
  });

  it('L5: says so where nothing is known of her that could be looked for', async () => {
    await world.db('users').insert({ id: 9, name: 'Kim', nickname: 'kim' });
    const { probe } = await erase({}, 9);
    expect(probe).to.deep.include({ tables: 0, found: [] });
    expect(probe?.notLookedThrough[0]).to.include({ table: '*' });
  });

  it('L5: looks nowhere where it is told not to', async () => {
    await hold('things', { id: 1, note: ADA.name });
    expect(await erase({ probe: 'off' })).not.to.have.property('probe');
  });

  it('L5: says what it did not look through when the time was over', async () => {
    await hold('things', { id: 1, note: ADA.name });
    const { probe } = await erase({ probe: { seconds: 0 } });
    expect(probe?.tables).to.equal(0);
    expect(probe?.notLookedThrough).to.deep.include({ table: 'things', why: 'the time was over' });
  });

  it('L5: gives up a table that somebody has locked, and goes on with the others', async () => {
    const trx = await world.plain.transaction();
    await trx.raw('lock table things in access exclusive mode');
    const { probe } = await erase({ probe: { seconds: 1, hits: 'report' } }).finally(() => trx.rollback());
    expect(probe?.notLookedThrough.map(({ table }) => table)).to.include('things');
  });

  it('L5: puts off who stands elsewhere, and nobody else, in a sweep that looks', async () => {
    await world.plain('users').update({ ended_on: '2020-01-01' });
    await hold('things', { id: 1, note: ADA.name });
    const sweep = async (probe: 'off' | 'each') =>
      (await world.sweep({ probe, breaker: { people: 1 } })).find(({ rule }) => rule === 'subject:user');
    expect(await sweep('each')).to.deep.include({
      gone: 1,
      stillDue: 1,
      residue: [{ table: 'things', column: 'note', rows: 1 }],
    });
    expect(await world.plain('users').whereNotNull('nickname').pluck('id')).to.deep.equal([1]);
    await world.plain('things').delete();
    expect(await sweep('each')).to.deep.include({ gone: 1, stillDue: 0, residue: [] });
  });

  it('L5: finds each of a hundred people by one pass over a table', async () => {
    const people = Array.from({ length: 100 }, (_, i) => ({
      id: 10 + i,
      name: `Person Number${i}x`,
      nickname: `nickname${i}x`,
      ended_on: '2020-01-01',
    }));
    await world.db.batchInsert('users', people);
    await world.plain.batchInsert(
      'things',
      [10, 40, 90].map((i) => ({ id: i, note: `seen: Person Number${i - 10}x, again` })),
    );
    const [report] = await world.sweep({ probe: 'each', breaker: { people: 1 }, chunk: 200 });
    expect(report).to.deep.include({ gone: 97, residue: [{ table: 'things', column: 'note', rows: 3 }] });
    expect(
      await world.plain('users').where('id', '>=', 10).whereNotNull('nickname').orderBy('id').pluck('id'),
    ).to.deep.equal([10, 40, 90]);
  });

  it('L5: of a sweep that lasts also finds her in a table that was made meanwhile, and misses none that is gone', async () => {
    await world.plain('users').update({ ended_on: '2020-01-01' });
    await world.plain.raw('create table passing (note text)');
    const meanwhile = () =>
      world.plain.raw(`drop table passing; create table made_since (note text);
        insert into made_since values ('Ada Lovelace'), ('Bob Brown')`);
    const [report] = await beforeStatement(/pg_stat_replication/, 1, meanwhile, () =>
      world.sweep({ probe: 'each', chunk: 1 }),
    );
    expect(report).to.deep.include({ gone: 1, residue: [{ table: 'made_since', column: 'note', rows: 1 }] });
  });

  it('L5: says which tables this role may not read, and looks nowhere where its parameters would be logged', async () => {
    const role = `prober_${randomBytes(6).toString('hex')}`; // roles belong to the whole server
    await world.plain.raw(`create role ${role}; grant pg_read_all_data, pg_write_all_data to ${role};
      create table closed (note text); alter table closed enable row level security`);
    const config = {
      pool: { min: 0, max: 3, afterCreate: (connection: never, done: never) => become(role, connection, done) },
    };
    const plain = await world.another({ config });
    const first = await plain.subject('user', 1).erase({ because: 'a test' });
    expect(first.probe?.notLookedThrough).to.deep.equal([
      { table: 'closed', why: 'row security hides rows of it from this role' },
    ]);
    const database = new URL(world.url).pathname.slice(1);
    await world.plain.raw(`alter database ${database} set log_min_duration_statement = '60s'`);
    const logged = await world.another({ config });
    const second = await logged.subject('user', 2).erase({ because: 'a test' });
    expect(second.probe?.tables).to.equal(0);
    expect(second.probe?.notLookedThrough[0]?.why).to.contain('this server logs parameters');
    await plain.close();
    await logged.close();
    for (const { knex } of [plain, logged]) await knex.destroy();
    await world.plain.raw(`drop owned by ${role}; drop role ${role}`);
  });
});

describe('L5: the server log', function () {
  this.timeout(60_000);

  it('L5: never holds what was looked for, although the server logs every statement with its parameters', async () => {
    const server = await startPostgres({
      fresh: true,
      settings: { log_statement: 'all', log_min_duration_statement: '0', log_parameter_max_length: '-1' },
    });
    const folder = mkdtempSync(path.join(tmpdir(), 'oubli-probe-'));
    const keyFile = path.join(folder, 'oubli.keys');
    await generateKeyFile(keyFile);
    const knex = knexPackage({ client: AnnotatingClient, connection: server.url, pool: { min: 0, max: 3 } });
    let log = '';
    try {
      await knex.transaction((trx) => migrate(trx));
      const { db, subject, close } = await oubli(knex, { keys: localKeys({ file: keyFile }) });
      await db('users').insert({ id: 1, name: ADA.name, email: ADA.email });
      await knex.raw(`select 'a control', ?::text`, ['control@example.org']);
      const { probe } = await subject('user', 1).erase({ because: 'a test' });
      expect(probe).to.deep.include({ tables: 7, notLookedThrough: [] });
      await close();
      log = readFileSync(server.logFile, 'utf8');
    } finally {
      await knex.destroy();
      await server.stop();
      await rm(folder, { recursive: true });
    }
    expect(log, 'the control').to.contain('control@example.org').and.to.contain('oubli_probe');
    expect(log.toLowerCase()).not.to.contain('lovelace').and.not.to.contain('ada@example');
  });
});

describe('What tells somebody', () => {
  it('L5: is a text of two words, or with a digit or an @, or an identifier of its own', () => {
    for (const text of ['Ada Lovelace', 'ada@example.org', '+33612345678', 'A1B2C3'])
      expect(isTelling(text, 'contact.phone'), text).to.equal(true);
    for (const text of ['Ada', 'Toulouse', '75011', ' Bo L ', `${'x '.repeat(200)}`])
      expect(isTelling(text, 'contact.address'), text).to.equal(false);
    expect(isTelling('adalove', 'account.username')).to.equal(true);
  });
});

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function become(
  role: string,
  connection: { query(sql: string, done: (error: unknown) => void): void },
  done: (...of: unknown[]) => void,
): void {
  connection.query(`set role ${role}`, (error) => done(error, connection));
}
