/**
 * Workers that move rows to an archive in another database, killed with `kill -9`, and their server by an immediate shutdown, at
 * requests that a seeded die chooses (ERASURE.md R1, A1). A few blows here; 200 and 10 with `OUBLI_LONG_TESTS=1`.
 */
import { expect } from 'chai';
import { stopClock } from '../../src/testing';
import { addInvoiced, anotherDatabase, migrateElsewhere, type OtherDatabase } from '../support/archive';
import { startCarrier } from '../support/archive-process';
import { type FaultyWire, startFaultyWire } from '../support/faulty-wire';
import { type FreshServer, startPostgres } from '../support/postgres';
import { rage, type Storm } from '../support/storm';
import { createWorld, type World } from '../support/world';

const isLong = process.env.OUBLI_LONG_TESTS === '1';
const KILLS = isLong ? 200 : 3;
const SHUTDOWNS = isLong ? 10 : 1;
/** The start of a worker, the erasure of its people, and the way of their rows. */
const REQUESTS = 200;

describe('A move to the archive in a storm', function () {
  this.timeout(isLong ? 3_600_000 : 120_000);
  let server: FreshServer;
  let world: World;
  let other: OtherDatabase;
  let wire: FaultyWire;
  let added: number;
  before(async () => {
    // a commit that was said to be done must have been done, also when the server falls
    server = await startPostgres({ fresh: true, settings: { synchronous_commit: 'on', full_page_writes: 'on' } });
  });
  after(() => server.stop());
  beforeEach(async () => {
    const config = { log: { warn: () => undefined } };
    world = await createWorld({ migrate: migrateElsewhere, server: server.url, config });
    await stopClock(world.plain, '2026-03-01T00:00:00Z');
    other = await anotherDatabase();
    wire = await startFaultyWire(world.url);
    added = 0;
  });
  afterEach(async () => {
    await world.end();
    await other.end();
    await wire.close();
  });

  const storm: Pick<Storm, 'prepare' | 'start' | 'requests'> = {
    requests: REQUESTS,
    prepare: async () => {
      for (const name of ['Adalgisa', 'Bertrand']) {
        const id = await addInvoiced(world.db, name, 2);
        await world.db('users').where({ id }).update({ service_ended_on: '2020-01-01' });
        added += 2;
      }
    },
    start: (url) => {
      const carrier = startCarrier(url, world.keyFile, other.url);
      return { output: carrier.ended.then(String), kill: () => carrier.kill() };
    },
  };

  /** Each row is in its table, in the outbox or there, once; what the outbox no longer has is there, and the ledger says so. */
  async function nothingIsBetween(): Promise<void> {
    const inPlace = await world.plain('invoices').pluck('id');
    const waiting: string[] = await world.plain('oubli.archive_outbox').pluck('id');
    const there: string[] = await other.plain('oubli_archive.archived_row').pluck('id');
    expect(new Set(there).size).to.equal(there.length);
    expect(new Set([...waiting, ...there]).size + inPlace.length).to.equal(added);
    const rows = async (act: string): Promise<number> =>
      (await world.plain('oubli.ledger').where({ act }))
        .flatMap(({ details }) => details.tables as { action: string; rows: number }[])
        .reduce((sum, line) => sum + (line.action === 'archive' ? line.rows : 0), 0);
    expect(await rows('erased'), 'moved, says the ledger').to.equal(added - inPlace.length);
    expect(await rows('delivered'), 'arrived, says the ledger').to.equal(added - inPlace.length - waiting.length);
    const keyless = await world
      .plain('oubli.archive_key')
      .whereNotIn('key_id', world.plain('oubli.subject_key').select('key_id'));
    expect(keyless).to.deep.equal([]);
  }

  async function allHaveArrived(): Promise<void> {
    expect(await world.plain('invoices')).to.deep.equal([]);
    expect(await world.plain('oubli.archive_outbox')).to.deep.equal([]);
    expect(await other.plain('oubli_archive.archived_row')).to.have.length(added);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  }

  it(`R1: of ${KILLS} workers killed at any moment none leaves a row between; the last one brings all`, async () => {
    const struck = await rage({ ...storm, wire, blows: KILLS, seed: 17, check: nothingIsBetween });
    expect(struck).to.be.greaterThan(KILLS / 4);
    await allHaveArrived();
  });

  it(`R1: nor do ${SHUTDOWNS} immediate shutdowns of the server`, async () => {
    const strike = (): Promise<void> => server.crash();
    const struck = await rage({ ...storm, wire, blows: SHUTDOWNS, seed: 19, strike, check: nothingIsBetween });
    expect(struck).to.be.greaterThan(0);
    await allHaveArrived();
  });

  it('R1: a row between is seen', async () => {
    await storm.prepare?.(0);
    await world.plain.raw('delete from invoices where id = (select min(id) from invoices)');
    const seen = await nothingIsBetween().then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(seen).to.be.instanceOf(Error);
  });
});
