/** What was archived of somebody who was erased can be held: a lawsuit about an old invoice comes after its customer has left. */
import { expect } from 'chai';
import { stopClock } from '../../src/testing';
import { addCustomer, addInvoiced, type Customer, migrateArchive, migrateElsewhere } from '../support/archive';
import { runOubli } from '../support/cli';
import { expectFix, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const AFTER_ITS_END = '2040-01-01T00:00:00Z';

describe('H1: a hold on an archive', () => {
  let world: World;
  let ada: Customer;
  let bob: Customer;
  let keyId: string;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateArchive });
    ada = await addCustomer(world.db, 'Adalgisa');
    bob = await addCustomer(world.db, 'Bertrand');
    ({ keyId } = await world.subject('user', ada.id).erase({ because: 'her request' }));
    await world.subject('user', bob.id).erase({ because: 'his request' });
    await world.holds.open({ name: 'case 7', ground: 'lawsuit' });
  });
  afterEach(() => world.end());

  const archived = async (): Promise<string[]> => {
    const streets: string[] = [];
    for await (const { columns } of world.archive.read({ table: 'invoices', because: 'lawsuit' }))
      streets.push(String(columns?.billed_to));
    return streets;
  };

  it('H1: keeps rows of whoever was erased beyond their end, readable, and nobody else’s, until it is released', async () => {
    expect(await world.holds.place('case 7', { archivedOf: { keyId } })).to.deep.equal({ case: 'case 7', placed: 1 });
    await stopClock(world.plain, AFTER_ITS_END);
    await world.sweep();
    expect(await archived()).to.deep.equal([ada.street, ada.street]);
    const released = await world.holds.release('case 7', { because: 'settled' });
    expect(released).to.include({ people: 1, rows: 0 });
    await world.sweep();
    expect(await world.plain('oubli_archive.archived_row')).to.deep.equal([]);
    expect(await world.plain('oubli.archive_key')).to.deep.equal([]);
    expect(await world.plain('oubli.held_archive')).to.deep.equal([]);
  });

  it('H1: is placed by whom she was known as, too; the ledger names her by key id, and once is enough', async () => {
    expect(await world.holds.place('case 7', { archivedOf: world.subject('user', ada.id) })).to.include({ placed: 1 });
    expect(await world.holds.place('case 7', { archivedOf: { keyId } })).to.include({ placed: 0 });
    const [entry, ...more] = await world.plain('oubli.ledger').where({ act: 'hold placed' });
    expect(more).to.deep.equal([]);
    expect(entry.key_id.toString('hex')).to.equal(keyId);
    expect(entry.details).to.deep.equal({ case: 'case 7', archived: true });
    expect((await world.holds.list())[0]).to.include({ people: 1, rows: 0 });
  });

  it('H1: is refused where there is nothing to hold: a hold that holds nothing would not be noticed', async () => {
    for (const archivedOf of [{ keyId: '00'.repeat(16) }, { kind: 'user', id: 4711 }]) {
      const error = await refusalOf(() => world.holds.place('case 7', { archivedOf }));
      expect(error).to.include({ code: 'HOLD_NOTHING_ARCHIVED' });
      expectFix(error, /oubli archive list/);
    }
    expect(await refusalOf(() => world.holds.place('case 7', { archivedOf: { keyId: 'ada' } }))).to.include({
      code: 'BAD_HOLD',
    });
    // the erasure stays final: as a person she is not held
    expect(await refusalOf(() => world.holds.place('case 7', world.subject('user', ada.id)))).to.include({
      code: 'ALREADY_ERASED',
    });
    expect(await world.plain('oubli.held_archive')).to.deep.equal([]);
  });

  it('H1: of a case whose last day is over keeps nothing', async () => {
    await world.holds.open({ name: 'audit', ground: 'audit', until: '2038-12-31' });
    await world.holds.place('audit', { archivedOf: { keyId } });
    await stopClock(world.plain, AFTER_ITS_END);
    await world.sweep();
    expect(await world.plain('oubli_archive.archived_row')).to.deep.equal([]);
  });

  it('H1: is placed on the command line', async () => {
    const placed = await runOubli(['hold', 'place', 'case 7', '--archived', keyId, '--keys', world.keyFile], {
      env: { DATABASE_URL: world.url },
    });
    expect(placed).to.include({ code: 0, stderr: '' });
    expect(placed.stdout).to.contain('case 7 holds 1 more person');
    const two = await runOubli(
      ['hold', 'place', 'case 7', '--archived', keyId, '--subject', 'user:1', '--keys', world.keyFile],
      { env: { DATABASE_URL: world.url } },
    );
    expect(two.code).to.equal(1);
    expect(two.stderr).to.contain('give one of');
  });
});

describe('H1: a hold on what waits for an archive elsewhere', () => {
  it('H1: keeps it in the outbox, with its key', async () => {
    const world = await createWorld({ migrate: migrateElsewhere });
    const ada = await addInvoiced(world.db, 'Adalgisa', 1);
    const { keyId } = await world.subject('user', ada).erase({ because: 'her request' });
    await world.holds.open({ name: 'case 7', ground: 'lawsuit' });
    await world.holds.place('case 7', { archivedOf: { keyId } });
    await stopClock(world.plain, AFTER_ITS_END);
    await world.sweep();
    expect(await world.plain('oubli.archive_outbox')).to.have.length(1);
    expect(await world.plain('oubli.archive_key')).to.have.length(1);
    await world.end();
  });
});
