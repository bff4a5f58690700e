import { expect } from 'chai';
import type { Receipt } from '../../src';
import { receiptFrom } from '../../src/registers/receipt';
import { addPerson, type Person } from '../support/people';
import { createWorld, type World } from '../support/world';

describe('L3: a receipt', () => {
  let world: World;
  let ada: Person;
  let receipt: Receipt;
  before(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    receipt = await world.subject('user', ada.id).erase({ because: 'request of 3 March, identity checked' });
  });
  after(() => world.end());

  it('L3: lists per table what was removed, anonymised with strategy and effect, and kept with ground and end', () => {
    expect(receipt.removed.map(({ table, rows }) => `${table} ${rows}`)).to.have.members([
      'contracts 1',
      'notes 1',
      'visits 2',
    ]);
    expect(receipt.kept).to.deep.equal([
      { table: 'invoices', rows: 2, because: 'Code de commerce L123-22', until: '2035-06-30' },
    ]);
    const [users] = receipt.anonymised;
    expect(users?.columns).to.deep.include({ column: 'email', strategy: 'tombstone', effect: 'erases' });
    expect(users?.columns).to.deep.include({ column: 'nickname', strategy: 'null', effect: 'erases' });
    expect([receipt.archived, receipt.skipped, receipt.detached]).to.deep.equal([[], [], []]);
  });

  it('L3: says in the ledger what the plan had said before', async () => {
    const bob = await addPerson(world.db, 2);
    const planned = world
      .subject('user', bob.id)
      .plan()
      .steps.find(({ action }) => action === 'anonymise');
    const { anonymised } = await world.subject('user', bob.id).erase({ because: 'a test' });
    expect(anonymised[0]?.columns).to.deep.equal(planned?.columns);
  });

  it('L3: names the person by her key id only, in what is stored and in what is told', async () => {
    expect(receipt.keyId).to.match(/^[0-9a-f]{32}$/);
    const stored = JSON.stringify([receipt, await world.plain('oubli.ledger')]);
    for (const value of [ada.name, ada.email, 'nick1']) expect(stored).not.to.contain(value);
  });

  it('L3: has a line for what was skipped, with the reason, and none for tables without a row', () => {
    const tables = [
      { table: 'a', action: 'skip', rows: 2, because: 'held' },
      { table: 'b', action: 'delete', rows: 0 },
    ];
    const row = {
      entry: '7',
      at: new Date(0),
      key_id: Buffer.alloc(16),
      because: 'x',
      details: { kind: 'user', tables },
    };
    const told = receiptFrom(row);
    expect(told.skipped).to.deep.equal([{ table: 'a', rows: 2, because: 'held' }]);
    expect(told.removed).to.deep.equal([]);
  });
});
