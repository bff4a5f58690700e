/**
 * Rows of several people (ERASURE.md G3) under a sweep that is killed with `kill -9`, and whose server falls by an immediate shutdown,
 * at requests that a seeded die chooses. A few blows here; 200 and 10 with `OUBLI_LONG_TESTS=1`.
 */
import { expect } from 'chai';
import { migrateCorrespondence } from '../support/correspondence';
import { type FaultyWire, startFaultyWire } from '../support/faulty-wire';
import { type FreshServer, startPostgres } from '../support/postgres';
import { Rings } from '../support/ring';
import { rage, type Storm } from '../support/storm';
import { type Mode, startWorker } from '../support/sweep-process';
import { createWorld, type World } from '../support/world';

const isLong = process.env.OUBLI_LONG_TESTS === '1';
const KILLS = isLong ? 200 : 2;
const SHUTDOWNS = isLong ? 10 : 1;
/** The start of a worker, and its first people. */
const REQUESTS = 80;

describe('Rows of several people in a storm', function () {
  this.timeout(isLong ? 3_600_000 : 120_000);
  let server: FreshServer;
  let world: World;
  let wire: FaultyWire;
  let rings: Rings;
  before(async () => {
    // a commit that was said to be done must have been done, also when the server falls
    server = await startPostgres({ fresh: true, settings: { synchronous_commit: 'on', full_page_writes: 'on' } });
  });
  after(() => server.stop());
  beforeEach(async () => {
    const config = { log: { warn: () => undefined } };
    world = await createWorld({ migrate: migrateCorrespondence, server: server.url, config });
    await world.db('clerks').insert({ id: 1, name: 'Zoe' });
    rings = new Rings(world.db, world.plain);
    wire = await startFaultyWire(world.url);
  });
  afterEach(async () => {
    await world.end();
    await wire.close();
  });

  // of three who leave two have a chunk of their own: some rows are of people of one chunk, some of two
  const purge = (mode: Mode): Pick<Storm, 'start' | 'prepare' | 'requests'> => ({
    requests: REQUESTS,
    prepare: () => rings.add(),
    start: (url) => startWorker(url, world.keyFile, 2, mode),
  });

  async function nothingIsWrong(): Promise<void> {
    expect((await rings.look()).wrong).to.deep.equal([]);
  }

  async function allHaveLeft(): Promise<void> {
    expect(await rings.look()).to.deep.equal({ erased: rings.leaving, wrong: [] });
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
    // under whichever key, what the law keeps and what is of those who stay can be read
    const deals = await world.db('deals').select('id', 'client_name', 'witness_name');
    for (const { id, ...names } of deals)
      expect(names).to.deep.equal({ client_name: `client ${id}`, witness_name: `witness ${id}` });
    const replies = await world.db('messages').whereNotNull('reply').select('id', 'reply');
    expect(replies).not.to.deep.equal([]);
    for (const { id, reply } of replies) expect(reply).to.equal(`reply ${id}`);
  }

  it(`G3: of ${KILLS} sweeps killed at any moment none leaves anybody between, nor takes what is another’s; the last one ends it`, async () => {
    const struck = await rage({ wire, blows: KILLS, seed: 23, ...purge('whole'), check: nothingIsWrong });
    expect(struck).to.be.greaterThan(KILLS / 4);
    await allHaveLeft();
  });

  it(`G3: nor do ${SHUTDOWNS} immediate shutdowns of the server`, async () => {
    const strike = (): Promise<void> => server.crash();
    const struck = await rage({ wire, blows: SHUTDOWNS, seed: 29, ...purge('whole'), strike, check: nothingIsWrong });
    expect(struck).to.be.greaterThan(0);
    await allHaveLeft();
  });

  it('G3: is seen through where an erasure is not one transaction', async () => {
    const found = new Set<string>();
    const check = async (): Promise<void> => {
      for (const wrong of (await rings.look()).wrong) found.add(wrong);
    };
    await rage({ wire, blows: 1, seed: 23, ...purge('torn'), requests: 12, check });
    expect([...found].join('\n'))
      .to.match(/person \d+ is between/)
      .and.to.match(/messages \d+ reply/);
  });

  it('G3: is seen through where an erasure takes what is another’s along, although each has her receipt', async () => {
    await rings.add();
    await world.plain('messages').where({ sender_id: 1, recipient_id: 4 }).delete();
    await world.plain('pairs').where({ a_id: 3, b_id: 4 }).update({ b_word: 'erased' });
    await world.sweep();
    const { erased, wrong } = await rings.look();
    expect(erased).to.equal(3);
    expect(wrong).to.include.members(['messages 3 is gone', 'pairs 2 b_word']);
  });
});
