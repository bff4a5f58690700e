/**
 * Somebody has the disk, the logs, the statistics, a replication slot and the files of a running sort, and looks for people
 * who were written through oubli. In every place a canary that nobody protected is found first: where it is not, the search
 * proves nothing, and the test fails.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { Client } from 'pg';
import { AnnotatingClient, localKeys, type Oubli, oubli, UnsupportedQueryError } from '../../src';
import { generateKeyFile } from '../../src/keyring/local-keys';
import { type FreshServer, startPostgres } from '../support/postgres';
import { failureOf } from '../support/refusals';
import { type Needle, needlesOf, needlesOfAddress, needlesOfBytes, scan, scanText } from '../support/scan';
import { migrateWorld } from '../support/world';

const SETTINGS = {
  log_statement: 'all',
  log_min_duration_statement: '0',
  log_error_verbosity: 'verbose',
  log_parameter_max_length: '-1',
  log_parameter_max_length_on_error: '-1',
  wal_level: 'logical',
  full_page_writes: 'on',
  wal_log_hints: 'on',
  wal_keep_size: '1GB',
  log_temp_files: '0',
};

const PEOPLE = 60;
const unique = (): string => randomBytes(6).toString('hex');
/** What is sealed is looked for by these; none of them can stand anywhere by chance. */
const CANARIES = {
  name: `Zoé-${unique()} O'Canary`,
  newName: `Zoé-${unique()} Renamed`,
  email: `Zoe.${unique()}@Canary.Example.org`,
  upserted: `Upserted.${unique()}@Canary.Example.org`,
  rolledBack: `rolled-back-${unique()}`,
  pinned: `pinned-${unique()}`,
  refused: `refused-${unique()}`,
  note: `note-${unique()}`,
  address: `${unique()} rue du Canari`,
  crmId: `crm-${unique()}`,
  birthDate: '1931-07-19',
};
const ADDRESSES = ['203.0.113.77', '2001:db8:a1b2:c3d4:e5f6:708:90a:b0c', '198.51.100.23'];
const CONTROL = {
  text: `control-${unique()}@example.org`,
  addresses: ['192.0.2.201', '2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa'],
};

const control = [
  ...needlesOf('text', CONTROL.text),
  ...CONTROL.addresses.flatMap((address) => needlesOfAddress('address', address)),
];
const sealed = [
  ...Object.entries(CANARIES).flatMap(([name, text]) => needlesOf(name, text)),
  ...ADDRESSES.flatMap((address) => needlesOfAddress(`address ${address}`, address)),
];

