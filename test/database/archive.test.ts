import { expect } from 'chai';
import type { ArchivedRow, Receipt } from '../../src';
import { assertNothingLeft } from '../../src/testing';
import { addCustomer, type Customer, migrateArchive } from '../support/archive';
import { createWorld, type World } from '../support/world';

async function read(world: Pick<World, 'archive'>, reading: object): Promise<ArchivedRow[]> {
  const rows: ArchivedRow[] = [];
  for await (const row of world.archive.read({ because: 'tax audit', ...reading } as never)) rows.push(row);
  return rows;
}

describe('An erasure of somebody whose invoices the law has kept', () => {
  let world: World;
  let ada: Customer;
  let bob: Customer;
  let receipt: Receipt;

  before(async () => {
    world = await createWorld({ migrate: migrateArchive });
    ada = await addCustomer(world.db, 'Ada');
    bob = await addCustomer(world.db, 'Bob');
    receipt = await world.subject('user', ada.id).erase({ because: 'her request' });
  });
  after(() => world.end());

  it('R1: moves them to the archive, and the receipt says which, why and until when', () => {
    expect(receipt.archived).to.deep.equal([
      {
        table: 'invoices',
        rows: 2,
        because: 'Code de commerce L123-22',
        until: '2035-06-30T00:00:00.000Z',
        archive: 'oubli_archive',
      },
    ]);
    expect(receipt.kept).to.deep.equal([]);
    expect(receipt.removed).to.have.deep.members([
      { table: 'users', rows: 1 },
      { table: 'invoice_lines', rows: 1, because: 'goes with its parent' },
      { table: 'orders', rows: 2 },
    ]);
  });

  it('R1: takes them out of the active base, in the transaction that erased her', async () => {
    expect(await world.plain('invoices').pluck('user_id')).to.deep.equal([bob.id, bob.id]);
    const [entry] = await world.plain('oubli.ledger').where({ act: 'erased' });
    const rows = await world.plain('oubli_archive.archived_row').orderBy('until');
    expect(rows.map((row) => [row.source, row.entry, row.moved_at.getTime()])).to.deep.equal([
      ['invoices', entry.entry, entry.at.getTime()],
      ['invoices', entry.entry, entry.at.getTime()],
    ]);
    expect(rows.map((row) => row.until.toISOString())).to.deep.equal([
      '2034-01-31T00:00:00.000Z',
      '2035-06-30T00:00:00.000Z',
    ]);
  });

  it('R1: nothing in the archive can be read by whoever reads the database, not even what stood in clear before', async () => {
    await assertNothingLeft(world.plain, [ada.name, ada.street, 'ref-Ada', 'pays late']);
    const rows = await world.plain('oubli_archive.archived_row');
    expect(JSON.stringify(rows)).not.to.include('99.99');
  });

  it('R1: only the columns that the legal ground names are there', async () => {
    const rows = await read(world, { table: 'invoices' });
    expect(rows.map(({ columns }) => columns)).to.deep.equal([
      { billed_to: ada.street, reference: 'ref-Ada', total: '12.50', issued_on: '2024-01-31' },
      { billed_to: ada.street, reference: null, total: '99.99', issued_on: '2025-06-30' },
    ]);
  });
});
