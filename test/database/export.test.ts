import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Knex } from 'knex';
import {
  annotate,
  ConfigurationError,
  install,
  type Manifest,
  SCHEMA_VERSION,
  SubjectErasedError,
  SubjectUnknownError,
} from '../../src';
import { addPerson } from '../support/people';
import { refusalOf } from '../support/refusals';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';
import { unzip } from '../support/zip';

/** A person of whom every type is stored, sealed and clear. */
async function migrateTypes(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`create schema billing;
    create table users (id int primary key, ended_on date, secret bytea, born date, at timestamptz, big bigint, exact numeric,
      yes boolean, doc jsonb, name text, ip inet, tag text, clear_big bigint, clear_exact numeric(20, 3), clear_at timestamptz,
      clear_doc jsonb, clear_yes boolean, score int, remark text);
    create table billing.orders (id int primary key, user_id int not null references users, title text, note text);
    create table orders (id int primary key, user_id int not null references users, title text)`);
  const of = (more: object) => ({ category: 'activity.content', ...more }) as never;
  const sealed = of({ protect: 'encrypt' });
  const clear = of({ protect: 'clear', because: 'a test' });
  await annotate(knex, 'users', {
    subject: {
      kind: 'user',
      purpose: 'serve',
      basis: 'contract',
      retention: { from: 'ended_on', keep: '6 months', then: 'erase' },
    },
    columns: {
      ended_on: { notPersonal: 'a date' },
      secret: sealed,
      born: sealed,
      at: sealed,
      big: sealed,
      exact: sealed,
      yes: sealed,
      doc: sealed,
      name: sealed,
      ip: of({ protect: 'truncate-ip', origin: 'observed', basis: 'consent', purpose: 'audience' }),
      tag: of({ protect: 'pseudonymise' }),
      clear_big: clear,
      clear_exact: clear,
      clear_at: clear,
      clear_doc: clear,
      clear_yes: clear,
      score: of({ protect: 'clear', because: 'a test', origin: 'derived' }),
      remark: of({ protect: 'encrypt', basis: 'legitimate_interests' }),
    },
  });
  for (const table of ['billing.orders', 'orders']) {
    const note = table === 'orders' ? {} : { note: of({ protect: 'encrypt', origin: 'inferred' }) };
    await annotate(knex, table, { data: { purpose: 'serve', basis: 'contract' }, columns: { title: sealed, ...note } });
  }
}

const ADA = {
  id: 1,
  secret: Buffer.from('00ff10', 'hex'),
  born: '1980-02-29',
  at: '2026-03-29T02:30:00.123456Z',
  big: '9007199254740993',
  exact: '-0.10000000000000000001',
  yes: false,
  doc: { a: [1, null, 'é'] },
  name: '=HYPERLINK("http://evil")',
  ip: '192.0.2.77',
  tag: 'crm-1',
  clear_big: '-9223372036854775808',
  clear_exact: '-12345.678',
  clear_at: '2026-03-29T02:30:00Z',
  clear_doc: { b: true },
  clear_yes: true,
  score: 7,
  remark: 'not on consent, nor on contract',
};

