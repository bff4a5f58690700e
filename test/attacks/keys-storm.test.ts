/**
 * Rotations and reseals that are killed with `kill -9`, and whose server falls by an immediate shutdown, at requests that a seeded die
 * chooses, while an application writes. A few blows here; 200 and 10 with `OUBLI_LONG_TESTS=1`.
 */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { type FaultyWire, startFaultyWire } from '../support/faulty-wire';
import { type KeyWork, startKeyWork } from '../support/keys-process';
import { type FreshServer, startPostgres } from '../support/postgres';
import { rage, type Storm } from '../support/storm';
import { createWorld, type World } from '../support/world';

const isLong = process.env.OUBLI_LONG_TESTS === '1';
const KILLS = isLong ? 200 : 2;
const SHUTDOWNS = isLong ? 10 : 1;
const PEOPLE = isLong ? 40 : 15;
/** The start of a worker, and its work. */
const REQUESTS = 60;

describe('Keys in a storm', function () {
  this.timeout(isLong ? 3_600_000 : 120_000);
  let server: FreshServer;
  let world: World;
  let wire: FaultyWire;
  /** What everybody's name was last said to be, by her id. */
  const names = new Map<number, string>();
  let blow = 0;

  before(async () => {
    // a commit that was said to be done must have been done, also when the server falls
    server = await startPostgres({ fresh: true, settings: { synchronous_commit: 'on', full_page_writes: 'on' } });
  });
  after(() => server.stop());
  beforeEach(async () => {
    names.clear();
    blow = 0;
    world = await createWorld({ server: server.url, config: { log: { warn: () => undefined } } });
    wire = await startFaultyWire(world.url);
    const rows = Array.from({ length: PEOPLE }, (_, i) => ({ email: `p${i}@example.org`, name: `n${i}` }));
    for (const { id } of await world.db('users').insert(rows).returning('id')) names.set(Number(id), '');
    await world.db('contracts').insert([...names.keys()].map((id) => ({ user_id: id, signatory: `s${id}` })));
    await writeSome();
  });
  afterEach(async () => {
    await world.end();
    await wire.close();
  });

  /** Each write is known to have been done, so that a loss is a loss. */
  async function writeSome(): Promise<void> {
    blow += 1;
    for (const id of [...names.keys()].filter((each) => blow === 1 || each % 7 === blow % 7)) {
      await world
        .db('users')
        .where({ id })
        .update({ name: `n${id} ${blow}` });
      names.set(id, `n${id} ${blow}`);
    }
  }

  async function nothingIsLost(): Promise<void> {
    const fresh = await world.another();
    for (const { db } of [world, fresh]) {
      const found = await db('users').select('id', 'name');
      expect(new Map(found.map(({ id, name }) => [Number(id), name]))).to.deep.equal(names);
      expect(await db('users').where({ email: 'p7@example.org' })).to.have.length(1);
      const signatories = await db('contracts').select('user_id', 'signatory');
      for (const { user_id, signatory } of signatories) expect(signatory).to.equal(`s${user_id}`);
    }
    await fresh.close();
  }

  const storm = (work: KeyWork): Pick<Storm, 'wire' | 'requests' | 'start' | 'prepare' | 'check'> => ({
    ...{ wire, requests: REQUESTS },
    prepare: writeSome,
    start: (url) => startKeyWork(url, world.keyFile, work),
    check: nothingIsLost,
  });

  async function noOldEpochIsLeft(): Promise<void> {
    const { rows } = await world.plain.raw(
      'select epoch, born, successor from oubli.subject_key where epoch < oubli.newest_epoch() or successor is not null',
    );
    expect(rows).to.deep.equal([]);
    expect(await world.plain('oubli.subject_key')).to.have.length(PEOPLE);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  }

  for (const [work, seed] of [
    ['rotate', 41],
    ['reseal', 43],
  ] as const) {
    it(`K5, K6: of ${KILLS} killed at any moment (${work}) none loses a value or a key; the last one leaves no old epoch behind`, async () => {
      const struck = await rage({ ...storm(work), blows: KILLS, seed });
      expect(struck).to.be.greaterThan(KILLS / 4);
      await noOldEpochIsLeft();
      const document = JSON.parse(await readFile(world.keyFile, 'utf8'));
      const epochs = await world.plain('oubli.epoch').whereNull('destroyed_at').pluck('id');
      expect(Object.keys(document.epochs).map(Number).sort()).to.deep.equal(epochs.map(Number).sort());
    });

    if (!isLong && work === 'rotate') continue;
    it(`K5, K6: nor do ${SHUTDOWNS} immediate shutdowns of the server (${work})`, async () => {
      const strike = (): Promise<void> => server.crash();
      const struck = await rage({ ...storm(work), blows: SHUTDOWNS, seed: seed + 4, strike });
      expect(struck).to.be.greaterThan(0);
      await noOldEpochIsLeft();
    });
  }

  it('is seen through where old keys are destroyed in haste', async () => {
    const lost = await rage({ ...storm('hasty'), blows: 1, seed: 47 }).then(
      () => '',
      (error: Error) => error.name,
    );
    expect(lost).not.to.equal('');
  });
});
