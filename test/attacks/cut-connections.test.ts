/**
 * The connection is cut at every request of a purge, before it is sent and after it was carried out, COMMIT included: everybody
 * is as she was, or erased with her receipt; nobody is between (ERASURE.md A1, A3).
 */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { AlreadyErasedError, type Oubli } from '../../src';
import { internalsOf } from '../../src/knex/internals';
import { OwnTransactions } from '../../src/knex/own-transactions';
import { cutEverywhere, type Ordeal } from '../support/faults';
import { type FaultyWire, startFaultyWire } from '../support/faulty-wire';
import { addPeople, type Person } from '../support/people';
import { failureOf } from '../support/refusals';
import { until } from '../support/waiting';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

describe('A connection that is cut', function () {
  this.timeout(120_000);
  let world: World;
  let wire: FaultyWire;
  let cut: Oubli;
  let seed = 100;
  beforeEach(async () => {
    world = await createWorld();
    wire = await startFaultyWire(world.url);
    const log = { warn: () => undefined }; // Knex says each cut connection aloud
    cut = await world.another({ config: { connection: wire.url, log } });
  });
  afterEach(async () => {
    await world.end();
    await wire.close();
  });

  async function twoAreDue(): Promise<Person[]> {
    seed += 2;
    return addPeople(world.db, 2, '2020-01-01', seed);
  }

  async function nobodyIsBetween(): Promise<void> {
    expect((await wholenessOf(world.plain)).between).to.deep.equal([]);
    const { entries, people } = await receiptsPerPerson(world.plain);
    expect(entries).to.equal(people);
  }

  for (const when of ['unsent', 'unanswered'] as const) {
    it(`A3: ${when}, at any request of a sweep, leaves nobody between, and the next run ends it`, async () => {
      const { rows } = await world.plain.raw(`select current_setting('server_version_num')::int < 150000 as slow`);
      const vacuum = rows[0].slow ? ({ vacuum: 'later' } as const) : {}; // it waits for statistics there, each time
      const points = await cutEverywhere(wire, when, {
        prepare: async () => void (await twoAreDue()),
        work: async () => void (await cut.sweep({ rule: 'subject:user', chunk: 1, ...vacuum })),
        check: nobodyIsBetween,
      });
      expect(points).to.be.greaterThan(3);
      const { untouched } = await wholenessOf(world.plain);
      expect(untouched).to.equal(0);
    });

    it(`A3: ${when}, at any request of a person's erasure, leaves her whole or gone; asked again, it is final`, async () => {
      let ada: Person | undefined;
      const erase = async (of: Oubli): Promise<void> =>
        void (await of.subject('user', ada?.id ?? 0).erase({ because: 'request' }));
      const points = await cutEverywhere(wire, when, {
        prepare: async () => {
          [ada] = await twoAreDue();
        },
        work: () => erase(cut),
        check: async () => {
          await nobodyIsBetween();
          await erase(world).catch((error: unknown) => expect(error).to.be.instanceOf(AlreadyErasedError));
          await nobodyIsBetween();
        },
      });
      expect(points).to.be.greaterThan(3);
    });
  }

  it('is seen to leave somebody between where an erasure is not one transaction', async () => {
    const found = new Set<number>();
    const broken: Ordeal = {
      prepare: async () => void (await twoAreDue()),
      work: async () => {
        const trxless = cut.unprotected();
        for (const id of await trxless('users').whereNotNull('service_ended_on').pluck('id')) {
          await trxless.raw('delete from notes n using contracts c where n.contract_id = c.id and c.user_id = ?', [id]);
          await trxless.raw('delete from contracts where user_id = ?', [id]);
          await trxless.raw('update users set service_ended_on = null where id = ?', [id]);
        }
      },
      check: async () => {
        for (const id of (await wholenessOf(world.plain)).between) found.add(id);
      },
    };
    await cutEverywhere(wire, 'unsent', broken);
    expect(found.size).to.be.greaterThan(0);
  });

  describe('while something is done outside of any transaction', () => {
    const TAKE = 'select pg_advisory_lock(7)';
    const isFree = async (): Promise<boolean> =>
      (await world.plain.raw('select pg_try_advisory_xact_lock(7) as free')).rows[0].free;
    const patience = async (knex: Knex): Promise<string> => (await knex.raw('show lock_timeout')).rows[0].lock_timeout;

    it('A3: the failure of the work is told, and that of what should have followed beside it', async () => {
      const own = new OwnTransactions(internalsOf(cut.db));
      wire.armAt(/pg_advisory_unlock/, 'unsent');
      const error = await failureOf(() =>
        own.outside('5s', async (connection) => {
          await connection.query(TAKE);
          await connection.query(`do $$ begin raise exception 'locked' using errcode = '55P03'; end $$`);
        }),
      );
      expect(error).to.include({ code: '55P03' });
      expect(error.message).to.match(/^locked\n {2}and afterwards: Connection terminated/);
      await until('the server has seen that the session is gone', isFree);
      expect(await patience(cut.db), 'another session').to.equal('0');
    });

    it('A3: a session that keeps a lock or a setting serves nobody else, though its connection stands', async () => {
      const one = await world.another({ config: { pool: { min: 0, max: 1 }, log: { warn: () => undefined } } });
      const own = new OwnTransactions(internalsOf(one.db));
      const error = await failureOf(() =>
        own.outside('5s', async (connection) => {
          await connection.query(TAKE);
          // so that what follows is refused, and nothing else fails
          await connection.query('begin');
          await connection
            .query('savepoint here')
            .then(() => connection.query('select 1/0'))
            .catch(() => undefined);
        }),
      );
      expect(error).to.include({ code: '25P02' });
      await until('the lock is given back', isFree);
      expect(await patience(one.db), 'another session').to.equal('0');
    });

    it('A3: and where the work alone fails the session is as it was', async () => {
      const one = await world.another({ config: { pool: { min: 0, max: 1 } } });
      const pid = async () => (await one.db.raw('select pg_backend_pid() as pid')).rows[0].pid;
      const before = await pid();
      const own = new OwnTransactions(internalsOf(one.db));
      await one.db.raw('select pg_advisory_lock(8), pg_advisory_lock(-9)');
      const failing = own.outside('5s', async (connection) => {
        await connection.query(TAKE);
        await connection.query('select 1/0');
      });
      expect(await failureOf(() => failing)).to.include({ code: '22012' });
      expect([await pid(), await patience(one.db), await isFree()]).to.deep.equal([before, '0', true]);
      const { rows } = await one.db.raw('select pg_advisory_unlock(8) as eight, pg_advisory_unlock(-9) as nine');
      expect(rows[0], 'locks of the application').to.deep.equal({ eight: true, nine: true });
    });
  });
});
