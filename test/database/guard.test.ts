/** What the type cannot know, the guard of the table does: whose key a value is under, and whether that key lives (K4). */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('The guard of a table with sealed columns', () => {
  let world: World;
  let ada: { id: number; name: Buffer; email: Buffer };
  let bob: { id: number; name: Buffer; email: Buffer };
  beforeEach(async () => {
    world = await createWorld();
    await world.db('users').insert([
      { name: 'Ada', email: 'ada@example.org' },
      { name: 'Bob', email: 'bob@example.org' },
    ]);
    [ada, bob] = await world.plain('users').select('id', 'name', 'email').orderBy('id');
  });
  afterEach(() => world.end());

  const codeOf = async (call: () => Promise<unknown>): Promise<unknown> => (await failureOf(call)).code;
  /** As an erasure does: fenced, then destroyed. */
  async function shred(id: number): Promise<void> {
    await world.plain.raw(
      `with dead as (select key_id from oubli.subject_link where kind = 'user' and subject_id = ?),
         fenced as (insert into oubli.fence select k.key_id, k.fingerprint, null, now() from oubli.subject_key k join dead using (key_id))
       delete from oubli.subject_key k using dead where k.key_id = dead.key_id`,
      [String(id)],
    );
  }

  it('lets a value be written again to its own row', async () => {
    await world.plain('users').where({ id: ada.id }).update({ name: ada.name });
    expect(await world.db('users').where({ id: ada.id }).first('name')).to.deep.equal({ name: 'Ada' });
  });

  it('refuses another person’s value, moved by INSERT or UPDATE', async () => {
    expect(await codeOf(() => world.plain('users').where({ id: bob.id }).update({ name: ada.name }))).to.equal('OU004');
    expect(await codeOf(() => world.plain('users').insert({ id: 99, name: ada.name, email: bob.email }))).to.be.oneOf([
      'OU004',
      '23505',
    ]);
    expect(
      await codeOf(() => world.plain.raw('update users u set name = o.name from users o where o.id <> u.id')),
    ).to.equal('OU004');
  });

  it('refuses a value under a key that was destroyed, or never was', async () => {
    await shred(ada.id);
    await world.plain('users').where({ id: ada.id }).delete();
    expect(await codeOf(() => world.plain('users').insert(ada))).to.equal('OU002');
    const invented = Buffer.from(bob.name);
    invented.fill(7, 8, 24); // the key id of a column without search
    expect(await codeOf(() => world.plain('users').where({ id: bob.id }).update({ name: invented }))).to.equal('OU002');
  });

  it('refuses the same of one row and of several, which are looked at in two ways', async () => {
    const [cleo, dora] = await world
      .db('users')
      .insert([
        { name: 'Cleo', email: 'cleo@example.org' },
        { name: 'Dora', email: 'dora@example.org' },
      ])
      .returning(['id']);
    const rows = [[cleo], [cleo, dora]].map((people) => people.map(({ id }) => id));
    const operand = Buffer.concat([Buffer.from('a70b0103', 'hex'), ada.email.subarray(4, 8), randomBytes(16)]);
    const dead = Buffer.from(bob.name);
    dead.fill(7, 8, 24);
    await world.db('contracts').insert([
      { user_id: cleo.id, signatory: 'Cleo' },
      { user_id: dora.id, signatory: 'Dora' },
    ]);
    for (const ids of rows) {
      const users = () => world.plain('users').whereIn('id', ids);
      const what = `${ids.length} rows`;
      expect(await codeOf(() => users().update({ email: operand })), what).to.be.oneOf(['OU001', '23505']);
      expect(await codeOf(() => users().update({ name: dead })), what).to.equal('OU002');
      expect(await codeOf(() => users().update({ name: ada.name })), what).to.equal('OU004');
      const contracts = world.plain('contracts').whereIn('user_id', ids).update({ user_id: ada.id });
      expect(await codeOf(() => contracts), what).to.equal('OU004');
      expect(await users().update({ name: null }), what).to.equal(ids.length);
      expect(await users().update({ id: world.plain.ref('id') }), what).to.equal(ids.length);
    }
    expect(await codeOf(() => world.plain('users').where({ id: cleo.id }).update({ email: operand }))).to.equal(
      'OU001',
    );
    const [{ signatory }] = await world.plain('contracts').where({ user_id: cleo.id }).select('signatory');
    for (const copies of [1, 2]) {
      const moved = Array.from({ length: copies }, () => ({ user_id: dora.id, signatory }));
      expect(await codeOf(() => world.plain('contracts').insert(moved)), `${copies} rows`).to.equal('OU004');
    }
  });

  it('goes on in a session that it worked in before the type of a column changed', async () => {
    const { db } = await world.another({ config: { pool: { min: 1, max: 1 } } });
    const write = async (): Promise<void> => {
      const [{ id }] = await db('contracts').insert({ user_id: ada.id, signatory: 'Ada' }).returning('id');
      expect(await db('contracts').where({ id, user_id: ada.id }).update({ signatory: 'A. L.' })).to.equal(1);
      expect(await codeOf(() => world.plain('contracts').where({ id }).update({ user_id: bob.id }))).to.equal('OU004');
    };
    await write();
    await world.plain.raw('alter table contracts alter column user_id type bigint');
    await write();
    await world.plain.raw('alter table users alter column id type bigint');
    await write();
  });

  it('refuses to give a destroyed key back, even under another id', async () => {
    const [key] = await world
      .plain('oubli.subject_key')
      .join('oubli.subject_link as l', 'l.key_id', 'subject_key.key_id')
      .where({ subject_id: String(ada.id) })
      .select('subject_key.*');
    await shred(ada.id);
    expect(await codeOf(() => world.plain('oubli.subject_key').insert(key))).to.equal('OU002');
    const renamed = { ...key, key_id: Buffer.alloc(16, 1) };
    expect(await codeOf(() => world.plain('oubli.subject_key').insert(renamed))).to.equal('OU002');
  });

  it('refuses to hand another person’s sealed row over by its foreign key', async () => {
    await world.db('contracts').insert({ user_id: ada.id, signatory: 'Ada' });
    expect(await codeOf(() => world.plain('contracts').update({ user_id: bob.id }))).to.equal('OU004');
    expect(await world.plain('contracts').pluck('user_id')).to.deep.equal([ada.id]);
  });

  it('lets the writer of a value wait for an erasure that is under way, and then refuses', async () => {
    await world.db('contracts').insert({ user_id: ada.id, signatory: 'Ada' });
    const [contract] = await world.plain('contracts').delete().returning('*');
    const erasing = await world.plain.transaction();
    await erasing.raw(
      `delete from oubli.subject_key where key_id = (select key_id from oubli.subject_link where subject_id = ?)`,
      [String(ada.id)],
    );
    const writing = failureOf(() => world.plain('contracts').insert(contract));
    await waitForLock();
    await erasing.commit();
    expect((await writing).code).to.equal('OU002');
  });

  async function waitForLock(): Promise<void> {
    for (let attempt = 0; attempt < 200; attempt++) {
      const { rows } = await world.plain.raw(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      if (rows.length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error('nobody waits');
  }

  it('works for whoever may write the table, without rights on the key store', async () => {
    const writer = `writer_${randomBytes(8).toString('hex')}`; // roles belong to the whole server
    const grants = `grant usage on schema public to ${writer}; grant select, insert, update on users to ${writer}`;
    await world.plain.raw(`create role ${writer}; ${grants}`);
    try {
      await world.plain.transaction(async (trx) => {
        await trx.raw(`set local role ${writer}`);
        await trx('users').where({ id: ada.id }).update({ name: ada.name });
      });
    } finally {
      await world.plain.raw(`drop owned by ${writer}; drop role ${writer}`);
    }
  });

  it('stands on tables that hold a subject’s data too, and follows a column that is added', async () => {
    await world.db('contracts').insert({ user_id: ada.id, signatory: 'Ada' });
    const [contract] = await world.plain('contracts').select();
    await shred(ada.id);
    await world.plain('contracts').delete();
    expect(await codeOf(() => world.plain('contracts').insert(contract))).to.equal('OU002');
  });

  it('sleeps in a session that replays (session_replication_role), where the type still refuses plaintext', async () => {
    const trx = await world.plain.transaction();
    await trx.raw(`set local session_replication_role = replica`);
    expect(
      await codeOf(() =>
        trx('users')
          .where({ id: ada.id })
          .update({ name: Buffer.from('Ada') }),
      ),
    ).to.equal('23514');
    await trx.rollback();
  });
});

describe('The guard of the way from a row to its person', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateDistant });
    await world.db('users').insert([{ id: 1 }, { id: 2 }]);
    await world.db('orders').insert([
      { id: 10, user_id: 1 },
      { id: 20, user_id: 2 },
      { id: 30, user_id: 1 },
    ]);
    await world.db('notes').insert([
      { id: 100, order_id: 10, body: 'of Ada' },
      { id: 200, order_id: 20, body: 'of Bob' },
    ]);
    await world.db('devices').insert([
      { id: 1, user_id: 1, serial: 'X1' },
      { id: 2, user_id: 2, serial: 'X2' },
    ]);
  });
  after(() => world.end());

  const codeOf = async (call: () => Promise<unknown>): Promise<unknown> => (await failureOf(call)).code;

  it('refuses to lead somebody’s sealed rows to another person, through a table in between', async () => {
    expect(await codeOf(() => world.plain('orders').where({ id: 10 }).update({ user_id: 2 }))).to.equal('OU004');
    expect(await codeOf(() => world.db('orders').where({ id: 10 }).update({ user_id: 2 }))).to.equal('OTHER_SUBJECT');
    expect(
      await codeOf(() => world.plain.raw('update orders set user_id = 3 - user_id where id in (10, 20)')),
    ).to.equal('OU004');
    expect(await world.plain('orders').orderBy('id').pluck('user_id')).to.deep.equal([1, 2, 1]);
    expect(await world.db('notes').orderBy('id').pluck('body')).to.deep.equal(['of Ada', 'of Bob']);
  });

  it('lets rows move that no sealed value hangs on, and other columns change', async () => {
    await world.plain('orders').where({ id: 30 }).update({ user_id: 2 });
    await world.plain('orders').where({ id: 10 }).update({ state: 'sent' });
    await world.plain('orders').where({ id: 10 }).update({ id: 11 }); // its notes follow, and stay with their person
    expect(await world.plain('notes').where({ id: 100 }).first('order_id')).to.deep.equal({ order_id: 11 });
    await world.plain('orders').where({ id: 11 }).update({ id: 10 });
  });

  it('refuses a sealed row that is hung elsewhere, at any distance', async () => {
    expect(await codeOf(() => world.plain('notes').where({ id: 100 }).update({ order_id: 20 }))).to.equal('OU004');
    const [note] = await world.plain('notes').where({ id: 100 }).select();
    expect(await codeOf(() => world.plain('notes').insert({ ...note, id: 101, order_id: 20 }))).to.equal('OU004');
    expect(await codeOf(() => world.plain('notes').where({ id: 100 }).update({ order_id: null }))).to.equal('OU004');
  });

  it('refuses a pseudonym that goes over to another person', async () => {
    expect(await codeOf(() => world.plain('devices').where({ id: 1 }).update({ user_id: 2 }))).to.equal('OU004');
    expect(await codeOf(() => world.db('devices').where({ id: 1 }).update({ user_id: 2 }))).to.equal('SUBJECT_MOVED');
    expect(await codeOf(() => world.plain.raw('update devices set user_id = 3 - user_id'))).to.equal('OU004');
    await world.db('devices').where({ user_id: 1 }).update({ serial: 'X3' });
    await world.plain.raw('update devices set user_id = user_id');
  });

  it('refuses a pseudonym of somebody who was erased, or for whom no key was ever made', async () => {
    const [{ serial }] = await world.plain('devices').where({ id: 1 }).select('serial');
    await world.db('users').insert([{ id: 3 }, { id: 4 }]);
    await world.db('devices').insert({ id: 3, user_id: 3, serial: 'X1' });
    expect(await codeOf(() => world.plain('devices').insert({ id: 4, user_id: 4, serial }))).to.equal('OU002');
    await world.plain.raw(`update oubli.subject_link set key_id = null, erased_at = now() where subject_id = '3'`);
    expect(await codeOf(() => world.plain('devices').insert({ id: 4, user_id: 3, serial }))).to.equal('OU036');
    expect(await codeOf(() => world.db('devices').where({ id: 3 }).update({ serial: 'late' }))).to.equal(
      'SUBJECT_ERASED',
    );
    await world.plain('devices').where({ id: 3 }).update({ note: 'what is not personal may still change' });
  });

  it('stands on partitions too, by their own names', async () => {
    const [visit] = await world.db('visits').insert({ user_id: 1, on: '2026-01-05', page: 'home' }).returning('*');
    expect(visit.page).to.equal('home');
    const [sealed] = await world.plain('visits').select();
    expect(await codeOf(() => world.plain('visits_2026').insert({ ...sealed, user_id: 2 }))).to.equal('OU004');
    expect(await codeOf(() => world.plain('visits_2026').update({ user_id: 2 }))).to.equal('OU004');
  });

  it('is missed where a partition or a copy was made past it: raw SQL stores no operand there', async () => {
    await world.plain.raw(
      `create table visits_2027 partition of visits for values from ('2027-01-01') to ('2028-01-01')`,
    );
    const { db } = await world.another();
    const insert = `insert into visits_2027 values (1, '2027-02-03', ?)`;
    const failure = await refusalOf(() => db.raw(insert, ['home']));
    expectFix(failure, /select oubli\.refresh_guard\('visits_2027'\)/);
    await world.plain.raw(`select oubli.refresh_guard('visits')`);
    const later = (await world.another()).db;
    expect((await failureOf(() => later.raw(insert, ['home']))).code).to.equal('RAW_UNPINNED');
    expect(await world.plain('visits_2027')).to.deep.equal([]);
  });

  it('may be called by nobody: it runs with its owner’s rights', async () => {
    const { rows } = await world.plain.raw(
      `select proname, proacl::text as rights from pg_proc where pronamespace = 'oubli'::regnamespace and prosecdef`,
    );
    expect(rows.length).to.be.greaterThan(2);
    for (const { proname, rights } of rows) expect(rights, proname).to.match(/^\{\w+=X\/\w+\}$/);
  });

  it('touches no guard that is right already', async () => {
    const guards = `select t.oid::int from pg_trigger t where tgname like 'oubli%' order by 1`;
    const before = (await world.plain.raw(guards)).rows;
    await world.plain.raw('select oubli.refresh_guards()');
    expect((await world.plain.raw(guards)).rows).to.deep.equal(before);
  });

  it('follows a table of the way to its new name when it is told, and until then lets nothing pass', async () => {
    await world.plain.raw('alter table orders rename to purchases');
    const { db } = await world.another(); // a process that started since
    const failure = await failureOf(() => db('notes').insert({ order_id: 10, body: 'x' }));
    expect(failure.code).to.equal('GUARD_OUTDATED');
    await world.plain.raw('select oubli.refresh_guards()');
    await db('notes').insert({ order_id: 10, body: 'later' });
    expect(await codeOf(() => world.plain('purchases').where({ id: 10 }).update({ user_id: 2 }))).to.equal('OU004');
  });
});

