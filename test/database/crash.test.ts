import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { addPeople } from '../support/people';
import { startWorker } from '../support/sweep-process';
import { untilSomebodyWaits } from '../support/waiting';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const PEOPLE = 12;

describe('A worker that is killed in the middle of a sweep', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
    await addPeople(world.db, PEOPLE, '2020-01-01');
  });
  afterEach(() => world.end());

  /** Kills the worker when it has come to the third person, of whose rows somebody holds one. */
  async function killInTheMiddle(mode: 'whole' | 'broken', table: string, column: string): Promise<void> {
    const trx = await world.plain.transaction();
    const [, , third] = await world.plain('users').orderBy('id').pluck('id');
    await trx.raw('select from ?? where ?? = ? for update', [table, column, third]);
    const worker = startWorker(world.url, world.keyFile, 1, mode);
    await untilSomebodyWaits(world.plain);
    await worker.kill();
    await trx.rollback();
    await untilSomebodyWaits(world.plain, 0);
  }

  it('leaves everybody either as she was, or erased with her receipt; the next run finishes', async () => {
    await killInTheMiddle('whole', 'visits', 'user_id');
    const after = await wholenessOf(world.plain);
    expect(after).to.deep.equal({ erased: 2, untouched: PEOPLE - 2, between: [] });

    const output = await startWorker(world.url, world.keyFile, 5).output;
    expect(JSON.parse(output)[0]).to.include({ gone: PEOPLE - 2, stillDue: 0, finished: true });
    expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: 0, erased: PEOPLE, between: [] });
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: PEOPLE, people: PEOPLE });
  });

  it('would be caught if it committed table by table: somebody is found half erased', async () => {
    await killInTheMiddle('broken', 'users', 'id');
    expect((await wholenessOf(world.plain)).between).not.to.have.length(0);
  });

  if (process.env.OUBLI_LONG_TESTS === '1') {
    it('killed at any moment, again and again, until everybody has left', async function () {
      this.timeout(600_000);
      await addPeople(world.db, 200, '2020-01-01', 1000);
      for (let left = true; left; ) {
        const worker = startWorker(world.url, world.keyFile, 3);
        await Promise.race([worker.output, wait(800 + Math.random() * 1500)]);
        await worker.kill();
        const { between, untouched } = await wholenessOf(world.plain);
        expect(between).to.deep.equal([]);
        left = untouched > 0;
      }
      expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 212, people: 212 });
    });
  }
});