describe('An export', () => {
  let world: World;
  let files: Map<string, Buffer>;
  let manifest: Manifest;
  const zone = process.env.TZ;

  const json = (path: string) => JSON.parse(String(files.get(path)));

  before(async () => {
    world = await createWorld({ migrate: migrateTypes });
    await world.db('users').insert([ADA, { id: 2, name: 'Bob' }]);
    await world
      .db('orders')
      .withSchema('public')
      .insert([
        { id: 1, user_id: 1, title: '+33 1 23' },
        { id: 2, user_id: 2, title: 'not hers' },
        { id: 3, user_id: 1, title: '' },
        { id: 4, user_id: 1, title: null },
        { id: 5, user_id: 1, title: 'two\nlines, "quoted"' },
      ]);
    await world.db('billing.orders').insert({ id: 1, user_id: 1, title: 'elsewhere', note: 'inferred' });
    process.env.TZ = 'America/New_York';
    const stream = await world.subject('user', 1).export({ profile: 'portability' });
    files = await unzip(stream);
    manifest = json('manifest.json');
  });
  after(async () => {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
    await world.end();
  });

  it('is a ZIP with a JSON and a CSV file per table, and a manifest at the end', () => {
    expect([...files.keys()]).to.have.members([
      'users.json',
      'users.csv',
      'orders.json',
      'orders.csv',
      'billing.orders.json',
      'billing.orders.csv',
      'manifest.json',
    ]);
    expect([...files.keys()].at(-1)).to.equal('manifest.json');
  });

  it('holds every value as it was given, to the last digit, and no date moves with the time zone of the process', () => {
    expect(new Date('2026-07-01T00:00:00Z').getHours(), 'the process is in New York').to.equal(20);
    const [row, ...others] = json('users.json');
    expect(others).to.deep.equal([]);
    expect(row).to.include({
      secret: ADA.secret.toString('base64'),
      born: '1980-02-29',
      big: '9007199254740993',
      exact: '-0.10000000000000000001',
      yes: false,
      name: ADA.name,
      ip: '192.0.2.0',
      clear_big: '-9223372036854775808',
      clear_exact: '-12345.678',
      clear_at: '2026-03-29 02:30:00+00',
      clear_yes: true,
    });
    expect(new Date(row.at).toISOString()).to.equal('2026-03-29T02:30:00.123Z');
    expect(row.at).to.contain('.123456');
    expect(row.doc).to.deep.equal(ADA.doc);
    expect(row.clear_doc).to.deep.equal(ADA.clear_doc);
    expect(row.tag).to.match(/^psn1\./);
  });

  it('holds what she provided or what was observed of her, on consent or contract, and nothing else', () => {
    expect(Object.keys(json('users.json')[0])).not.to.include.members(['score']);
    expect(Object.keys(json('users.json')[0])).not.to.include.members(['remark']);
    expect(Object.keys(json('billing.orders.json')[0])).to.deep.equal(['title']);
    expect(String(files.get('users.csv'))).not.to.contain('not on consent');
  });

  it('holds her rows and nobody else’s, with NULL and an empty text told apart', () => {
    expect(json('orders.json')).to.deep.equal(
      ['+33 1 23', '', null, 'two\nlines, "quoted"'].map((title) => ({ title })),
    );
    expect(String(files.get('orders.csv'))).to.equal(
      ['title', "'+33 1 23", '""', '', '"two\nlines, ""quoted"""', ''].join('\r\n'),
    );
  });

  it('disarms in CSV what a spreadsheet would run, and leaves negative numbers numbers', () => {
    const csv = String(files.get('users.csv'));
    expect(csv).to.contain(`"'=HYPERLINK(""http://evil"")"`);
    expect(csv).to.contain(',-9223372036854775808,').and.to.contain(',-12345.678,');
  });

  it('says in the manifest what each file holds, why, how many rows, and its sha256', () => {
    expect(manifest).to.include({ profile: 'portability', article: 'GDPR Art. 20', kind: 'user' });
    expect(manifest.files).to.have.length(files.size - 1);
    for (const { path, sha256, rows } of manifest.files) {
      expect(createHash('sha256').update(files.get(path)!).digest('hex'), path).to.equal(sha256);
      if (path.endsWith('.json')) expect(json(path)).to.have.length(rows);
    }
    const users = manifest.files.find(({ path }) => path === 'users.csv');
    expect(users).to.include({ table: 'users', format: 'csv', rows: 1 });
    expect(users?.columns.find(({ name }) => name === 'ip')).to.deep.equal({
      name: 'ip',
      category: 'activity.content',
      origin: 'observed',
      purpose: 'audience',
      basis: 'consent',
    });
  });

  it('stands in the ledger when its reader has come to the end, without anything personal', async () => {
    await unzip(await world.subject('user', 1).export({ profile: 'portability' }));
    const entries = await world.plain('oubli.ledger').where({ act: 'exported' });
    expect(entries).to.have.length(2);
    expect(entries[0].because).to.equal('GDPR Art. 20');
    expect(entries[0].key_id).to.have.length(16);
    expect(entries[0].details.files.map(({ sha256 }: { sha256: string }) => sha256)).to.deep.equal(
      manifest.files.map(({ sha256 }) => sha256),
    );
    const text = JSON.stringify(entries);
    for (const value of ['HYPERLINK', '1980', 'lines', ADA.secret.toString('base64')])
      expect(text).not.to.contain(value);
  });

  it('of somebody who is not there is refused, and so are other profiles', async () => {
    const unknown = await refusalOf(() => world.subject('user', 99).export({ profile: 'portability' }));
    expect(unknown).to.be.instanceOf(SubjectUnknownError);
    const profile = await refusalOf(() => world.subject('user', 1).export({ profile: 'everything' } as never));
    expect(profile).to.be.instanceOf(ConfigurationError);
  });
});

