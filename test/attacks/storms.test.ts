/**
 * Workers killed with `kill -9`, and the server by an immediate shutdown, at requests that a seeded die chooses. A few blows here;
 * `npm run torture` strikes 200 and 10 times (`OUBLI_LONG_TESTS=1`).
 */
import { expect } from 'chai';
import { type FaultyWire, startFaultyWire } from '../support/faulty-wire';
import { addPeople } from '../support/people';
import { type FreshServer, startPostgres } from '../support/postgres';
import { rage, type Storm } from '../support/storm';
import { startWorker } from '../support/sweep-process';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const isLong = process.env.OUBLI_LONG_TESTS === '1';
const KILLS = isLong ? 200 : 4;
const SHUTDOWNS = isLong ? 10 : 2;
/** The start of a worker, and its first people. */
const REQUESTS = 90;

describe('A purge in a storm', function () {
  this.timeout(isLong ? 3_600_000 : 120_000);
  let server: FreshServer;
  let world: World;
  let wire: FaultyWire;
  before(async () => {
    // a commit that was said to be done must have been done, also when the server falls
    server = await startPostgres({ fresh: true, settings: { synchronous_commit: 'on', full_page_writes: 'on' } });
  });
  after(() => server.stop());
  beforeEach(async () => {
    world = await createWorld({ server: server.url, config: { log: { warn: () => undefined } } });
    wire = await startFaultyWire(world.url);
  });
  afterEach(async () => {
    await world.end();
    await wire.close();
  });

  const purge = (mode: 'whole' | 'broken'): Pick<Storm, 'start' | 'prepare' | 'requests'> => ({
    requests: REQUESTS,
    prepare: async (blow) => void (await addPeople(world.db, 6, '2020-01-01', 1000 + 6 * blow)),
    start: (url) => startWorker(url, world.keyFile, 2, mode),
  });

  async function everybodyIsWhole(): Promise<void> {
    expect((await wholenessOf(world.plain)).between).to.deep.equal([]);
    const { entries, people } = await receiptsPerPerson(world.plain);
    expect(entries, 'one receipt a person').to.equal(people);
  }

  async function everybodyHasLeft(): Promise<void> {
    const { untouched, between } = await wholenessOf(world.plain);
    expect({ untouched, between }).to.deep.equal({ untouched: 0, between: [] });
  }

  it(`A1: of ${KILLS} workers killed at any moment none leaves anybody between; the last one ends it`, async () => {
    const struck = await rage({ wire, blows: KILLS, seed: 7, ...purge('whole'), check: everybodyIsWhole });
    expect(struck).to.be.greaterThan(KILLS / 4);
    await everybodyHasLeft();
  });

  it(`A1: nor do ${SHUTDOWNS} immediate shutdowns of the server`, async () => {
    const strike = (): Promise<void> => server.crash();
    const struck = await rage({ wire, blows: SHUTDOWNS, seed: 11, ...purge('whole'), strike, check: everybodyIsWhole });
    expect(struck).to.be.greaterThan(0);
    await everybodyHasLeft();
  });

  it('is seen through where an erasure is not one transaction', async () => {
    const found = new Set<number>();
    const check = async (): Promise<void> => {
      for (const id of (await wholenessOf(world.plain)).between) found.add(id);
    };
    await rage({ wire, blows: KILLS, seed: 7, ...purge('broken'), requests: 12, check });
    expect(found.size).to.be.greaterThan(0);
  });
});
