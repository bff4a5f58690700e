import { expect } from 'chai';
import type { ArchivedRow, Oubli, OubliError } from '../../src';
import { internalsOf } from '../../src/knex/internals';
import { OwnTransactions } from '../../src/knex/own-transactions';
import { stopClock } from '../../src/testing';
import { addInvoiced, anotherDatabase, migrateElsewhere, type OtherDatabase } from '../support/archive';
import { startCarrier } from '../support/archive-process';
import { failureOf, failureOfSweep, refusalOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

async function read(instance: Pick<Oubli, 'archive'>): Promise<ArchivedRow[]> {
  const rows: ArchivedRow[] = [];
  for await (const row of instance.archive.read({ table: 'invoices', because: 'tax audit' })) rows.push(row);
  return rows;
}

describe('An archive in another database', () => {
  let world: World;
  let other: OtherDatabase;
  let carrier: Oubli;

  beforeEach(async () => {
    world = await createWorld({ migrate: migrateElsewhere });
    other = await anotherDatabase();
    carrier = await world.another({ archive: { knex: other.mover } });
  });
  afterEach(async () => {
    await world.end();
    await other.end();
  });

  const waiting = async (): Promise<number> => (await world.plain('oubli.archive_outbox')).length;
  const arrived = async (): Promise<number> => (await other.plain('oubli_archive.archived_row')).length;
  const state = async (): Promise<string[]> =>
    (await world.receipts()).flatMap(({ archived }) => archived.map(({ elsewhere }) => String(elsewhere)));

  it('R1: gets rows from the outbox, where the erasing transaction put them, sealed', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa');
    const receipt = await world.subject('user', ada).erase({ because: 'her request' });
    expect(receipt.archived[0]).to.include({ table: 'invoices', rows: 2, elsewhere: 'outbox' });
    expect(await world.plain('invoices')).to.deep.equal([]);
    const rows = await world.plain('oubli.archive_outbox');
    expect(rows.map(({ entry, source }) => [Number(entry), source])).to.deep.equal([
      [receipt.entry, 'invoices'],
      [receipt.entry, 'invoices'],
    ]);
    for (const { sealed } of rows) {
      expect(sealed.subarray(0, 8).toString('hex')).to.equal('a70b010c7fffffff');
      expect(sealed.includes('Adalgisa')).to.equal(false);
    }
    expect(await state()).to.deep.equal(['outbox']);
  });

  it('R1: has them after the next sweep; nothing stays behind, and the ledger says when', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa');
    const receipt = await world.subject('user', ada).erase({ because: 'her request' });
    const sent = await world.plain('oubli.archive_outbox').orderBy('id');
    await carrier.sweep();
    expect(await waiting()).to.equal(0);
    const there = await other.plain('oubli_archive.archived_row').orderBy('id');
    expect(
      there.map(({ id, sealed, key_id, entry, until, moved_at }) => ({ id, sealed, key_id, entry, until, moved_at })),
    ).to.deep.equal(
      sent.map(({ id, sealed, key_id, entry, until, moved_at }) => ({ id, sealed, key_id, entry, until, moved_at })),
    );
    const [entry] = await world.plain('oubli.ledger').where({ act: 'delivered' });
    expect(entry.key_id.toString('hex')).to.equal(receipt.keyId);
    expect(entry.details).to.deep.equal({
      entry: receipt.entry,
      tables: [{ table: 'invoices', action: 'archive', rows: 2 }],
      waiting: 0,
    });
    expect(await state()).to.deep.equal(['delivered']);
  });

  it('R1: is filled by a role that may insert there, and not read', async () => {
    expect(await failureOf(() => other.mover('oubli_archive.archived_row'))).to.include({ code: '42501' });
    const ada = await addInvoiced(world.db, 'Adalgisa');
    await world.subject('user', ada).erase({ because: 'her request' });
    await carrier.sweep();
    expect(await refusalOf(() => read(carrier))).to.include({ code: 'ARCHIVE_UNREADABLE' });
  });

  it('R1: is read there, and where rows still wait, each with its entry', async () => {
    const reader = await world.another({ archive: { knex: other.plain } });
    const ada = await addInvoiced(world.db, 'Adalgisa', 1);
    await world.subject('user', ada).erase({ because: 'her request' });
    await carrier.sweep();
    const bob = await addInvoiced(world.db, 'Bertrand', 1);
    await world.subject('user', bob).erase({ because: 'his request' });
    expect((await read(reader)).map(({ columns }) => columns?.billed_to)).to.have.members([
      '0 rue de Adalgisa',
      '0 rue de Bertrand',
    ]);
    const read_ = await world.plain('oubli.ledger').where({ act: 'archive_read' }).orderBy('entry');
    expect(read_.map(({ details }) => [details.archive, details.tables[0].rows])).to.deep.equal([
      ['oubli.archive_outbox', 1],
      ['oubli_archive', 1],
    ]);
  });

  it('R1: is asked for where nobody said which database it is', async () => {
    expect(await refusalOf(() => read(world))).to.include({ code: 'ARCHIVE_ELSEWHERE' });
  });

  it('R1: keeps nobody waiting while it is down: erasures go on, and their rows arrive when it is back', async () => {
    const down = await world.another({ archive: { knex: other.moverAt('postgres://nobody@127.0.0.1:1/none') } });
    await stopClock(world.plain, '2026-03-01T00:00:00Z');
    const ada = await addInvoiced(world.db, 'Adalgisa');
    await world.db('users').where({ id: ada }).update({ service_ended_on: '2025-01-01' });
    expect(await failureOfSweep(() => down.sweep())).to.have.property('code', 'ECONNREFUSED');
    expect(await world.plain('users')).to.deep.equal([]);
    await stopClock(world.plain, '2026-03-08T00:00:00Z');
    const bob = await addInvoiced(world.db, 'Bertrand');
    await down.subject('user', bob).erase({ because: 'his request' });
    expect(await failureOfSweep(() => down.sweep())).to.have.property('code', 'ECONNREFUSED');
    expect([await waiting(), await arrived()]).to.deep.equal([4, 0]);
    await carrier.sweep();
    expect([await waiting(), await arrived()]).to.deep.equal([0, 4]);
  });

  it('R1: says so where the other database has no archive, and loses nothing', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa');
    await world.subject('user', ada).erase({ because: 'her request' });
    await other.plain.raw('drop schema oubli_archive cascade');
    const error = (await failureOfSweep(() => carrier.sweep())) as OubliError;
    expect(error).to.include({ code: 'ARCHIVE_NOT_INSTALLED' });
    expect(error.fix).to.include('installArchive(');
    expect(await waiting()).to.equal(2);
  });

  it('R1: has each row once, however many workers bring them at once', async () => {
    for (const name of ['Adalgisa', 'Bertrand', 'Casimir']) {
      const id = await addInvoiced(world.db, name, 300);
      await world.subject('user', id).erase({ because: 'request' });
    }
    const second = await world.another({ archive: { knex: other.moverAt(other.url) } });
    await Promise.all([carrier.sweep(), second.sweep(), carrier.sweep()]);
    expect([await waiting(), await arrived()]).to.deep.equal([0, 900]);
    const delivered = await world.plain('oubli.ledger').where({ act: 'delivered' });
    expect(delivered.reduce((sum, { details }) => sum + details.tables[0].rows, 0)).to.equal(900);
  });

  it('R1: has each row once where a worker was killed after it had written there and before the outbox knew', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa');
    await world.subject('user', ada).erase({ because: 'her request' });
    const trx = await world.plain.transaction();
    await trx.raw('select from oubli.ledger_head for update');
    const worker = startCarrier(world.url, world.keyFile, other.url);
    await untilSomebodyWaits(world.plain);
    expect([await waiting(), await arrived()]).to.deep.equal([2, 2]);
    await worker.kill();
    await trx.rollback();
    await untilSomebodyWaits(world.plain, 0);
    expect([await waiting(), await arrived()]).to.deep.equal([2, 2]);
    expect(await startCarrier(world.url, world.keyFile, other.url).ended).to.equal(0);
    expect([await waiting(), await arrived()]).to.deep.equal([0, 2]);
    expect(await world.plain('oubli.ledger').where({ act: 'delivered' })).to.have.length(1);
  });

  it('R1: has nothing, and the outbox all, where a worker was killed before it had written there', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa');
    await world.subject('user', ada).erase({ because: 'her request' });
    const trx = await other.plain.transaction();
    await trx.raw('lock table oubli_archive.archived_row in access exclusive mode');
    const worker = startCarrier(world.url, world.keyFile, other.url);
    await untilSomebodyWaits(other.plain);
    await worker.kill();
    await trx.rollback();
    await untilSomebodyWaits(other.plain, 0);
    expect(await waiting()).to.equal(2);
    await carrier.sweep();
    expect([await waiting(), await arrived()]).to.deep.equal([0, 2]);
  });

  it('R1: ends there on its date, and in the outbox too; its keys end even while it is down', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa');
    const bob = await addInvoiced(world.db, 'Bertrand');
    await world.subject('user', ada).erase({ because: 'her request' });
    await carrier.sweep();
    await world.subject('user', bob).erase({ because: 'his request' });
    await stopClock(world.plain, '2034-01-31T00:00:00Z');
    await other.plain.raw(`create or replace function oubli_archive.now() returns timestamptz language sql stable set search_path = pg_catalog
      return timestamptz '2034-01-30T23:59:59Z'`);
    const down = await world.another({ archive: { knex: other.moverAt('postgres://nobody@127.0.0.1:1/none') } });
    expect(await failureOfSweep(() => down.sweep())).to.have.property('code', 'ECONNREFUSED');
    expect(await world.plain('oubli.archive_key')).to.deep.equal([]);
    expect([await waiting(), await arrived()]).to.deep.equal([0, 2]);
    expect(await state(), 'his never arrived, and no receipt says so').to.deep.equal(['ended', 'delivered']);
    await other.plain.raw(`create or replace function oubli_archive.now() returns timestamptz language sql stable set search_path = pg_catalog
      return timestamptz '2034-01-31T00:00:00Z'`);
    await carrier.sweep();
    expect(await arrived()).to.equal(0);
    const ended = await world.plain('oubli.ledger').where({ act: 'expired' }).orderBy('entry');
    expect(ended.map(({ details }) => [details.archive, details.tables[0].rows])).to.deep.equal([
      ['oubli.archive_outbox', 2],
      ['oubli_archive', 2],
    ]);
  });

  it('R1: one that is missing keeps those beside it from nothing', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa', 1);
    await world.subject('user', ada).erase({ because: 'her request' });
    // declared for another table, and not installed in the other database yet; its rows are the older ones
    await world.plain.raw(
      `insert into oubli.archive values ('legal', 'legal', true); update oubli.archive_outbox set schema = 'legal'`,
    );
    const bob = await addInvoiced(world.db, 'Bertrand', 3);
    await world.subject('user', bob).erase({ because: 'his request' });
    const error = (await failureOfSweep(() => carrier.sweep())) as OubliError;
    expect(error).to.include({ code: 'ARCHIVE_NOT_INSTALLED' });
    expect(error.message).to.include('legal');
    expect([await waiting(), await arrived()]).to.deep.equal([1, 3]);
  });

  it('H1: a hold is placed at once while the other database lets us wait, and what it holds is not destroyed', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa', 1);
    const bob = await addInvoiced(world.db, 'Bertrand', 1);
    const cleo = await addInvoiced(world.db, 'Cleo', 1);
    const { keyId } = await world.subject('user', ada).erase({ because: 'her request' });
    await world.subject('user', bob).erase({ because: 'his request' });
    await carrier.sweep();
    await stopClock(world.plain, '2040-01-01T00:00:00Z');
    await other.plain.raw(`create or replace function oubli_archive.now() returns timestamptz language sql stable set search_path = pg_catalog
      return timestamptz '2040-01-01'`);
    const lock = await other.plain.transaction();
    await lock.raw('lock table oubli_archive.archived_row in access exclusive mode');
    const sweeping = carrier.sweep();
    await untilSomebodyWaits(other.plain);
    await world.holds.open({ name: 'case 7', ground: 'lawsuit' });
    const before = performance.now();
    expect(await world.holds.place('case 7', { archivedOf: { keyId } })).to.include({ placed: 1 });
    expect(await world.holds.place('case 7', { kind: 'user', id: cleo })).to.include({ placed: 1 });
    expect(performance.now() - before, 'nobody waited for the other database').to.be.lessThan(4000);
    await lock.rollback();
    await sweeping;
    const left = await other.plain('oubli_archive.archived_row');
    expect(left).to.have.length(1);
    expect(left[0].key_id).to.deep.equal((await world.plain('oubli.archive_key').first()).key_id);
    await world.holds.release('case 7', { because: 'settled' });
    await carrier.sweep();
    expect([await arrived(), (await world.plain('oubli.archive_key')).length]).to.deep.equal([0, 0]);
  });

  it('H1: a hold that is placed between our commit and theirs waits for theirs: what is there when it returns stays', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa', 1);
    const bob = await addInvoiced(world.db, 'Bertrand', 1);
    const { keyId } = await world.subject('user', ada).erase({ because: 'her request' });
    await carrier.sweep();
    await stopClock(world.plain, '2040-01-01T00:00:00Z');
    await other.plain.raw(`
      create or replace function oubli_archive.now() returns timestamptz language sql stable set search_path = pg_catalog
        return timestamptz '2040-01-01';
      create function wait() returns trigger language plpgsql as 'begin perform pg_advisory_xact_lock(7); return null; end';
      create constraint trigger waits after delete on oubli_archive.archived_row deferrable initially deferred
        for each row execute function wait()`);
    const gate = await other.plain.transaction();
    await gate.raw('select pg_advisory_xact_lock(7)');
    const sweeping = carrier.sweep();
    await untilSomebodyWaits(other.plain); // at its commit: ours is through
    const ended = world.plain('oubli.ledger').whereRaw(`details ->> 'archive' = 'oubli_archive' and act = 'expired'`);
    expect(await ended).to.have.length(1);
    await world.holds.open({ name: 'case 7', ground: 'lawsuit' });
    const there: number[] = [];
    const placing = [{ archivedOf: { keyId } }, { kind: 'user', id: bob }].map((what) =>
      world.holds.place('case 7', what).finally(async () => there.push(await arrived())),
    );
    const restricting = world.subject('user', bob).restrict({ ground: 'unlawful', because: 'his letter' });
    await untilSomebodyWaits(world.plain, 2);
    expect(there).to.deep.equal([]);
    await gate.rollback();
    await Promise.all([sweeping, ...placing, restricting]);
    expect(there, 'nothing left after a hold had been placed').to.deep.equal([0, 0]);
    expect(
      await world.plain.raw(`select from pg_locks where locktype = 'advisory'`).then(({ rows }) => rows),
    ).to.deep.equal([]);
  });

  it('R1: one that somebody else has for too long fails the sweep by name, and nothing is lost', async () => {
    const ada = await addInvoiced(world.db, 'Adalgisa', 1);
    await world.subject('user', ada).erase({ because: 'her request' });
    const lock = await other.plain.transaction();
    await lock.raw('lock table oubli_archive.archived_row in access exclusive mode');
    const error = (await failureOfSweep(() => carrier.sweep())) as OubliError;
    expect(error).to.include({ code: 'ARCHIVE_BUSY' });
    await lock.rollback();
    expect([await waiting(), await arrived()]).to.deep.equal([1, 0]);
    await carrier.sweep();
    expect([await waiting(), await arrived()]).to.deep.equal([0, 1]);
  });

  it('R1: a server that answers nothing at all is cut off, and its pool goes on', async () => {
    const patience = { statement: '30s', lock: '5s', most: 300 };
    const impatient = new OwnTransactions(internalsOf(other.mover), patience);
    const error = await failureOf(() => impatient.transaction((there) => there.query('select pg_sleep(60)')));
    expect(error.message).to.match(/terminated|ended/);
    const { rows } = await impatient.transaction((there) =>
      there.query(`select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock`),
    );
    expect(rows).to.deep.equal([{ statement: '30s', lock: '5s' }]);
  });

  it('R1: is refused under a misspelt name', async () => {
    const error = await refusalOf(() => world.another({ archive: { knx: other.mover } as never }));
    expect(error).to.include({ code: 'UNKNOWN_SETTING' });
    expect(error.message).to.include('archive.knx');
  });
});
