import { randomUUID } from 'node:crypto';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { AlreadyErasedError, annotate, install, SCHEMA_VERSION, SubjectUnknownError } from '../../src';
import { stopClock } from '../../src/testing';
import { failureOf, refusalOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

/** Kinds of people whose clock starts in every way that a rule can name. */
async function migrateEnds(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  const anchors = { dated: 'date', timed: 'timestamp', zoned: 'timestamptz', evented: undefined };
  for (const [kind, type] of Object.entries(anchors)) {
    await knex.raw(`create table ${kind} (id uuid primary key, name text${type ? `, ended ${type}` : ''})`);
    await annotate(knex, kind, {
      subject: {
        kind,
        purpose: 'serve',
        basis: 'contract',
        retention: {
          from: type ? 'ended' : { event: 'service_ended' },
          keep: '6 months',
          then: 'erase',
          timeZone: 'America/New_York',
        },
      },
      columns: {
        name: { category: 'identity.name', protect: 'encrypt' },
        ...(type ? { ended: { notPersonal: 'starts the clock' } } : {}),
      },
    });
  }
}

describe('The end of service', () => {
  let world: World;
  /** Another Ada for every test: who was erased cannot come back. */
  let ada: string;
  before(async () => {
    world = await createWorld({ migrate: migrateEnds });
  });
  after(() => world.end());
  beforeEach(async () => {
    ada = randomUUID();
    for (const kind of ['dated', 'timed', 'zoned', 'evented']) {
      await world.plain(kind).delete();
      await world.db(kind).insert([
        { id: ada, name: 'Ada' },
        { id: randomUUID(), name: 'Bob' },
      ]);
    }
    await world.plain('oubli.person_event').delete();
    await stopClock(world.plain, '2026-09-01T02:00:00Z'); // still 31 August in New York
  });

  for (const kind of ['dated', 'timed', 'zoned', 'evented']) {
    const ended = async (): Promise<string | null> => {
      const sql =
        kind === 'evented'
          ? `select happened_on::text as ended from oubli.person_event where kind = 'evented' and event = 'service_ended' and subject_id = ?`
          : `select (ended${kind === 'zoned' ? " at time zone 'UTC'" : ''})::text as ended from ${kind} where id = ?`;
      const { rows } = await world.plain.raw(`${sql}`, [ada]);
      return rows[0]?.ended ?? null;
    };
    const wholeDay = {
      dated: '2026-08-31',
      timed: '2026-08-31 22:00:00',
      zoned: '2026-09-01 02:00:00',
      evented: '2026-08-31',
    };
    const given = {
      dated: '2026-08-01',
      timed: '2026-08-01 00:00:00',
      zoned: '2026-08-01 04:00:00',
      evented: '2026-08-01',
    };

    describe(`of a person whose rule starts from ${kind === 'evented' ? 'the event' : `a column (${kind})`}`, () => {
      it("is today on the rule's calendar, wherever the session is", async () => {
        await world.subject(kind, ada).serviceEnded();
        expect(await ended()).to.equal(wholeDay[kind as 'dated']);
      });

      it('is the day that is given, and said again without a day the first stands', async () => {
        await world.subject(kind, ada).serviceEnded({ on: '2026-08-01' });
        await world.subject(kind, ada).serviceEnded();
        expect(await ended()).to.equal(given[kind as 'dated']);
        await world.subject(kind, ada).serviceEnded({ on: '2026-08-31' });
        expect(await ended()).not.to.equal(given[kind as 'dated']);
      });

      it('starts the clock with the commit, or not at all', async () => {
        const trx = await world.db.transaction();
        await world.subject(kind, ada).serviceEnded({ trx });
        expect(await ended()).to.equal(null);
        await trx.rollback();
        expect(await ended()).to.equal(null);
        await world.db.transaction((other) => world.subject(kind, ada).serviceEnded({ trx: other }));
        expect(await ended()).not.to.equal(null);
      });

      it('leads to her erasure six months later, and to nobody else’s', async () => {
        await world.subject(kind, ada).serviceEnded({ on: '2026-08-31' });
        await stopClock(world.plain, '2027-02-28T04:59:59Z');
        await world.sweep();
        expect(await world.plain(kind)).to.have.length(2);
        await stopClock(world.plain, '2027-02-28T05:00:00Z');
        await world.sweep();
        expect(await world.db(kind).pluck('name')).to.deep.equal(['Bob']);
        expect(await world.plain('oubli.person_event')).to.deep.equal([]);
      });

      it('A8: of somebody who was erased is refused, and starts nothing', async () => {
        await world.subject(kind, ada).erase({ because: 'her letter' });
        for (const on of [undefined, '2026-08-01']) {
          const error = await refusalOf(() => world.subject(kind, ada).serviceEnded(on ? { on } : {}));
          expect(error).to.be.instanceOf(AlreadyErasedError);
        }
        expect(await world.plain('oubli.person_event')).to.deep.equal([]);
      });

      it('A2: said while she is being erased waits, and hears that it is too late', async () => {
        await world.plain.raw(`create or replace function dawdle() returns trigger language plpgsql as
          'begin perform pg_advisory_xact_lock(7); return old; end';
          create or replace trigger dawdle before delete on ${kind} for each row execute function dawdle()`);
        const gate = await world.plain.transaction();
        await gate.raw('select pg_advisory_xact_lock(7)');
        const erasing = world.subject(kind, ada).erase({ because: 'her letter' });
        await untilSomebodyWaits(world.plain, 1);
        const ending = failureOf(() => world.subject(kind, ada).serviceEnded());
        await untilSomebodyWaits(world.plain, 2);
        await gate.rollback();
        await erasing;
        await world.plain.raw(`drop trigger dawdle on ${kind}`);
        expect(await ending).to.be.instanceOf(AlreadyErasedError);
        expect(await world.plain('oubli.person_event')).to.deep.equal([]);
      });

      it('of somebody unknown is refused', async () => {
        const nobody = world.subject(kind, randomUUID());
        expect(await refusalOf(() => nobody.serviceEnded())).to.be.instanceOf(SubjectUnknownError);
      });
    });
  }
});
