/**
 * Replays killed with `kill -9` at requests that a seeded die chooses (ERASURE.md S1). Some go on where the one before was struck down,
 * some find the backup restored once more. A few blows here; 200 with `OUBLI_LONG_TESTS=1`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { fileJournal, localKeys, oubli } from '../../src';
import { type Backup, backUp } from '../support/backup';
import { type FaultyWire, startFaultyWire } from '../support/faulty-wire';
import { addPeople, type Person } from '../support/people';
import { startReplay } from '../support/replay-process';
import { rage, type Storm } from '../support/storm';
import { startWorker } from '../support/sweep-process';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const isLong = process.env.OUBLI_LONG_TESTS === '1';
const KILLS = isLong ? 200 : 5;
/** Of a replay, its start included. */
const REQUESTS = 70;
const PEOPLE = 8;
const ERASED = 5;

describe('A replay in a storm', function () {
  this.timeout(isLong ? 3_600_000 : 120_000);
  let folder: string;
  let file: string;
  let world: World;
  let backup: Backup;
  let people: Person[];
  let wire: FaultyWire;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-journal-'));
    file = path.join(folder, 'oubli.journal');
    const config = { log: { warn: () => undefined } };
    world = await createWorld({ oubli: { journal: fileJournal({ file }) }, config });
    people = await addPeople(world.db, PEOPLE, '2099-01-01');
    await world.subject('user', people[0]!.id).erase({ because: 'before the backup' });
    backup = await backUp(world.url);
    for (const { id } of people.slice(1, ERASED)) await world.subject('user', id).erase({ because: 'request' });
    await backup.restore();
    wire = await startFaultyWire(world.url);
  });
  afterEach(async () => {
    await wire.close();
    await world.end();
    await backup.drop();
    await rm(folder, { recursive: true });
  });

  const storm = (start: Storm['start'], check: Storm['check'], requests = REQUESTS): Storm => ({
    wire,
    blows: KILLS,
    seed: 13,
    requests,
    prepare: async (blow) => {
      if (blow % 3 === 0) await backup.restore();
    },
    start,
    check,
  });

  async function everybodyIsWhole(): Promise<void> {
    expect((await wholenessOf(world.plain)).between).to.deep.equal([]);
    const { entries, people: named } = await receiptsPerPerson(world.plain);
    expect(entries, 'one receipt a person').to.equal(named);
  }

  it(`S1: of ${KILLS} replays killed at any moment none leaves anybody between; the last one ends it`, async () => {
    const struck = await rage(storm((url) => startReplay(url, world.keyFile, file), everybodyIsWhole));
    expect(struck).to.be.greaterThan(KILLS / 4);
    expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: PEOPLE - ERASED, erased: ERASED, between: [] });
    // it is served again, with a chain that is whole, here and against the journal
    const knex = (await world.another({ journal: fileJournal({ file }) })).knex;
    const { db, verifyLedger } = await oubli(knex, { keys: localKeys({ file: world.keyFile }) });
    expect((await verifyLedger()).broken).to.deep.equal([]);
    expect(await db('users').whereNotNull('name').orderBy('id').pluck('name')).to.deep.equal(
      people.slice(ERASED).map(({ name }) => name),
    );
  });

  it('S1: is seen through where people are erased again in more than one transaction', async () => {
    const found = new Set<number>();
    const check = async (): Promise<void> => {
      for (const id of (await wholenessOf(world.plain)).between) found.add(id);
    };
    await rage({ ...storm((url) => startWorker(url, world.keyFile, 2, 'broken'), check, 12), blows: 4 });
    expect(found.size).to.be.greaterThan(0);
  });
});
