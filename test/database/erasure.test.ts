import { expect } from 'chai';
import { AlreadyErasedError, type Receipt, SubjectErasedError } from '../../src';
import { assertNothingLeft } from '../../src/testing';
import { addPerson, type Person } from '../support/people';
import { createWorld, type World } from '../support/world';

describe('Erasing a person', () => {
  let world: World;
  let ada: Person;
  let bob: Person;
  let receipt: Receipt;
  let addresses: string[];

  before(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    bob = await addPerson(world.db, 2);
    addresses = await world.db('invoices').where({ user_id: ada.id }).orderBy('id').pluck('billing_address');
    receipt = await world.subject('user', ada.id).erase({ because: 'request of 3 March, identity checked' });
  });
  after(() => world.end());

  it('answers with a receipt that counts what was removed, anonymised and kept', () => {
    expect(receipt.kind).to.equal('user');
    expect(receipt.because).to.equal('request of 3 March, identity checked');
    expect(receipt.keyId).to.match(/^[0-9a-f]{32}$/);
    expect(receipt.removed).to.have.deep.members([
      { table: 'contracts', rows: 1 },
      { table: 'notes', rows: 1 },
      { table: 'visits', rows: 2 },
    ]);
    const erases = (column: string, strategy = 'null'): object => ({ column, strategy, effect: 'erases' });
    expect(receipt.anonymised).to.deep.equal([
      {
        table: 'users',
        rows: 1,
        because: 'rows of invoices that stay refer to it',
        columns: [
          erases('name'),
          erases('email', 'tombstone'),
          ...['birth_date', 'last_ip', 'crm_id', 'nickname'].map((column) => erases(column)),
        ],
      },
    ]);
    expect(receipt.kept).to.deep.equal([
      { table: 'invoices', rows: 2, because: 'Code de commerce L123-22', until: '2035-06-30' },
    ]);
  });

  it('leaves a row that says nothing of her', async () => {
    const user = await world.db('users').where({ id: ada.id }).first();
    expect(user).to.deep.equal({
      id: ada.id,
      name: null,
      email: null,
      birth_date: null,
      last_ip: null,
      crm_id: null,
      nickname: null,
      locale: 'fr',
      service_ended_on: null,
    });
  });

  it('keeps her invoices readable, under a key that is no longer hers', async () => {
    const kept = await world.db('invoices').where({ user_id: ada.id }).orderBy('id');
    expect(kept.map((invoice) => invoice.billing_address)).to.deep.equal(addresses);
    expect(kept.map((invoice) => invoice.total)).to.deep.equal(['12.50', '99.99']);
  });

  it('leaves no trace of her name and address in any table', async () => {
    await assertNothingLeft(world.plain, [ada.name, ada.email, `nick1`]);
  });

  it('touches nobody else', async () => {
    const user = await world.db('users').where({ email: bob.email.toUpperCase() }).first();
    expect(user).to.include({ id: bob.id, name: bob.name, email: bob.email });
    expect(await world.db('notes').pluck('body')).to.deep.equal([`called ${bob.name}`]);
  });

  it('writes the ledger in the same commit, naming her by key id only', async () => {
    const entries = await world.plain('oubli.ledger').where({ act: 'erased' }).select();
    expect(entries).to.have.length(1);
    expect(entries[0].key_id.toString('hex')).to.equal(receipt.keyId);
    expect(JSON.stringify(entries[0])).not.to.include(ada.name).and.not.to.include(ada.email);
  });

  it('destroys her key and fences it', async () => {
    const keyId = Buffer.from(receipt.keyId, 'hex');
    expect(await world.plain('oubli.subject_key').where({ key_id: keyId })).to.have.length(0);
    expect(await world.plain('oubli.fence').where({ key_id: keyId })).to.have.length(1);
  });

  it('is final: a second erasure says so, and a late write is refused', async () => {
    const again = world.subject('user', ada.id).erase({ because: 'twice' });
    await expectRejection(again, AlreadyErasedError);
    await expectRejection(world.db('users').where({ id: ada.id }).update({ name: 'Ada again' }), SubjectErasedError);
    await expectRejection(
      world.db('contracts').insert({ user_id: ada.id, signatory: 'Ada again' }),
      SubjectErasedError,
    );
  });
});

async function expectRejection(promise: PromiseLike<unknown>, type: new (...args: never[]) => Error): Promise<void> {
  const error = await Promise.resolve(promise).then(
    () => undefined,
    (raised: unknown) => raised,
  );
  expect(error).to.be.instanceOf(type);
}

describe('A process that started before another one migrated', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  it('erases by the schema as it is, not as it was', async () => {
    const grace = await addPerson(world.db, 7);
    const { db } = await world.another();
    await db.schema.createTable('letters', (t) => {
      t.increments('id');
      t.integer('user_id').references('users.id').index();
      t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
      t.personalData({ purpose: 'provide the service', basis: 'contract' });
    });
    await db('letters').insert({ user_id: grace.id, body: `Dear ${grace.name}` });
    const receipt = await world.subject('user', grace.id).erase({ because: 'her request' });
    expect(receipt.removed).to.deep.include({ table: 'letters', rows: 1 });
    expect(await world.receipts()).to.deep.equal([receipt]);
    expect(await world.receipts({ before: receipt.entry })).to.deep.equal([]);
  });
});

describe('Erasing a person, where the application’s search path names another schema', () => {
  it('takes her rows and not those of a table of the same name', async () => {
    const world = await createWorld({ config: { searchPath: ['tenant', 'public'] } });
    try {
      const bob = await addPerson(world.db, 1);
      await world.plain.raw('create schema tenant; create table tenant.notes (id int, user_id int, body text)');
      await world.plain.raw(
        `create table tenant.visits (id int, user_id int); insert into tenant.visits values (1, 1)`,
      );
      await world.plain.raw('insert into tenant.notes values (1, ?, ?)', [bob.id, 'of another']);
      const done = await world.subject('user', bob.id).erase({ because: 'a request, identity checked' });
      expect(done.removed).to.deep.include({ table: 'notes', rows: 1 });
      expect(await world.plain('tenant.notes').pluck('body')).to.deep.equal(['of another']);
      expect(await world.plain('tenant.visits').pluck('user_id')).to.deep.equal([1]);
      expect(
        await world
          .plain('public.notes')
          .join('public.contracts', 'contracts.id', 'notes.contract_id')
          .where({ user_id: bob.id }),
      ).to.deep.equal([]);
    } finally {
      await world.end();
    }
  });
});
