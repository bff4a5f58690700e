/**
 * A row about somebody, written beside her erasure, where no foreign key makes the two wait for each other: by a reference that PostgreSQL
 * does not know, or below a row that stays. The guard takes the lock that a foreign key would (ERASURE.md G1, A2, A8).
 */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, type Receipt, SCHEMA_VERSION, SubjectErasedError } from '../../src';
import { failureOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const serve = { purpose: 'provide the service', basis: 'contract' } as const;
const clear = { category: 'activity.content', protect: 'clear', because: 'a test reads it' } as const;
const not = { notPersonal: 'a test says so' } as const;

async function migrateReferences(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create table people (id int primary key, name text, ended_on date);
    create table logins (id serial primary key, person text, ip text);
    create table events (id serial primary key, payload jsonb);
    create table files (id serial primary key, owner_type text, owner int, name text);
    create table sessions (id int primary key, person_id int not null references people);
    create table clicks (id serial primary key, session int, target text);
    create table threads (id int primary key, person_id int not null references people, title text);
    create table posts (id serial primary key, thread_id int not null references threads, text text);
    create table memos (id serial primary key, thread_id int not null references threads, text text, secret text);
    create index on sessions (person_id); create index on threads (person_id); create index on posts (thread_id); create index on memos (thread_id);`);
  const to = (columns: string[], table: string) => ({ data: { ...serve, references: [{ columns, to: table }] } });
  await annotate(knex, 'people', {
    subject: { kind: 'person', ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
    columns: { name: clear, ended_on: not },
  });
  await annotate(knex, 'logins', { ...to(['person'], 'people'), columns: { ip: clear } });
  await annotate(knex, 'events', {
    data: { ...serve, references: [{ json: 'payload', path: ['who', 'id'], to: 'people' }] },
    columns: { payload: clear },
  });
  await annotate(knex, 'files', {
    data: { ...serve, references: [{ columns: ['owner'], to: 'people', when: { owner_type: 'Person' } }] },
    columns: { name: clear },
  });
  await annotate(knex, 'sessions', { data: serve, columns: {} });
  await annotate(knex, 'clicks', { ...to(['session'], 'sessions'), columns: { target: clear } });
  await annotate(knex, 'threads', { data: { ...serve, onErase: 'anonymise' }, columns: { title: clear } });
  await annotate(knex, 'posts', { data: serve, columns: { text: clear } });
  const sealed = { category: 'activity.content', protect: 'encrypt' } as const;
  await annotate(knex, 'memos', { data: serve, columns: { text: clear, secret: sealed } });
}

/** What is written about person 1, and how the rows that are left of it are counted. */
const WRITES: readonly (readonly [what: string, sql: string, table: string])[] = [
  ['by a column without a constraint', `insert into logins (person, ip) values ('1', 'ip')`, 'logins'],
  ['inside of JSON', `insert into events (payload) values ('{"who":{"id":1}}')`, 'events'],
  ['by an id and its type', `insert into files (owner_type, owner, name) values ('Person', 1, 'cv')`, 'files'],
  ['by a reference to what refers to her', `insert into clicks (session, target) values (10, 'help')`, 'clicks'],
  ['below a row that stays', `insert into posts (thread_id, text) values (20, 'me')`, 'posts'],
  [
    'below a row that stays, beside a value that would have been sealed',
    `insert into memos (thread_id, text) values (20, 'me')`,
    'memos',
  ],
  [
    'by leading a row of nobody to her, beside one of hers',
    `update logins set person = '1' where person is null or person = '1'`,
    'logins',
  ],
  ['by leading a row of nobody to her', 'update logins set person = 1 where person is null', 'logins'],
];

describe('A row that is written beside an erasure', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateReferences });
    await world.plain.raw(`
      insert into people values (1, 'Ada'), (2, 'Bob'); insert into sessions values (10, 1), (11, 2);
      insert into threads values (20, 1, 'hers'), (21, 2, 'his'); insert into logins (person, ip) values (null, 'nobody''s'), ('1', 'hers')`);
  });
  afterEach(() => world.end());

  const erase = (): Promise<Receipt> => world.subject('person', 1).erase({ because: 'a test', probe: 'off' });
  const rowsOf = async (table: string): Promise<number> => (await world.plain(table)).length;

  for (const [what, sql, table] of WRITES) {
    it(`A2: ${what}, before it, is waited for and leaves`, async () => {
      const before = await rowsOf(table);
      const trx = await world.plain.transaction();
      await trx.raw(sql);
      const erasing = erase();
      await untilSomebodyWaits(world.plain);
      await trx.commit();
      await erasing;
      const [hers] = table === 'logins' ? [sql.startsWith('update') ? 2 : 1] : [0];
      expect(await rowsOf(table)).to.equal(before - hers);
    });

    it(`A8: ${what}, after it, is refused as soon as it is over`, async () => {
      const held = await world.plain.transaction();
      await held('logins').where({ person: '1' }).forUpdate(); // keeps the erasure in the middle of its statement
      const erasing = erase();
      await untilSomebodyWaits(world.plain);
      const writing = failureOf(() => world.db.raw(sql));
      await untilSomebodyWaits(world.plain, 2);
      await held.rollback();
      await erasing;
      expect(await writing).to.be.instanceOf(SubjectErasedError);
    });
  }

  it('A8: a transaction with one view of the database fails to serialise', async () => {
    const trx = await world.plain.transaction({ isolationLevel: 'repeatable read' });
    await trx('people').select('id');
    await erase();
    const failure = await failureOf(() => trx.raw(`insert into logins (person, ip) values ('1', 'ip')`));
    await trx.rollback();
    expect(failure.code).to.equal('40001');
  });

  it('A2: about somebody else, or whom nobody knows, or nobody, waits for nothing', async () => {
    const held = await world.plain.transaction();
    await held('people').where({ id: 1 }).forUpdate();
    await world.plain.raw(`
      insert into logins (person, ip) values ('2', 'ip'), ('77', 'ip'), ('no number', 'ip'), (null, 'ip');
      insert into events (payload) values ('{"who":{"id":2}}'), ('[]'), (null);
      insert into files (owner_type, owner, name) values ('Machine', 1, 'log');
      insert into clicks (session, target) values (11, 'help'), (99, 'help');
      insert into posts (thread_id, text) values (21, 'me');
      update logins set ip = 'another'`);
    await held.rollback();
  });

  it('A2: a row whose person was deleted in the same transaction is a row of nobody', async () => {
    await world.plain.transaction(async (trx) => {
      await trx('people').insert({ id: 3, name: 'Eve' });
      await trx.raw('delete from people where id = 3');
      await trx.raw(`insert into logins (person, ip) values ('3', 'ip')`);
    });
  });

  it('A2: finds the person by her index, whatever their number', async () => {
    await world.plain.raw(`insert into people select n, 'p' from generate_series(100, 20000) n; analyze people`);
    await world.plain.transaction(async (trx) => {
      for (const [, sql] of WRITES) await trx.raw(sql);
      const { rows } = await trx.raw(
        `select seq_scan, idx_scan from pg_stat_xact_user_tables where relname = 'people'`,
      );
      expect(Number(rows[0].seq_scan)).to.equal(0);
      expect(Number(rows[0].idx_scan)).to.be.greaterThan(0);
    });
  });
});
