/** What a sweep sees of others' work: `src/lifecycle/strain.ts`, against connections that really work. */
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { Client } from 'pg';
import { internalsOf } from '../../src/knex/internals';
import { OwnTransactions } from '../../src/knex/own-transactions';
import { strainOn } from '../../src/lifecycle/strain';
import { createEmpty, type EmptyDatabase } from '../support/empty';
import { until } from '../support/waiting';

describe('What a sweep sees of others', () => {
  let empty: EmptyDatabase;
  let looking: Client;
  let other: Client;
  let pool: Knex;
  before(async () => {
    empty = await createEmpty();
    looking = new Client({ connectionString: empty.url });
    other = new Client({ connectionString: empty.url });
    await Promise.all([looking.connect(), other.connect()]);
    pool = knexPackage({ client: 'pg', connection: empty.url, pool: { min: 0, max: 1 } });
  });
  after(async () => {
    await Promise.all([looking.end(), other.end(), pool.destroy()]);
    await empty.end();
  });

  const active = async (): Promise<number> => (await strainOn(looking)).active;
  /** Until so much time has passed in the database. */
  const passed = (seconds: number): Promise<unknown> => looking.query('select pg_sleep($1)', [seconds]);

  it('A5: is a statement that has ended already, for a tenth of a second', async () => {
    await passed(0.15);
    expect(await active()).to.equal(0);
    await until('it is seen', async () => {
      await other.query('select 1');
      return (await active()) === 1;
    });
    await passed(0.15);
    expect(await active()).to.equal(0);
  });

  it('A5: is one that runs, and none of its own transactions, not even when they have ended', async () => {
    const own = new OwnTransactions(internalsOf(pool));
    await own.transaction((connection) => connection.query('select 1'));
    expect(await active()).to.equal(0);
    const slow = other.query('select pg_sleep(0.3)');
    await passed(0.15);
    expect(await active()).to.equal(1);
    await slow;
  });
});
