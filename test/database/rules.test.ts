/** A rule is from when, how long, and what then (ERASURE.md D1): declared, stored, named, and carried out as it was declared. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { rulesOf } from '../../src/lifecycle/rule';
import { stopClock } from '../../src/testing';
import { createWorld, type World } from '../support/world';

async function migrateRules(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`create schema billing;
    create table users (id serial primary key, name text, ended_on date);
    create table guests (id serial primary key, name text not null, ended_on date);
    create table visits (id serial primary key, user_id integer references users, page text, at timestamptz);
    create index on visits (user_id);
    create table billing.receipts (id serial primary key, user_id integer references users, address text, at date);
    create index on billing.receipts (user_id)`);
  const serve = { purpose: 'serve', basis: 'contract' } as const;
  const people = { from: 'ended_on', keep: '6 months', timeZone: 'Europe/Paris' } as const;
  const name = { category: 'identity.name', protect: 'encrypt' } as const;
  const ended = { notPersonal: 'the end of service' } as const;
  await annotate(knex, 'users', {
    subject: { kind: 'user', ...serve, retention: { ...people, then: 'erase' } },
    columns: { name, ended_on: ended },
  });
  await annotate(knex, 'guests', {
    subject: { kind: 'guest', ...serve, retention: { ...people, then: 'anonymise', because: 'decision 7' } },
    columns: { name, ended_on: ended },
  });
  await annotate(knex, 'visits', {
    data: { ...serve, retention: { from: 'at', keep: '13 months', then: 'delete', because: 'CNIL sheet 16' } },
    columns: {
      page: { category: 'navigation.page', protect: 'clear', because: 'a path' },
      at: { notPersonal: 'a moment' },
    },
  });
  await annotate(knex, 'billing.receipts', {
    data: { ...serve, retention: { from: 'at', keep: '1 year', then: 'anonymise' } },
    columns: { address: { category: 'contact.address', protect: 'encrypt' }, at: { notPersonal: 'a date' } },
  });
}

describe('D1: a rule', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateRules });
    await stopClock(world.plain, '2026-08-31T12:00:00Z');
  });
  afterEach(() => world.end());

  it('D1: says from when, how long and what then, and has the name of its people or of its rows', async () => {
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const rules = rulesOf(await loadCatalogue(client));
    await client.end();
    const said = rules.map(({ name, kind, retention: { from, keep, then, timeZone } }) => [
      name,
      kind,
      from,
      keep,
      then,
      timeZone,
    ]);
    expect(said).to.have.deep.members([
      ['subject:user', 'user', 'ended_on', '6 months', 'erase', 'Europe/Paris'],
      ['subject:guest', 'guest', 'ended_on', '6 months', 'anonymise', 'Europe/Paris'],
      ['rows:public.visits', undefined, 'at', '13 months', 'delete', 'UTC'],
      ['rows:billing.receipts', undefined, 'at', '1 year', 'anonymise', 'UTC'],
    ]);
  });

  it('D1: erases or anonymises people, and deletes or anonymises rows, each on its day', async () => {
    const [user] = await world
      .db('users')
      .insert([{ name: 'Ada', ended_on: '2026-08-31' }, { name: 'Bob' }])
      .returning('id');
    await world.db('guests').insert([{ name: 'Kay', ended_on: '2026-08-31' }, { name: 'Eve' }]);
    await world.db('visits').insert({ user_id: user.id + 1, page: '/', at: '2026-08-31T12:00:00Z' });
    await world.db('billing.receipts').insert({ user_id: user.id + 1, address: 'here', at: '2026-08-31' });
    const state = async (): Promise<unknown> => ({
      users: await world.db('users').orderBy('id').pluck('name'),
      guests: (await world.plain('guests').orderBy('id')).length,
      readable: await world.db('guests').whereNull('ended_on').pluck('name'),
      visits: (await world.plain('visits')).length,
      receipts: await world.db('billing.receipts').pluck('address'),
    });
    const before = { users: ['Ada', 'Bob'], guests: 2, readable: ['Eve'], visits: 1, receipts: ['here'] };
    const at = async (moment: string): Promise<unknown> => {
      await stopClock(world.plain, moment);
      await world.sweep({ breaker: { people: 1, rows: 1 } });
      return state();
    };
    expect(await at('2027-02-27T22:59:59Z')).to.deep.equal(before);
    expect(await at('2027-02-27T23:00:00Z')).to.deep.equal({ ...before, users: ['Bob'] });
    expect(await at('2027-08-30T23:59:59Z')).to.deep.equal({ ...before, users: ['Bob'] });
    expect(await at('2027-08-31T00:00:00Z')).to.deep.equal({ ...before, users: ['Bob'], receipts: [null] });
    expect(await at('2027-09-30T12:00:00Z')).to.deep.equal({ ...before, users: ['Bob'], receipts: [null], visits: 0 });
    const receipts = (await world.receipts()).map(({ because }) => because);
    expect(receipts).to.include.members([
      'retention: 6 months after users.ended_on',
      'decision 7: 6 months after guests.ended_on',
    ]);
    const { rows } = await world.plain.raw(`select because from oubli.ledger where act = 'expired' order by entry`);
    expect(rows.map(({ because }: { because: string }) => because)).to.deep.equal([
      'retention: 1 year after receipts.at',
      'CNIL sheet 16: 13 months after visits.at',
    ]);
  });
});