describe('Somebody with the disk, the logs and the statistics', function () {
  this.timeout(60_000);
  let server: FreshServer;
  let folder: string;
  let keyFile: string;
  let knex: Knex;
  let psql: Client;
  let keys: Needle[];

  before(async () => {
    server = await startPostgres({ fresh: true, settings: SETTINGS });
    folder = mkdtempSync(path.join(tmpdir(), 'oubli-forensics-'));
    keyFile = path.join(folder, 'oubli.keys');
    await generateKeyFile(keyFile);
    keys = keyNeedles(keyFile);
    psql = new Client({ connectionString: server.url });
    await psql.connect();
    await psql.query("select pg_create_logical_replication_slot('thief', 'test_decoding')");
    await migrate(server.url);
    await writeControl(psql);
    knex = knexPackage({ client: 'pg', connection: server.url, pool: { min: 0, max: 5 } });
    const instance = await oubli(knex, { keys: localKeys({ file: keyFile }) });
    await live(instance);
    await instance.close();
    // twice: between them hint bits and page images of what was deleted go to disk (ERASURE.md, residue on disk)
    for (const sql of ['checkpoint', 'select count(*) from users', 'analyze', 'checkpoint']) await psql.query(sql);
  });
  after(async () => {
    await psql?.end();
    await knex?.destroy();
    await server?.stop();
    if (folder) await rm(folder, { recursive: true });
  });

  it('finds nobody in tables, indexes, TOAST and catalogues', async () => {
    await expectControlOnly([path.join(server.dataDirectory, 'base'), path.join(server.dataDirectory, 'global')]);
  });

  it('finds nobody in the write-ahead log', async () => {
    await expectControlOnly([path.join(server.dataDirectory, 'pg_wal')]);
  });

  it('finds nobody in a server log with every statement and every parameter', async () => {
    await expectControlOnly([server.logFile]);
  });

  it('finds nobody in whatever else stands in the data directory', async () => {
    const { hits } = await scan([server.dataDirectory], [...sealed, ...keys]);
    expect(hits).to.deep.equal([]);
  });

  it('finds nobody in the statistics', async () => {
    const { rows } = await psql.query(
      `select tablename, attname, most_common_vals::text as common, histogram_bounds::text as bounds from pg_stats
       where schemaname in ('public', 'oubli')`,
    );
    const known = rows.filter(({ tablename, common, bounds }) => tablename === 'users' && (common ?? bounds) !== null);
    expect(known.map(({ attname }) => attname)).to.include.members(['name', 'email', 'last_ip']);
    expectControlOnlyIn(JSON.stringify(rows));
  });

  it('finds nobody in what a replication slot hands out', async () => {
    const { rows } = await psql.query("select data from pg_logical_slot_peek_changes('thief', null, null)");
    expectControlOnlyIn(rows.map(({ data }) => data).join('\n'));
  });

  it('finds nobody in the files of a sort that is under way', async () => {
    await psql.query("begin; set local work_mem = '64kB'");
    // a row of each person many times over, in an order that only a sort can give
    const spill = (name: string, table: string): Promise<unknown> =>
      psql.query(
        `declare ${name} cursor for select t.*, n from ${table} t, generate_series(1, 200) n order by md5(n::text)`,
      );
    await spill('theirs', 'users');
    await spill('the_control', 'control');
    await psql.query('fetch 1 from theirs');
    await psql.query('fetch 1 from the_control');
    const folder = path.join(server.dataDirectory, 'base', 'pgsql_tmp');
    expect(readdirSync(folder)).to.have.lengthOf.at.least(2);
    await expectControlOnly([folder]);
    await psql.query('rollback');
  });

  async function expectControlOnly(places: string[]): Promise<void> {
    const { hits } = await scan(places, [...control, ...sealed, ...keys]);
    const isControl = ({ name }: { name: string }): boolean => name === 'text' || name === 'address';
    expect(hits.filter((hit) => !isControl(hit))).to.deep.equal([]);
    expect(new Set(hits.filter(isControl).map(({ name }) => name)), 'the control').to.deep.equal(
      new Set(['text', 'address']),
    );
  }

  function expectControlOnlyIn(text: string): void {
    expect(scanText(text, [...sealed, ...keys])).to.deep.equal([]);
    expect(scanText(text, control), 'the control').to.have.members(['text', 'address']);
  }
});

async function migrate(url: string): Promise<void> {
  const knex = knexPackage({ client: AnnotatingClient, connection: url, pool: { min: 0, max: 1 } });
  await knex.transaction((trx) => migrateWorld(trx));
  await knex.destroy();
}

/** A table that nobody protected, written as applications write. */
async function writeControl(psql: Client): Promise<void> {
  await psql.query('create table control (id serial primary key, email text, ip inet)');
  for (let i = 0; i < PEOPLE; i++) {
    const address = CONTROL.addresses[i % CONTROL.addresses.length];
    await psql.query('insert into control (email, ip) values ($1, $2)', [`${i}.${CONTROL.text}`, address]);
  }
}

function keyNeedles(file: string): Needle[] {
  const { epochs, index, ledger } = JSON.parse(readFileSync(file, 'utf8'));
  const roles: [string, string][] = [
    ['epoch key', epochs['1']],
    ['index key', index],
    ['ledger key', ledger],
  ];
  return roles.flatMap(([name, key]) => needlesOfBytes(name, Buffer.from(key, 'base64')));
}

/** All the ways in which a value reaches the server, or is refused on its way. */
async function live({ db, subject, sweep }: Oubli): Promise<void> {
  const id = await write(db);
  await search(db, subject);
  await change(db, subject, id);
  await refuse(db);
  await read(db, subject, id);
  await forget({ db, subject, sweep }, id);
}

