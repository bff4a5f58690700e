/** The way back out of `annotate()`: columns that were sealed have their types, values and indexes again. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { AnnotationError, annotate, install, type PersonalSpec, SCHEMA_VERSION } from '../../src';
import { expectFix, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const SERVICE = { purpose: 'tests', basis: 'contract' } as const;
const sealed = { category: 'identity.name', protect: 'encrypt' } as const;
const searched = { category: 'contact.email', protect: 'encrypt', search: 'email', unique: true } as const;
const BECAUSE = 'shown on public pages since May';

async function installOnly(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
}

describe('oubli unprotect', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: installOnly });
  });
  afterEach(() => world.end());

  const sql = (text: string): Promise<{ rows: Record<string, unknown>[] }> =>
    world.plain.raw(text.replaceAll('?', '\\?')).then((answer) => answer);
  const declarePeople = (columns: Record<string, PersonalSpec>): Promise<void> =>
    annotate(world.plain, 'people', {
      subject: { kind: 'person', ...SERVICE, retention: { from: 'left_on', keep: '6 months', then: 'erase' } },
      columns: { left_on: { notPersonal: 'the event that starts the clock' }, ...columns },
    });
  const typesOf = async (table: string): Promise<Record<string, string>> => {
    const { rows } = await sql(`select attname, format_type(atttypid, atttypmod) as type from pg_attribute
      where attrelid = '${table}'::regclass and attnum > 0 and not attisdropped order by attnum`);
    return Object.fromEntries(rows.map(({ attname, type }) => [String(attname), String(type)]));
  };
  const COLUMNS = `code char(4), name varchar(9), born date, seen timestamptz(3), local timestamp, income numeric(6,2), big bigint,
    is_new boolean, document jsonb, photo bytea`;
  const NAMES = ['code', 'name', 'born', 'seen', 'local', 'income', 'big', 'is_new', 'document', 'photo'];

  it('gives every column its type back, and every value as it was', async () => {
    await sql(`create table people (id int primary key, left_on date, ${COLUMNS});
      insert into people values (1, null, 'ab', 'Grace', '1906-12-09', '2026-01-02 03:04:05.678+05:30',
        '2026-01-02 03:04:05', 12.50, 9007199254740993, true, '{"a": "%s"}', '\\x00ff5c');
      insert into people (id) values (2)`);
    const before = (await sql('select * from people order by id')).rows;
    const types = await typesOf('people');
    await declarePeople(Object.fromEntries(NAMES.map((name) => [name, sealed])));
    const { backfill, unprotect } = await world.another();
    await backfill('people');
    expect((await typesOf('people')).photo).to.equal('oubli."people.photo"');

    const report = await unprotect('people', { because: BECAUSE });
    expect(report).to.deep.equal({ table: 'people', rows: 1, columns: NAMES });
    expect(await typesOf('people')).to.deep.equal(types);
    expect((await sql('select * from people order by id')).rows).to.deep.equal(before);
    expect(await world.db('people').orderBy('id')).to.deep.equal(before);
  });

  describe('of a searchable column', () => {
    beforeEach(async () => {
      await sql(`create table people (id int primary key, left_on date, name text, email text not null);
        insert into people select n, null, 'Person ' || n, n || '@example.org' from generate_series(1, 50) n;
        alter table people alter column email set statistics 77`);
      await declarePeople({ name: sealed, email: searched });
      await world.backfill('people');
    });

    it('leaves the others as they are, and an ordinary unique index in the place of the blind one', async () => {
      expect(await world.unprotect('people', { columns: ['email'], because: BECAUSE })).to.deep.include({ rows: 50 });
      const { rows } = await sql(`select indexdef from pg_indexes where tablename = 'people' order by indexname`);
      expect(rows.map(({ indexdef }) => String(indexdef).replace(/.* ON /, ''))).to.deep.equal([
        'public.people USING btree (email)',
        'public.people USING btree (left_on) WHERE (left_on IS NOT NULL)',
        'public.people USING btree (id)',
      ]);
      const plan = await sql(`set enable_seqscan = off; explain select from people where email = '7@example.org'`);
      expect(JSON.stringify(plan)).to.contain('people_email_idx');
      await world.db('people').where({ id: 7 }).update({ email: '7@example.com', name: 'Seven' });
      expect(await world.db('people').where({ email: '7@example.com' }).pluck('name')).to.deep.equal(['Seven']);
      const [row] = await world.plain('people').where({ id: 7 });
      expect(row.email).to.equal('7@example.com');
      expect(row.name.subarray(0, 3).toString('hex')).to.equal('a70b01');
    });

    it('leaves a declaration that says it is personal and why it is readable, and a line in the ledger', async () => {
      await world.unprotect('people', { columns: ['email'], because: BECAUSE });
      const { rows } = await sql(`select spec from oubli.annotation where column_name = 'email'`);
      expect(rows[0]?.spec).to.deep.equal({
        category: 'contact.email',
        protect: 'clear',
        because: BECAUSE,
        origin: 'provided',
      });
      const ledger = (await sql(`select act, because, details from oubli.ledger`)).rows;
      expect(ledger).to.deep.equal([
        { act: 'unprotected', because: BECAUSE, details: { table: 'people', columns: ['email'] } },
      ]);
      expect((await sql(`select domain::text from oubli.element`)).rows).to.deep.equal([
        { domain: 'oubli."people.name"' },
      ]);
      const target = await sql(
        `select attstattarget from pg_attribute where attrelid = 'people'::regclass and attname = 'email'`,
      );
      expect(target.rows).to.deep.equal([{ attstattarget: 77 }]);
    });

    it('keeps the erased erased: nothing of them is left to decrypt, and a column that may not be NULL says so', async () => {
      await sql(`create table orders (id int primary key, person_id int references people, on_day date);
        create index on orders (person_id);
        insert into orders values (1, 4, '2026-01-31')`);
      await annotate(world.plain, 'orders', {
        data: {
          purpose: 'invoicing',
          basis: 'legal_obligation',
          retention: { from: 'on_day', keep: '10 years', then: 'delete', because: 'a law' },
        },
        columns: { on_day: { notPersonal: 'the fiscal date' } },
      });
      await world.subject('person', 4).erase({ because: 'a request' });
      const error = await refusalOf(() => world.unprotect('people', { because: BECAUSE }));
      expect(error).to.include({ code: 'NULL_OF_ERASED', table: 'people', column: 'email' });
      const [mended = ''] = error.fix.split('  --');
      await sql(mended);
      await world.unprotect('people', { because: BECAUSE });
      const rows = await world.plain('people').whereIn('id', [3, 4]).orderBy('id').select('id', 'name', 'email');
      expect(rows).to.deep.equal([
        { id: 3, name: 'Person 3', email: '3@example.org' },
        { id: 4, name: null, email: null },
      ]);
    });

    it('goes on where it was interrupted, while both kinds of value are readable', async () => {
      await sql(`select oubli.begin_release('people', array['name', 'email'])`);
      const reader = await world.another();
      await reader.db('people').where({ id: 1 }).update({ name: 'written meanwhile' });
      await sql(`update people set name = convert_to('opened already', 'UTF8') where id = 2`);
      expect(await reader.db('people').whereIn('id', [1, 2, 3]).orderBy('id').pluck('name')).to.deep.equal([
        'written meanwhile',
        'opened already',
        'Person 3',
      ]);
      expect((await reader.unprotect('people', { because: BECAUSE })).columns).to.deep.equal(['name', 'email']);
      expect(await world.plain('people').whereIn('id', [1, 2, 3]).orderBy('id').pluck('name')).to.deep.equal([
        'written meanwhile',
        'opened already',
        'Person 3',
      ]);
    });

    it('is called back by a backfill', async () => {
      await sql(`select oubli.begin_release('people', array['name', 'email'])`);
      await sql(`update people set name = convert_to('opened already', 'UTF8') where id = 2`);
      const { db, backfill } = await world.another();
      expect(await backfill('people')).to.deep.include({ rows: 1, columns: ['name', 'email'] });
      expect(await db('people').where({ email: '2@example.org' }).pluck('name')).to.deep.equal(['opened already']);
      const refused = await world
        .plain('people')
        .where({ id: 5 })
        .update({ name: Buffer.from('plain') })
        .catch((e) => e);
      expect(refused).to.include({ code: '23514' });
    });

    it('refuses while a view or a copy has its type, and what is not protected, and to give no reason', async () => {
      await sql('create view names as select id, name from people');
      const shared = await refusalOf(() => world.unprotect('people', { because: BECAUSE }));
      expect(shared).to.be.instanceOf(AnnotationError).and.to.include({ code: 'TYPE_SHARED', column: 'name' });
      expectFix(shared, /names\.name/);
      const misspelt = await refusalOf(() => world.unprotect('people', { columns: ['emial'], because: BECAUSE }));
      expect(misspelt).to.include({ code: 'NOT_PROTECTED', table: 'people', column: 'emial' });
      expectFix(misspelt, /^npx oubli unprotect people email$/);
      const silent = await refusalOf(() => world.unprotect('people', { because: ' ' }));
      expect(silent).to.include({ code: 'CLEAR_WITHOUT_BECAUSE', table: 'people' });
      expect((await typesOf('people')).email).to.equal('oubli."people.email"');
    });
  });

  it('leaves what was truncated as it is, in the type it was declared with', async () => {
    await sql(`create table people (id int primary key, left_on date, ip inet); create index on people (ip);
      insert into people values (1, null, '203.0.113.77')`);
    await declarePeople({ ip: { category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' } });
    const { backfill, unprotect } = await world.another();
    await backfill('people');
    await unprotect('people', { because: BECAUSE });
    expect((await typesOf('people')).ip).to.equal('inet');
    expect((await sql('select host(ip) as ip from people')).rows).to.deep.equal([{ ip: '203.0.113.0' }]);
    expect((await sql(`select from pg_indexes where indexname = 'people_ip_idx'`)).rows).to.have.lengthOf(1);
  });
});