/** A sealed table two foreign keys away from its person, one with pseudonyms alone, and a partitioned one. */
async function migrateDistant(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  const service = { purpose: 'serve', basis: 'contract' } as const;
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    t.text('name').nullable().personal({ category: 'identity.name', protect: 'encrypt' });
    t.dataSubject('user', {
      ...service,
      retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
    });
  });
  await knex.schema.createTable('orders', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id');
    t.text('state');
  });
  await knex.schema.createTable('notes', (t) => {
    t.increments('id');
    t.integer('order_id').nullable().references('orders.id').onUpdate('cascade');
    t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
    t.personalData(service);
  });
  await knex.schema.createTable('devices', (t) => {
    t.increments('id');
    t.integer('user_id').notNullable().references('users.id');
    t.text('serial').personal({ category: 'account.id', protect: 'pseudonymise' });
    t.text('note').nullable().notPersonal('a remark on the device');
    t.personalData(service);
  });
  await knex.raw(`create table visits (user_id int not null references users, "on" date not null, page text)
    partition by range ("on")`);
  await knex.raw(`create table visits_2026 partition of visits for values from ('2026-01-01') to ('2027-01-01')`);
  await annotate(knex, 'visits', {
    data: service,
    columns: { on: { notPersonal: 'a date' }, page: { category: 'activity.content', protect: 'encrypt' } },
  });
}
