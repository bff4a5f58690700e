import { expect } from 'chai';
import { assertNothingLeft, stopClock } from '../../src/testing';
import { addCustomer, type Customer, migrateArchive } from '../support/archive';
import { createWorld, type World } from '../support/world';

/** Promise P8 (article 4): what the law obliges to keep is kept in separate storage, limited to what is strictly necessary. */
describe('P8: what the law obliges to keep is kept apart, and nothing more than that', () => {
  let world: World;
  let ada: Customer;
  let bob: Customer;

  before(async () => {
    world = await createWorld({ migrate: migrateArchive });
    ada = await addCustomer(world.db, 'Adalgisa');
    bob = await addCustomer(world.db, 'Bertrand');
    await stopClock(world.plain, '2026-03-01T12:00:00Z');
    await world.subject('user', ada.id).erase({ because: 'request of 1 March, identity checked' });
  });
  after(() => world.end());

  const read = async (because: string): Promise<object[]> => {
    const rows: object[] = [];
    for await (const { columns } of world.archive.read({ table: 'invoices', because })) rows.push(columns ?? {});
    return rows;
  };
  const invoices = async (): Promise<number> =>
    (await world.archive.list()).find(({ table }) => table === 'invoices')?.rows ?? 0;

  it('the invoices of somebody who was erased are no longer among the data in daily use', async () => {
    const names = (await world.db('invoices').select()).map(({ billed_to }) => billed_to);
    expect(names).to.deep.equal([bob.street, bob.street]);
  });

  it('they are in storage of their own, under another role, and nobody who reads the database can read them', async () => {
    expect(await world.archive.list()).to.have.length(1);
    await assertNothingLeft(world.plain, [ada.name, ada.street, 'ref-Adalgisa']);
  });

  it('only what the law names is there: the internal remark about her is gone', async () => {
    expect(JSON.stringify(await read('tax audit 2031')))
      .to.include(ada.street)
      .and.not.to.include('pays late');
  });

  it('whoever reads them says why, and that is written down with the number of rows and the role of the reader', async () => {
    const [entry] = await world.plain('oubli.ledger').where({ act: 'archive_read' });
    expect(entry.because).to.equal('tax audit 2031');
    expect(entry.details.tables).to.deep.equal([{ table: 'invoices', action: 'read', rows: 2 }]);
    expect(entry.details.role).to.be.a('string');
  });

  it('her receipt says what is kept, on which law, and until when', async () => {
    const [receipt] = await world.receipts();
    expect(receipt?.archived).to.deep.equal([
      {
        table: 'invoices',
        rows: 2,
        because: 'Code de commerce L123-22',
        until: '2035-06-30T00:00:00.000Z',
        archive: 'oubli_archive',
      },
    ]);
  });

  it('ten years after it was issued, on the day and not before, each invoice is destroyed there too', async () => {
    await stopClock(world.plain, '2034-01-30T23:59:59Z');
    await world.sweep();
    expect(await invoices()).to.equal(2);
    await stopClock(world.plain, '2034-01-31T00:00:00Z');
    await world.sweep();
    expect(await invoices()).to.equal(1);
    await stopClock(world.plain, '2035-06-30T00:00:00Z');
    await world.sweep();
    expect(await invoices()).to.equal(0);
  });

  it('with the last of them the key that opened them is destroyed, and the ledger says so', async () => {
    const keys = await world.plain('oubli.archive_key').where('until', '<', '2035-07-01');
    expect(keys).to.deep.equal([]);
    const acts = await world
      .plain('oubli.ledger')
      .whereIn('act', ['expired', 'shredded'])
      .orderBy('entry')
      .pluck('act');
    expect(acts).to.include.members(['expired', 'shredded']);
  });
});