async function write(db: Knex): Promise<number> {
  const person = (i: number): object => ({
    name: `${CANARIES.name} ${i}`,
    email: `${i}.${CANARIES.email}`,
    birth_date: CANARIES.birthDate,
    last_ip: ADDRESSES[i % 2],
    crm_id: `${CANARIES.crmId}-${i}`,
    locale: 'fr',
  });
  const ids = await db('users')
    .insert(Array.from({ length: PEOPLE }, (_, i) => person(i)))
    .returning('id');
  const id = Number(ids[0]?.id);
  const [contract] = await db('contracts')
    .insert({ user_id: id, signatory: CANARIES.name, plan: 'basic' })
    .returning('id');
  await db('notes').insert({ contract_id: contract?.id, body: `${CANARIES.note} ${'and more '.repeat(2000)}` });
  await db('invoices').insert({ user_id: id, billing_address: CANARIES.address, total: 1, issued_on: '2026-01-31' });
  const ips = [...ADDRESSES.slice(0, 2), `::ffff:${ADDRESSES[2]}`];
  await db('visits').insert(ips.map((ip) => ({ user_id: id, ip, at: '2026-01-02T03:04:05Z' })));
  await db('users').insert({ name: CANARIES.name, email: CANARIES.upserted, locale: 'fr' }).onConflict('email').merge();
  await db('users')
    .insert({ name: CANARIES.name, email: CANARIES.upserted.toUpperCase(), locale: 'en' })
    .onConflict('email')
    .merge();
  return id;
}

async function search(db: Knex, subject: Oubli['subject']): Promise<void> {
  const email = `0.${CANARIES.email}`;
  expect(await db('users').where({ email: email.toUpperCase() })).to.have.length(1);
  expect(await db('users').whereIn('email', [email, `1.${CANARIES.email}`])).to.have.length(2);
  expect((await db.raw('select id from users u where u.email = ?', [email])).rows).to.have.length(1);
  expect((await db.raw('select id from users u where u.email = any(?)', [[email]])).rows).to.have.length(1);
  expect(await db('visits').where({ ip: ADDRESSES[0] })).to.have.length.at.least(1);
  expect(subject('user', 1).kind).to.equal('user');
}

async function change(db: Knex, subject: Oubli['subject'], id: number): Promise<void> {
  await db('users').where({ id }).update({ name: CANARIES.newName, last_ip: ADDRESSES[1] });
  await db('users')
    .where({ email: `2.${CANARIES.email}` })
    .update({ name: CANARIES.newName });
  await db.raw('update users set name = ? where id = ?', [subject('user', id + 1).value(CANARIES.pinned), id + 1]);
  const rollback = db.transaction(async (trx) => {
    await trx('users').where({ id }).update({ name: CANARIES.rolledBack });
    throw new Error('on purpose');
  });
  expect((await failureOf(() => rollback)).message).to.equal('on purpose');
}

async function refuse(db: Knex): Promise<void> {
  const twice = await failureOf(() => db('users').insert({ name: CANARIES.refused, email: `0.${CANARIES.email}` }));
  expect(twice.code).to.equal('23505');
  const like = await failureOf(() => db('users').where('name', 'like', `${CANARIES.refused}%`));
  expect(like).to.be.instanceOf(UnsupportedQueryError);
  await failureOf(() => db.raw('select id from users where name = ?', [CANARIES.refused]));
  await failureOf(() => db.raw('insert into users (name, email) values (?, ?)', [CANARIES.refused, CANARIES.refused]));
  await failureOf(() =>
    db('users').insert({ name: CANARIES.refused, email: `3.${CANARIES.email}`, locale: 7 / 0, nowhere: 1 }),
  );
}

async function read(db: Knex, subject: Oubli['subject'], id: number): Promise<void> {
  const names: string[] = [];
  for await (const row of db('users')
    .select('name')
    .where('id', '<', id + PEOPLE)
    .stream())
    names.push(row.name);
  expect(names).to.have.length(PEOPLE);
  expect(names).to.include(CANARIES.newName);
  const archive = await buffer(await subject('user', id).export({ profile: 'portability' }));
  expect(archive.length).to.be.greaterThan(100);
}

async function forget({ db, subject, sweep }: Pick<Oubli, 'db' | 'subject' | 'sweep'>, id: number): Promise<void> {
  await subject('user', id).erase({ because: 'request of 3 March, identity checked' });
  await subject('user', id + 3).serviceEnded({ on: '2020-01-31' });
  const [people] = (await sweep()).filter(({ rule }) => rule === 'subject:user');
  expect(people?.gone).to.equal(1);
  expect(await db('invoices').where({ user_id: id }).pluck('billing_address')).to.deep.equal([CANARIES.address]);
}
