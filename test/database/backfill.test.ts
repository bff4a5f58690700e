/** Rows that were there before their table was declared: sealed where they are, while the application goes on writing. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { AnnotationError, annotate, InvalidValueError, install, type PersonalSpec, SCHEMA_VERSION } from '../../src';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const SERVICE = { purpose: 'tests', basis: 'contract' } as const;
const sealed = { category: 'identity.name', protect: 'encrypt' } as const;
const address = { category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' } as const;

async function installOnly(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
}

describe('The backfill', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: installOnly });
  });
  afterEach(() => world.end());

  const sql = (text: string): Promise<unknown> => world.plain.raw(text.replaceAll('?', '\\?')).then();
  /** A table of people with an id, and these columns beside it. */
  const declarePeople = (table: string, columns: Record<string, PersonalSpec>, kind = 'person'): Promise<void> =>
    annotate(world.plain, table, {
      subject: { kind, ...SERVICE, retention: { from: 'left_on', keep: '6 months', then: 'erase' } },
      columns: { left_on: { notPersonal: 'the event that starts the clock' }, ...columns },
    });
  const stored = async (table: string, column: string): Promise<unknown[]> =>
    (await world.plain(table).orderBy('id').select(column)).map((row) => row[column]);
  const isSealed = (value: unknown): boolean => (value as Buffer).subarray(0, 3).toString('hex') === 'a70b01';

  it('gives back every value as it was, before, during and after', async () => {
    await sql(`set bytea_output = 'hex'; create table people (id int primary key, left_on date,
      code char(4), name varchar(9), born date, seen timestamptz(3), local timestamp, income numeric(6,2), big bigint,
      is_new boolean, document jsonb, photo bytea)`);
    await sql(`insert into people values (1, null, 'ab', 'Grace', '1906-12-09', '2026-01-02 03:04:05.678+05:30',
      '2026-01-02 03:04:05', 12.50, 9007199254740993, true, '{"a": "%s"}', '\\x00ff5c')`);
    await sql('insert into people (id) values (2)');
    const before = await world.plain('people').orderBy('id');
    await declarePeople('people', {
      code: { category: 'account.id', protect: 'encrypt', search: 'exact', unique: true },
      ...Object.fromEntries(
        ['name', 'born', 'seen', 'local', 'income', 'big', 'is_new', 'document', 'photo'].map((name) => [name, sealed]),
      ),
    });
    const reader = await world.another();
    expect(await reader.db('people').orderBy('id')).to.deep.equal(before);
    expect(await reader.backfill('people')).to.deep.include({ table: 'people', rows: 1 });
    expect(await reader.db('people').orderBy('id')).to.deep.equal(before);
    for (const column of ['code', 'is_new', 'photo'])
      expect((await stored('people', column)).map((v) => v && isSealed(v))).to.deep.equal([true, null]);
    expect(await reader.db('people').where({ code: 'ab' }).pluck('id')).to.deep.equal([1]);
  });

  describe('of addresses in a text column', () => {
    const addressed = async (...addresses: string[]): Promise<void> => {
      await sql(`create table visits (id serial primary key, ip text)`);
      for (const ip of addresses) await world.plain('visits').insert({ ip });
      await sql(
        `create table people (id int primary key, left_on date); alter table visits add person_id int references people`,
      );
      await declarePeople('people', {});
      await annotate(world.plain, 'visits', { data: SERVICE, columns: { ip: address } });
    };

    it('truncates them, and writes those anew that PostgreSQL reads alike but stores otherwise', async () => {
      await addressed('203.0.113.77', '203.0.113.0 ', ' 203.0.113.0', '203.0.113.0/32', '2001:DB8::', '203.0.113.0');
      expect((await world.backfill('visits')).rows).to.equal(5);
      expect(await stored('visits', 'ip')).to.deep.equal([
        ...Array(4).fill('203.0.113.0'),
        '2001:db8::',
        '203.0.113.0',
      ]);
    });

    it('refuses what is no address, by the names of table and column and by nothing else', async () => {
      await addressed('203.0.113.77', 'Ada Lovelace');
      const error = await refusalOf(() => world.backfill('visits'));
      expect(error)
        .to.be.instanceOf(InvalidValueError)
        .and.to.include({ code: 'VALUE_NOT_IP', table: 'visits', column: 'ip' });
      expect(`${error.message} ${error.stack}`).not.to.contain('Lovelace');
    });
  });

  describe('of rows that lead to nobody', () => {
    beforeEach(async () => {
      await sql(`create table people (id text primary key, left_on date);
        create table contracts (id int primary key, person_id text references people);
        create table notes (id int primary key, contract_id int references contracts, body text);
        insert into people values ('ada'), ('null');
        insert into contracts values (1, 'ada'), (2, null);
        alter table contracts add signatory text;
        update contracts set signatory = 'Ada';
        insert into notes values (1, 1, 'of Ada'), (2, 2, 'of nobody'), (3, null, 'of nobody either'), (4, null, null)`);
      await declarePeople('people', {});
      await annotate(world.plain, 'contracts', { data: SERVICE, columns: { signatory: sealed } });
      await annotate(world.plain, 'notes', { data: SERVICE, columns: { body: sealed } });
    });

    it('says how many there are and which, and seals nothing for a person called null', async () => {
      for (const [table, column, count] of [
        ['contracts', 'person_id', 1],
        ['notes', 'contract_id', 2],
      ] as const) {
        const error = await refusalOf(() => world.backfill(table));
        expect(error).to.be.instanceOf(AnnotationError).and.to.include({ code: 'NOBODYS_ROWS', table, column });
        expect(error.message).to.contain(`${count} rows wait`);
        const [shown = ''] = error.fix.split('  --');
        expect((await world.plain.raw(shown)).rows.map(({ id }: { id: number }) => id)).to.include.members(
          table === 'notes' ? [2, 3] : [2],
        );
        expectFix(error, /give them their person, or delete them/, ['Ada', 'nobody either']);
      }
      expect(await world.plain('oubli.subject_key').count()).to.deep.equal([{ count: '0' }]);
      expect((await stored('notes', 'body')).filter((body) => body && isSealed(body))).to.deep.equal([]);
    });

    it('goes on when they have their person, or are gone', async () => {
      await world.plain('contracts').where({ id: 2 }).update({ person_id: 'null' });
      await world.plain('notes').where({ id: 3 }).del();
      expect((await world.backfill('contracts')).rows).to.equal(2);
      expect((await world.backfill('notes')).rows).to.equal(2);
      expect(await world.plain('oubli.subject_link').pluck('subject_id')).to.have.members(['ada', 'null']);
    });
  });

  it('is not needed to know nobody: what is written below a row of nobody is refused, as is a row without a name', async () => {
    await sql(`create table members (no serial primary key, left_on date, public_id text unique default nullif('a', 'a'),
        email text);
      create table contracts (id int primary key, public_id text references members (public_id), signatory text);
      create table notes (id int primary key, contract_id int references contracts, body text);
      insert into members (public_id) values ('null'); insert into contracts values (1, null);
      insert into notes values (1, 1)`);
    await annotate(world.plain, 'members', {
      subject: {
        kind: 'member',
        id: 'public_id',
        ...SERVICE,
        retention: { from: 'left_on', keep: '6 months', then: 'erase' },
      },
      columns: { email: { category: 'contact.email', protect: 'encrypt', search: 'email', unique: true } },
    });
    await world.plain('members').update({ email: null });
    for (const [table, column] of [
      ['contracts', 'signatory'],
      ['notes', 'body'],
    ] as const)
      await annotate(world.plain, table, { data: SERVICE, columns: { [column]: sealed } });
    const { db, backfill } = await world.another();
    for (const table of ['members', 'contracts', 'notes']) await backfill(table);

    for (const write of [
      () => db('notes').insert({ id: 2, contract_id: 1, body: 'of nobody' }),
      () => db('notes').where({ id: 1 }).update({ body: 'of nobody' }),
    ]) {
      const error = await refusalOf(write);
      expect(error).to.include({ code: 'NOBODYS_PARENT', table: 'contracts', column: 'public_id' });
      expectFix(error, /db\('contracts'\)\.where\(\{ … \}\)\.update\(\{ public_id: … \}\)/, ['of nobody']);
    }
    const unnamed = await refusalOf(() => db('members').insert({ email: 'ada@example.org' }));
    expect(unnamed).to.include({ code: 'SUBJECT_UNPINNED', table: 'members', column: 'public_id' });
    await db('members').insert({ public_id: 'bob', email: 'bob@example.org' });
    await world.plain.raw('alter table members disable trigger all');
    await world.plain('members').where({ public_id: 'bob' }).update({ public_id: null });
    const merged = await refusalOf(() =>
      db('members').insert({ public_id: 'x', email: 'bob@example.org' }).onConflict('email').merge(),
    );
    expect(merged).to.include({ code: 'NOBODYS_ROW', table: 'members', column: 'public_id' });
    expect(await world.plain('oubli.subject_link').pluck('subject_id')).to.deep.equal(['bob']);
  });

  describe('of a table that is in use', () => {
    const PEOPLE = 4000;
    beforeEach(async function () {
      this.timeout(60_000);
      await sql(`create table people (id int primary key, left_on date, visits int default 0, name text)
        with (autovacuum_enabled = off);
        insert into people (id, name) select n, 'Person ' || n || repeat(' x', 50) from generate_series(1, ${PEOPLE}) n`);
      await declarePeople('people', { name: sealed });
    });

    it('finds the rows that were moved behind it by an update of another column', async function () {
      this.timeout(60_000);
      const holding = await world.plain.transaction();
      await holding('people')
        .where({ id: PEOPLE / 2 })
        .forUpdate();
      const done = world.backfill('people');
      await untilSomebodyWaits(world.plain);
      await world
        .plain('people')
        .where('id', '>', PEOPLE - 1000)
        .update({ visits: 1 });
      await holding.rollback();
      expect(await done).to.deep.include({ rows: PEOPLE, columns: ['name'] });
      expect((await stored('people', 'name')).every(isSealed)).to.equal(true);
      expect((await world.db('people').where({ id: PEOPLE }).first('name', 'visits')).name).to.match(/^Person 4000 x/);
    });

    it('seals no pseudonym twice that was written while its row waited', async function () {
      this.timeout(60_000);
      await sql(`create table members (id int primary key, left_on date, name text, crm text);
        insert into members values (1, null, 'Ada', 'c1'), (2, null, 'Bob', 'c1')`);
      await declarePeople(
        'members',
        { name: sealed, crm: { category: 'account.id', protect: 'pseudonymise' } },
        'member',
      );
      const other = await world.another();
      await other.db('members').where({ id: 1 }).update({ crm: 'c1' });
      const [written] = await stored('members', 'crm');
      await other.backfill('members');
      expect((await stored('members', 'crm'))[0])
        .to.equal(written)
        .and.to.match(/^psn1\./);
    });
  });

  it('names a copy of the table that was made meanwhile: nobody seals it', async () => {
    await sql(
      `create table people (id int primary key, left_on date, name text); insert into people values (1, null, 'Ada')`,
    );
    await declarePeople('people', { name: sealed });
    await sql('create schema old; create table old.people_copy as select * from people');
    const error = await refusalOf(() => world.backfill('people'));
    expect(error).to.include({ code: 'COPY_WAITS', table: 'people_copy', column: 'name' });
    expectFix(error, /drop table old\.people_copy .* backfill\('people'\)/, ['Ada']);
    await sql('drop table old.people_copy');
    expect(await world.backfill('people')).to.deep.include({ rows: 0, columns: ['name'] });
    expect((await stored('people', 'name')).every(isSealed)).to.equal(true);
  });

  it('may be run by two at once, and its index is built once', async function () {
    this.timeout(60_000);
    await sql(`create table people (id int primary key, left_on date, email text);
      insert into people select n, null, n || '@example.org' from generate_series(1, 3000) n`);
    await declarePeople('people', {
      email: { category: 'contact.email', protect: 'encrypt', search: 'email', unique: true },
    });
    const both = await Promise.all([world, await world.another()].map(({ backfill }) => backfill('people')));
    expect(both.reduce((sum, { rows }) => sum + rows, 0)).to.equal(3000);
    const { rows } = await world.plain.raw(`select indexdef from pg_indexes where indexdef ilike '%substring%'`);
    expect(rows).to.have.lengthOf(1);
    expect((await stored('people', 'email')).every(isSealed)).to.equal(true);
  });

  it('goes through the partitions of a table', async () => {
    await sql(`create table people (id int primary key, left_on date, name text) partition by range (id);
      create table young partition of people for values from (0) to (100);
      create table old partition of people for values from (100) to (200);
      insert into people values (1, null, 'Ada'), (2, null, 'Bob'), (101, null, 'Cora')`);
    await declarePeople('people', { name: sealed });
    expect(await world.backfill('people')).to.deep.include({ rows: 3, columns: ['name'] });
    expect(await world.db('people').orderBy('id').pluck('name')).to.deep.equal(['Ada', 'Bob', 'Cora']);
    expect((await stored('people', 'name')).every(isSealed)).to.equal(true);
  });

  describe('of a table whose name', () => {
    it('two schemas hold asks for the schema', async () => {
      for (const [place, schema] of ['shop', 'billing'].entries()) {
        await sql(`create schema ${schema}; create table ${schema}.people (id int primary key, left_on date, name text);
          insert into ${schema}.people values (1, null, 'Ada')`);
        await declarePeople(`${schema}.people`, { name: sealed }, `person${place}`);
      }
      const error = await refusalOf(() => world.backfill('people'));
      expect(error).to.be.instanceOf(AnnotationError).and.to.include({ code: 'AMBIGUOUS_NAME', table: 'people' });
      expect(error.message).to.contain(`'billing', 'shop'`);
      expectFix(error, /^await backfill\('billing\.people'\)$/);
      expect(await world.backfill('shop.people')).to.deep.include({ table: 'shop.people', rows: 1 });
      expect((await stored('billing.people', 'name')).some(isSealed)).to.equal(false);
    });

    it('holds a dot or a capital is quoted as in SQL, or written as in Knex', async () => {
      await sql(`create schema "eu.west"; create table "eu.west"."The ""People""" (id int primary key, left_on date, name text);
        insert into "eu.west"."The ""People""" values (1, null, 'Ada')`);
      const name = '"eu.west"."The ""People"""';
      await declarePeople(name, { name: sealed });
      expect((await world.backfill(name)).table).to.equal(name);
      await sql(
        `create table "Members" (id int primary key, left_on date, name text); insert into "Members" values (1, null, 'Bob')`,
      );
      await declarePeople('Members', { name: sealed }, 'member');
      expect((await world.backfill('Members')).rows).to.equal(1);
    });

    it('does not exist is refused, with the nearest', async () => {
      await sql('create table people (id int primary key)');
      const error = await refusalOf(() => world.backfill('peple'));
      expect(error).to.include({ code: 'NO_SUCH_TABLE', table: 'peple' });
      expectFix(error, /^await backfill\('people'\)$/);
      const annotating = await refusalOf(() => annotate(world.plain, 'peple', { columns: {} }));
      expectFix(annotating, /^await annotate\(knex, 'people', \{ … \}\)$/);
    });
  });

  it('keeps a value out of an error in which PostgreSQL quotes it, as every transaction of its own does', async () => {
    await sql('create table people (id int primary key, left_on date, name text)');
    await declarePeople('people', { name: sealed });
    const other = await world.another();
    const error = await failureOf(() => other.subject('person', 'ada@example.org').erase({ because: 'a request' }));
    expect(error.code).to.equal('22P02');
    expect(`${error.message} ${error.stack} ${error.where}`).not.to.contain('ada@example.org');
  });
});