describe('An export of the service', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ config: { pool: { min: 0, max: 1 } } });
  });
  afterEach(() => world.end());

  /** Of addresses that a ZIP cannot make small. */
  const addVisits = (id: number, count: number) =>
    world.plain.raw(
      `insert into visits (user_id, ip, at) select ?, concat_ws('.', n % 199 + 1, (random() * 255)::int, (random() * 255)::int, 0), now()
        from generate_series(1, ?) n`,
      [id, count],
    );
  const open = (id: number) => world.subject('user', id).export({ profile: 'portability' });

  it('leaves invoices out: they are kept by law, and are not hers to take', async () => {
    const { id } = await addPerson(world.db, 1);
    const files = await unzip(await open(id));
    expect([...files.keys()].some((path) => path.startsWith('invoices'))).to.equal(false);
    expect(files.has('visits.json')).to.equal(true);
  });

  it('of somebody erased is refused before a byte is written', async () => {
    const { id } = await addPerson(world.db, 1);
    await world.subject('user', id).erase({ because: 'a test' });
    expect(await refusalOf(() => open(id))).to.be.instanceOf(SubjectErasedError);
  });

  it('holds nulls where a value was left under a destroyed key', async () => {
    const { id, name } = await addPerson(world.db, 1);
    const bob = await addPerson(world.db, 2);
    const [hers] = await world.plain('users').where({ id });
    await world.subject('user', id).erase({ because: 'a test' });
    await world.plain.raw('alter table users disable trigger all');
    await world.plain('users').where({ id: bob.id }).update({ name: hers.name });
    await world.plain.raw('alter table users enable trigger all');
    const [row] = JSON.parse(String((await unzip(await open(bob.id))).get('users.json')));
    expect(row.name).to.equal(null);
    expect(row.email).to.equal(bob.email);
    expect(JSON.stringify(row)).not.to.contain(name);
  });

  it('gives its connection back when the reader goes away', async () => {
    const { id } = await addPerson(world.db, 1);
    await addVisits(id, 20000);
    for (const bytes of [0, 1, 50_000]) {
      const stream = await open(id);
      let read = 0;
      while (read < bytes) {
        await once(stream, 'readable');
        for (let chunk = stream.read(); chunk; chunk = stream.read()) read += chunk.length;
      }
      stream.destroy();
      await once(stream, 'close');
      const [{ count }] = (await Promise.race([
        world.db('visits').count(), // the pool has one connection only
        wait(5000).then(() => [{ count: 'no connection came back' }]),
      ])) as [{ count: string }];
      expect(count).to.equal('20002');
    }
    expect(await world.plain('oubli.ledger').where({ act: 'exported' })).to.have.length(0);
  });

  it('ends in an error, and is no whole archive, when the database fails on the way', async () => {
    const { id } = await addPerson(world.db, 1);
    await addVisits(id, 50000);
    const stream = await open(id);
    const failed = once(stream, 'error').catch((error: unknown) => [error]);
    await once(stream, 'readable');
    await until('the export to be under way, and its connection to be cut', async () => {
      const { rows } = await world.plain.raw(`select pg_terminate_backend(pid) as cut from pg_stat_activity
        where datname = current_database() and query like '%oubli_export%' and pid <> pg_backend_pid()`);
      return rows.some(({ cut }: { cut: boolean }) => cut);
    });
    stream.resume();
    const outcome = await Promise.race([failed, once(stream, 'end').then(() => ['ended well'])]);
    expect(outcome[0]).to.be.instanceOf(Error);
  });

  it('of fifty thousand visits takes no more memory than of a hundred', async function () {
    this.timeout(60_000);
    const { id } = await addPerson(world.db, 1);
    await addVisits(id, 50000);
    global.gc?.();
    const before = process.memoryUsage().heapUsed;
    let most = 0;
    let bytes = 0;
    for await (const chunk of await open(id)) {
      bytes += (chunk as Buffer).length;
      most = Math.max(most, process.memoryUsage().heapUsed - before);
    }
    expect(bytes).to.be.greaterThan(100_000);
    expect(most / 1e6, 'megabytes').to.be.lessThan(120);
    await until('its line in the ledger', async () => {
      const [entry] = await world.plain('oubli.ledger').where({ act: 'exported' });
      return entry?.details.files.some(({ rows }: { rows: number }) => rows === 50_002);
    });
  });
});
