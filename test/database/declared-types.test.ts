/** A sealed column keeps what its type promised: twins, one sealed and one not, take and refuse the same values. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

async function migrateTwins(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('people', (t) => {
    t.increments('id');
    t.string('plain_name', 5).notPersonal('a twin');
    t.string('name', 5).personal({ category: 'identity.name', protect: 'encrypt' });
    t.decimal('plain_income', 6, 2).notPersonal('a twin');
    t.decimal('income', 6, 2).personal({ category: 'finance.transaction', protect: 'encrypt', search: 'exact' });
    t.specificType('last_ip', 'inet').personal({ category: 'connection.ip', protect: 'truncate-ip' });
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('person', {
      purpose: 'test',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
}

describe('A sealed column', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateTwins });
  });
  after(() => world.end());

  for (const income of ['12.5', '0', '-3.14159', '0.005', '-0.005', '-0.001', '9999.994', 7, 1234.5]) {
    it(`of numeric(6, 2) reads ${income} back as PostgreSQL would have stored it`, async () => {
      const [row] = await world
        .db('people')
        .insert({ income, plain_income: income })
        .returning(['income', 'plain_income']);
      expect(row.income).to.equal(row.plain_income);
    });
  }

  it('of numeric(6, 2) refuses what does not fit, as its twin does', async () => {
    expect((await failureOf(() => world.db('people').insert({ plain_income: '9999.995' }))).code).to.equal('22003');
    expect((await failureOf(() => world.db('people').insert({ income: '9999.995' }))).code).to.equal(
      'WIDER_THAN_DECLARED',
    );
  });

  it('of varchar(5) refuses what is longer, and drops spaces beyond it, as its twin does', async () => {
    expect((await failureOf(() => world.db('people').insert({ plain_name: 'longer' }))).code).to.equal('22001');
    expect((await failureOf(() => world.db('people').insert({ name: 'longer' }))).code).to.equal(
      'LONGER_THAN_DECLARED',
    );
    const [row] = await world.db('people').insert({ name: 'naïve  ', plain_name: 'naïve  ' }).returning('*');
    expect([row.name, row.plain_name]).to.deep.equal(['naïve', 'naïve']);
    const [astral] = await world.db('people').insert({ name: '𝒜𝒷𝒸𝒹𝑒', plain_name: '𝒜𝒷𝒸𝒹𝑒' }).returning('*');
    expect(astral.name).to.equal(astral.plain_name);
  });

  it('of addresses is found by a full one in raw SQL too, with = and = any, and by <> not', async () => {
    await world.db('people').insert({ last_ip: '203.0.113.77' });
    const count = async (sql: string, operand: unknown): Promise<number> =>
      Number((await world.db.raw(`select count(*) from people where ${sql}`, [operand] as never[])).rows[0].count);
    expect(await count('last_ip = ?', '203.0.113.99')).to.equal(1);
    expect(await count('last_ip = any(?)', ['203.0.113.1', '192.0.2.1'])).to.equal(1);
    expect(await count('last_ip <> ?', '203.0.113.99')).to.equal(0);
    expect(await count('last_ip = ?', '192.0.2.1')).to.equal(0);
  });
});
