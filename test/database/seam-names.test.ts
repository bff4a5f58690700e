import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const renamed = (row: unknown): unknown =>
  row && typeof row === 'object' && Object.getPrototypeOf(row) === Object.prototype
    ? Object.fromEntries(Object.entries(row).map(([name, value]) => [camel(name), value]))
    : row;

/** As Objection's knexSnakeCaseMappers() and knex-stringcase set it up. */
const MAPPERS: Partial<Knex.Config> = {
  wrapIdentifier: (name, quote) => quote(name === '*' ? name : snake(name)),
  postProcessResponse: (result) => {
    if (Array.isArray(result)) return result.map(renamed);
    return result?.rows ? { ...result, rows: result.rows.map(renamed) } : renamed(result);
  },
};

async function migrateNames(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  for (const schema of ['public', 'crm']) {
    if (schema !== 'public') await knex.schema.createSchema(schema);
    await knex.schema.withSchema(schema).createTable(schema === 'public' ? 'app_users' : 'people', (t) => {
      t.increments('user_id');
      t.text('last_name').personal({ category: 'identity.name', protect: 'encrypt' });
      t.text('mail_address').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
      t.date('left_on').notPersonal('the event that starts the clock');
      t.dataSubject(schema === 'public' ? 'user' : 'contact', {
        purpose: 'tests',
        basis: 'contract',
        retention: { from: 'left_on', keep: '6 months', then: 'erase' },
      });
    });
  }
  await knex.schema.createTable('user_notes', (t) => {
    t.increments('note_id');
    t.integer('user_id').references('app_users.user_id');
    t.text('note_text').personal({ category: 'activity.content', protect: 'encrypt' });
    t.personalData({ purpose: 'tests', basis: 'contract' });
  });
}

describe('Names', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateNames, config: MAPPERS });
  });
  after(() => world.end());

  it('mapped to snake case are understood in inserts, updates, searches, joins, upserts and streams', async () => {
    const { db, plain } = world;
    const [ada] = await db('appUsers').insert({ lastName: 'Lovelace', mailAddress: 'ada@example.org' }).returning('*');
    expect(ada).to.include({ lastName: 'Lovelace', mailAddress: 'ada@example.org' });
    expect(await db('appUsers').where({ mailAddress: 'ADA@example.org' }).pluck('user_id')).to.deep.equal([ada.userId]);
    await db('userNotes').insert({ userId: ada.userId, noteText: 'met' });
    const joined = await db('userNotes as n')
      .join('appUsers as u', 'u.userId', 'n.userId')
      .where('u.mailAddress', 'ada@example.org')
      .select('n.noteText', 'u.lastName as theName');
    expect(joined).to.deep.equal([{ noteText: 'met', theName: 'Lovelace' }]);
    expect(await db('userNotes').where({ noteId: 1 }).update({ noteText: 'called' })).to.equal(1);
    await db('appUsers').insert({ mailAddress: 'ada@example.org', lastName: 'King' }).onConflict('mailAddress').merge();
    const rows: { lastName: string }[] = [];
    for await (const row of db('appUsers').stream()) rows.push(row);
    expect(rows.map((row) => row.lastName)).to.deep.equal(['King']);
    const [stored] = await plain('app_users');
    expect(stored.last_name.subarray(0, 2).toString('hex')).to.equal('a70b');
    expect((await failureOf(() => db('appUsers').orderBy('lastName'))).code).to.equal('ORDER_BY');
    const raw = await db.raw('select last_name from app_users where mail_address = ?', ['ada@example.org']);
    expect(raw.rows).to.deep.equal([{ lastName: 'King' }]);
  });

  it('that a mapper prefixes are not mapped twice where the seam adds them', async () => {
    const other = await world.another({
      config: {
        wrapIdentifier: (name, quote) => quote(name === 'people' || name === '*' ? name : name.replace(/^my_/, '')),
      },
    });
    const [row] = await other
      .db('my_app_users')
      .insert({ my_last_name: 'Byron', my_mail_address: 'b@example.org' })
      .returning('my_last_name');
    expect(row).to.deep.equal({ last_name: 'Byron' });
    await other.db('my_app_users').where('my_last_name', 'is not', null).update({ my_last_name: 'All' });
    expect(await other.db('my_app_users').pluck('last_name')).to.include('All');
  });

  it('with a schema, as one text, with withSchema and as an object mean the same table', async () => {
    const { db, plain } = world;
    await db('crm.people').insert({ lastName: 'A', mailAddress: 'a@example.org' });
    await db('people').withSchema('crm').insert({ lastName: 'B', mailAddress: 'b@example.org' });
    expect(await db({ p: 'crm.people' }).where('p.mailAddress', 'A@example.org').pluck('last_name')).to.deep.equal([
      'A',
    ]);
    expect(
      await db.withSchema('crm').from('people').where({ mailAddress: 'b@example.org' }).pluck('last_name'),
    ).to.deep.equal(['B']);
    expect(
      await db.withSchema('crm').from('people as p').where('p.mailAddress', 'b@example.org').update({ lastName: 'C' }),
    ).to.equal(1);
    const stored = await plain('crm.people').pluck('last_name');
    for (const bytes of stored) expect(bytes.subarray(0, 2).toString('hex')).to.equal('a70b');
  });

  it('trap 4: of two tables with one name, none is guessed', async () => {
    await world.plain.raw(
      'create schema other; create table other.app_users (user_id int, last_name text, mail_address text)',
    );
    await world.db.raw('comment on schema other is null');
    await world.db.schema.raw('comment on table other.app_users is null');
    for (const query of [
      () => world.db('appUsers').where({ userId: 1 }),
      () => world.db('appUsers').insert({ mailAddress: 'x@example.org' }),
      () => world.db('userNotes').join('appUsers', 'appUsers.userId', 'userNotes.userId'),
    ]) {
      expect((await failureOf(query)).code).to.equal('AMBIGUOUS_TABLE');
    }
    await world.db('appUsers').withSchema('public').where({ userId: 1 });
    await world.db('other.appUsers').insert({ userId: 1, lastName: 'plain' });
    expect(await world.plain('other.app_users').pluck('last_name')).to.deep.equal(['plain']);
    await world.db.raw('drop schema other cascade');
  });
});
