/**
 * A hold and an erasure that meet (ERASURE.md H1, A2), with real connections, at each step: a committed hold wins over whatever
 * was not erased by then, a committed erasure is final, and there is nothing between.
 */
import { expect } from 'chai';
import { Client } from 'pg';
import { AlreadyErasedError, HoldError, type Oubli, type SweepReport } from '../../src';
import { addPerson, type Person } from '../support/people';
import { failureOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

type Outcome = { receipt?: unknown; error?: Error };

describe('A hold that meets an erasure', function () {
  this.timeout(60_000);
  let world: World;
  let second: Oubli;
  let ada: Person;
  let other: Client;
  let note: number;
  beforeEach(async () => {
    world = await createWorld();
    second = await world.another();
    ada = await addPerson(world.db, 1);
    await world.holds.open({ name: 'case 1', ground: 'GDPR Art. 17(3)(e): lawsuit' });
    other = new Client({ connectionString: world.url });
    await other.connect();
    note = (await world.plain('notes').first('id')).id;
  });
  afterEach(async () => {
    await other.end();
    await world.end();
  });

  const outcomeOf = (work: Promise<unknown>): Promise<Outcome> =>
    work.then(
      (receipt) => ({ receipt }),
      (error: Error) => ({ error }),
    );
  const erasing = (): Promise<Outcome> => outcomeOf(world.subject('user', ada.id).erase({ because: 'her request' }));
  const holding: Record<string, () => Promise<Outcome>> = {
    'of her': () => outcomeOf(second.holds.place('case 1', second.subject('user', ada.id))),
    'of her note': () => outcomeOf(second.holds.place('case 1', { table: 'notes', rows: [note] })),
  };
  const ownersOfNotes = () => world.plain('notes').join('contracts', 'contracts.id', 'contract_id').pluck('user_id');
  /** Either she is there as she was, and held, or she is gone and nothing holds her. */
  async function expectHeld(erased: Outcome, held: Outcome): Promise<void> {
    expect(held.error).to.equal(undefined);
    expect(erased.error).to.be.instanceOf(HoldError);
    expect(await ownersOfNotes()).to.deep.equal([ada.id]);
    expect(await world.db('users').first('name')).to.deep.equal({ name: ada.name });
    expect(await world.plain('oubli.deferred_request').pluck('because')).to.deep.equal(['her request']);
    expect(await world.plain('oubli.ledger').where({ act: 'erased' })).to.deep.equal([]);
  }
  async function expectErased(erased: Outcome, held: Outcome): Promise<void> {
    expect(erased.error).to.equal(undefined);
    expect((held.error as { code?: string } | undefined)?.code).to.be.oneOf(['ALREADY_ERASED', 'HOLD_ROWS_GONE']);
    expect(await ownersOfNotes()).to.deep.equal([]);
    expect([...(await world.plain('oubli.held_person')), ...(await world.plain('oubli.held_row'))]).to.deep.equal([]);
  }

  for (const [what, hold] of Object.entries(holding)) {
    it(`H1: ${what}, placed before she is chosen, wins`, async () => {
      const held = await hold();
      await expectHeld(await erasing(), held);
    });

    it(`H1: ${what}, committed between choice and lock, wins`, async () => {
      await other.query('begin');
      await other.query(`select from users where id = ${ada.id} for update`); // the erasure waits for her row
      const erased = erasing();
      await untilSomebodyWaits(world.plain);
      // what placing does, in the transaction that has her row
      if (what === 'of her') {
        await other.query(`insert into oubli.held_person select 'user', '${ada.id}', id from oubli.hold_case`);
      } else {
        await other.query(
          `insert into oubli.held_row select 'notes'::regclass, array['${note}'], id from oubli.hold_case`,
        );
      }
      await other.query('commit');
      await expectHeld(await erased, {});
    });

    it(`A2: ${what}, committed after the predicate was asked and before the statement, is met by the trigger`, async () => {
      await hold(); // so that triggers stand
      await other.query('delete from oubli.held_person; delete from oubli.held_row');
      const waiting = await blockedBefore('oubli.errand');
      const erased = erasing();
      await untilSomebodyWaits(world.plain);
      await other.query(
        what === 'of her'
          ? `insert into oubli.held_person select 'user', '${ada.id}', id from oubli.hold_case`
          : `insert into oubli.held_row select 'notes'::regclass, array['${note}'], id from oubli.hold_case`,
      );
      await waiting.end();
      await expectHeld(await erased, {});
    });

    it(`H1: ${what}, asked for while the statement runs, waits for it and finds that she is gone`, async () => {
      const waiting = await blockedBefore('oubli.fence'); // the person is locked, and the statement waits
      const erased = erasing();
      await untilSomebodyWaits(world.plain);
      const held = hold();
      await untilSomebodyWaits(world.plain, 2);
      await waiting.end();
      await expectErased(await erased, await held);
    });

    it(`H1: ${what}, asked for after the commit, comes too late`, async () => {
      const erased = await erasing();
      await expectErased(erased, await hold());
    });
  }

  it('H1: of a row, placed while the triggers stand and somebody deletes it, waits for the outcome', async () => {
    await world.plain('notes').insert({ contract_id: (await world.plain('contracts').first('id')).id });
    const spare = (await world.plain('notes').max('id as id').first())?.id;
    await world.holds.place('case 1', { table: 'notes', rows: [spare] });
    await other.query(`begin; delete from notes where id = ${note}`);
    const held = holding['of her note']!();
    await untilSomebodyWaits(world.plain);
    await other.query('rollback');
    expect((await held).receipt).to.deep.equal({ case: 'case 1', placed: 1 });
    await other.query(`begin`);
    expect(await failureOf(() => other.query(`delete from notes where id = ${note}`))).to.have.property(
      'code',
      'OU035',
    );
    await other.query('rollback');
  });

  it('H1: committed after a transaction took its one view of the database fails to serialise with its DELETE', async () => {
    for (const isolation of ['repeatable read', 'serializable']) {
      for (const before of ['first', 'later'] as const) {
        await other.query(`begin isolation level ${isolation}`);
        await other.query('select count(*) from users');
        const held = await holding[before === 'first' ? 'of her note' : 'of her']!();
        expect(held.error).to.equal(undefined);
        const error = await failureOf(() => other.query(`delete from notes where id = ${note}`));
        expect(error, `${isolation}, ${before}`).to.have.property('code').that.is.oneOf(['40001', 'OU035']);
        await other.query('rollback');
      }
      await world.holds.release('case 1', { because: 'next' });
      await world.holds.open({ name: 'case 1', ground: 'again' });
    }
  });

  it('H1: that is placed while a sweep has her chunk takes her out of it, and nobody else', async () => {
    const bob = await addPerson(world.db, 2);
    await world.db('users').update({ service_ended_on: '2020-01-01' });
    await holding['of her note']!();
    await other.query('delete from oubli.held_row');
    const waiting = await blockedBefore('oubli.errand');
    const swept = world.sweep({ rule: 'subject:user' });
    await untilSomebodyWaits(world.plain);
    await other.query(`insert into oubli.held_row select 'notes'::regclass, array['${note}'], id from oubli.hold_case`);
    await waiting.end();
    const [report] = (await swept) as [SweepReport];
    expect(report).to.deep.include({ gone: 1, held: [{ because: 'case 1', count: 1 }] });
    expect(await ownersOfNotes()).to.deep.equal([ada.id]);
    expect(await world.db('users').where({ id: bob.id }).first('name')).to.deep.equal({ name: null });
  });

  /** A transaction that whoever writes to the table waits for. */
  async function blockedBefore(table: string): Promise<{ end(): Promise<void> }> {
    const blocker = new Client({ connectionString: world.url });
    await blocker.connect();
    await blocker.query(`begin; lock table ${table} in share mode`);
    return {
      end: async () => {
        await blocker.query('commit');
        await blocker.end();
      },
    };
  }
  it('A2: an erasure that won is final for whoever holds and for whoever erases', async () => {
    await erasing();
    expect((await erasing()).error).to.be.instanceOf(AlreadyErasedError);
    expect((await holding['of her']!()).error).to.be.instanceOf(AlreadyErasedError);
  });
});
