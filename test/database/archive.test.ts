import { expect } from 'chai';
import type { ArchivedRow, Receipt } from '../../src';
import { assertNothingLeft, stopClock } from '../../src/testing';
import { addCustomer, type Customer, migrateArchive } from '../support/archive';
import { failureOf, refusalOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
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
    ada = await addCustomer(world.db, 'Adalgisa');
    bob = await addCustomer(world.db, 'Bertrand');
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
    await assertNothingLeft(world.plain, [ada.name, ada.street, 'ref-Adalgisa', 'pays late']);
    const rows = await world.plain('oubli_archive.archived_row');
    expect(JSON.stringify(rows)).not.to.include('99.99');
  });

  it('R1: only the columns that the legal ground names are there', async () => {
    const rows = await read(world, { table: 'invoices' });
    expect(rows.map(({ columns }) => columns)).to.deep.equal([
      { billed_to: ada.street, reference: 'ref-Adalgisa', total: '12.50', issued_on: '2024-01-31' },
      { billed_to: ada.street, reference: null, total: '99.99', issued_on: '2025-06-30' },
    ]);
  });
});

describe('A rule that archives rows on a date of their own', () => {
  let world: World;
  let ada: Customer;

  before(async () => {
    world = await createWorld({ migrate: migrateArchive });
    ada = await addCustomer(world.db, 'Adalgisa');
    await stopClock(world.plain, '2025-05-03T23:59:59Z');
  });
  after(() => world.end());

  const orders = async (): Promise<unknown[]> =>
    (await world.db('orders').orderBy('id')).map((order) => order.delivered_to);

  it('R1: leaves them where they are until the day', async () => {
    await world.sweep();
    expect(await orders()).to.have.length(2);
  });

  it('R1: moves exactly those that are due, while their person lives', async () => {
    await stopClock(world.plain, '2025-05-04T00:00:00Z');
    const reports = await world.sweep();
    expect(reports.find(({ rule }) => rule === 'rows:public.orders')).to.include({ gone: 1, stillDue: 0 });
    expect(await orders()).to.deep.equal([`${ada.street} bis`]);
    expect(
      (await read(world, { table: 'orders' })).map(({ columns, until }) => [columns, until.toISOString()]),
    ).to.deep.equal([[{ delivered_to: ada.street, ordered_on: '2022-05-04' }, '2032-05-04T00:00:00.000Z']]);
    const [entry] = await world.plain('oubli.ledger').where({ act: 'expired' });
    expect(entry.details.tables[0]).to.include({ table: 'orders', action: 'archive', rows: 1 });
    expect(entry.details.tables[0].because).to.equal('Code de la consommation L213-1');
  });

  it('R1: seals them under a key that is not that of their living person', async () => {
    const [row] = await world.plain('oubli_archive.archived_row');
    const [link] = await world.plain('oubli.subject_link');
    expect(row.key_id.equals(link.key_id)).to.equal(false);
    expect(row.sealed.includes(row.key_id)).to.equal(true);
    expect(await world.plain('oubli.archive_key').where({ key_id: row.key_id })).to.have.length(1);
  });

  it('R1: finds them by their person, whose right of access reaches the archive', async () => {
    expect(await read(world, { table: 'orders', subject: { kind: 'user', id: ada.id } })).to.have.length(1);
    expect(await read(world, { table: 'orders', subject: { kind: 'user', id: ada.id + 1 } })).to.have.length(0);
  });

  it('R1: leaves them in the archive, readable, when their person is erased', async () => {
    await world.subject('user', ada.id).erase({ because: 'her request' });
    const [row] = await read(world, { table: 'orders', subject: { kind: 'user', id: ada.id } });
    expect(row?.columns?.delivered_to).to.equal(ada.street);
  });
});

describe('The end of an archive', () => {
  let world: World;
  let receipt: Receipt;

  before(async () => {
    world = await createWorld({ migrate: migrateArchive });
    const ada = await addCustomer(world.db, 'Adalgisa');
    await world.db('invoices').insert({ user_id: ada.id, billed_to: ada.street, total: 1 });
    await stopClock(world.plain, '2026-03-01T00:00:00Z');
    receipt = await world.subject('user', ada.id).erase({ because: 'her request' });
  });
  after(() => world.end());

  const ends = async (): Promise<string[]> => {
    const rows = await world.plain('oubli_archive.archived_row').orderBy('until');
    return rows.map(({ until }) => until.toISOString().slice(0, 10));
  };
  const sweepAt = async (moment: string): Promise<string[]> => {
    await stopClock(world.plain, moment);
    await world.sweep();
    return ends();
  };

  it('R1: comes for every row: where the clock had not started, it starts with the move', async () => {
    expect(receipt.archived).to.deep.include({
      table: 'invoices',
      rows: 3,
      because: 'Code de commerce L123-22',
      until: '2036-03-01T00:00:00.000Z',
      archive: 'oubli_archive',
    });
    expect(await ends()).to.deep.equal(['2034-01-31', '2035-06-30', '2036-03-01']);
  });

  it('R1: does not come a day early, and comes on the day', async () => {
    expect(await sweepAt('2034-01-30T23:59:59Z')).to.have.length(3);
    expect(await sweepAt('2034-01-31T00:00:00Z')).to.deep.equal(['2035-06-30', '2036-03-01']);
  });

  it('R1: is written in the ledger, naming the move by its entry', async () => {
    const [entry] = await world.plain('oubli.ledger').where({ act: 'expired' });
    expect(entry.details).to.deep.equal({
      archive: 'oubli_archive',
      tables: [{ table: 'invoices', action: 'delete', rows: 1, entries: [receipt.entry] }],
    });
  });

  it('R1: destroys the key with the last row that it opens, and not before', async () => {
    const [key] = await world.plain('oubli.archive_key');
    expect(await world.plain('oubli.subject_key').where({ key_id: key.key_id })).to.have.length(1);
    expect(await sweepAt('2036-02-29T23:59:59Z')).to.deep.equal(['2036-03-01']);
    expect(await world.plain('oubli.archive_key')).to.have.length(1);
    expect(await sweepAt('2036-03-01T00:00:00Z')).to.deep.equal([]);
    expect(await world.plain('oubli.archive_key')).to.have.length(0);
    expect(await world.plain('oubli.subject_key').where({ key_id: key.key_id })).to.have.length(0);
    expect(await world.plain('oubli.fence').where({ key_id: key.key_id })).to.have.length(1);
    expect(await world.plain('oubli.ledger').where({ act: 'shredded', key_id: key.key_id })).to.have.length(1);
  });

  it('R1: is found by a range of an index', async () => {
    await world.plain.raw(`insert into oubli_archive.archived_row
      select 'invoices', gen_random_uuid(), decode(md5(n::text), 'hex'), null, timestamptz '2040-01-01' + n * interval '1 hour', 1, now(),
        ('\\xa70b01007fffffff' || repeat('00', 72))::bytea from generate_series(1, 20000) n`);
    await world.plain.raw('analyze oubli_archive.archived_row');
    const { rows } = await world.plain.raw(`explain select source, id from oubli_archive.archived_row
      where until <= oubli_archive.now() order by until limit 500 for update skip locked`);
    const plan = rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
    expect(plan).to.include('Index Scan using archived_row_until').and.not.to.include('Seq Scan');
  });
});

describe('A hold on somebody whose rows are archived', () => {
  let world: World;
  let ada: Customer;

  beforeEach(async () => {
    world = await createWorld({ migrate: migrateArchive });
    ada = await addCustomer(world.db, 'Adalgisa');
    await addCustomer(world.db, 'Bertrand');
    await stopClock(world.plain, '2025-05-04T00:00:00Z');
    await world.sweep();
    await world.holds.open({ name: 'case 7', ground: 'GDPR Art. 17(3)(e): lawsuit' });
    await stopClock(world.plain, '2032-05-04T00:00:00Z');
  });
  afterEach(() => world.end());

  /** Of the orders of both that were archived in 2025 and end in 2032, hers. */
  const archived = async (): Promise<number> => {
    const where = { endsBy: '2032-05-04' };
    return (await read(world, { table: 'orders', where, subject: { kind: 'user', id: ada.id } })).length;
  };

  it('H1: wins when it is committed while the end waits for it', async () => {
    const [stands] = await world.plain('oubli.hold_case');
    const placing = await world.plain.transaction();
    await placing.raw('insert into oubli.held_person values (?, ?, ?)', ['user', String(ada.id), stands.id]);
    const sweep = world.sweep({ rule: 'rows:public.orders' });
    await untilSomebodyWaits(world.plain);
    await placing.commit();
    await sweep;
    expect(await archived()).to.equal(1);
  });
});

describe('Reading an archive', () => {
  let world: World;
  let receipt: Receipt;

  before(async () => {
    world = await createWorld({ migrate: migrateArchive });
    const ada = await addCustomer(world.db, 'Adalgisa');
    const bob = await addCustomer(world.db, 'Bertrand');
    receipt = await world.subject('user', ada.id).erase({ because: 'her request' });
    await world.subject('user', bob.id).erase({ because: 'his request' });
  });
  after(() => world.end());

  it('R1: needs a reason', async () => {
    for (const because of [undefined, '', '  '])
      expect(await refusalOf(() => world.archive.read({ table: 'invoices', because } as never))).to.include({
        code: 'ARCHIVE_REASON',
      });
  });

  it('R1: has written the reason down, committed, when the first row is given', async () => {
    const rows = world.archive.read({ table: 'invoices', because: 'tax audit 2031' })[Symbol.asyncIterator]();
    const before = await world.plain('oubli.ledger').where({ act: 'archive_read' });
    expect(before).to.have.length(0);
    expect((await rows.next()).value.table).to.equal('invoices');
    const [entry] = await world.plain('oubli.ledger').where({ act: 'archive_read' });
    const { rows: me } = await world.plain.raw('select current_user as role');
    expect(entry).to.include({ because: 'tax audit 2031', key_id: null });
    expect(entry.details).to.deep.equal({
      archive: 'oubli_archive',
      role: me[0].role,
      tables: [{ table: 'invoices', action: 'read', rows: 4 }],
    });
    await rows.return?.();
    const { rows: left } = await world.plain.raw(
      `select count(*)::int as n from pg_stat_activity where datname = current_database() and state like 'idle in transaction%'`,
    );
    expect(left).to.deep.equal([{ n: 0 }]);
  });

  it('R1: gives no row where the reason cannot be written down', async () => {
    await world.plain.raw(`create function deny() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
      create trigger deny before insert on oubli.ledger for each row when (new.act = 'archive_read') execute function deny()`);
    const given: ArchivedRow[] = [];
    const error = await failureOf(async () => {
      for await (const row of world.archive.read({ table: 'invoices', because: 'tax audit' })) given.push(row);
    });
    await world.plain.raw('drop trigger deny on oubli.ledger; drop function deny()');
    expect(error.message).to.include('no');
    expect(given).to.deep.equal([]);
  });

  it('R1: finds by what the legal ground needs: the move, the key id of a receipt, the end date', async () => {
    expect(await read(world, { table: 'invoices', where: { entry: receipt.entry } })).to.have.length(2);
    expect(await read(world, { table: 'invoices', where: { keyId: receipt.keyId } })).to.have.length(2);
    expect(await read(world, { table: 'invoices', where: { keyId: '00'.repeat(16) } })).to.have.length(0);
    expect(await read(world, { table: 'invoices', where: { endsBy: '2034-01-30' } })).to.have.length(0);
    expect(await read(world, { table: 'invoices', where: { endsBy: '2034-01-31' } })).to.have.length(2);
  });

  it('R1: refuses to find by anything else, or in a table that is in no archive', async () => {
    const where = () => world.archive.read({ table: 'invoices', because: 'x', where: { total: 12.5 } } as never);
    expect(await refusalOf(where)).to.include({ code: 'ARCHIVE_UNKNOWN_OPTION' });
    const unknown = await refusalOf(() => read(world, { table: 'invoice' }));
    expect(unknown).to.include({ code: 'ARCHIVE_UNKNOWN_TABLE' });
    expect(unknown.message).to.include("did you mean 'invoices'");
  });

  it('R1: finds out a sealed value that was moved to another row', async () => {
    const [one, two] = await world.plain('oubli_archive.archived_row').orderBy('id');
    await world.plain('oubli_archive.archived_row').where({ id: one.id }).update({ sealed: two.sealed });
    expect(await refusalOf(() => read(world, { table: 'invoices' }))).to.include({ code: 'SEALED_VALUE_TAMPERED' });
    await world.plain('oubli_archive.archived_row').where({ id: one.id }).update({ sealed: one.sealed });
  });

  it('R1: is counted without a reason, for that tells of nobody', async () => {
    const [holding, ...more] = await world.archive.list();
    expect(more).to.deep.equal([]);
    expect(holding).to.deep.include({ archive: 'oubli_archive', elsewhere: false, table: 'invoices', rows: 4 });
    expect(holding?.firstEnd.toISOString()).to.equal('2034-01-31T00:00:00.000Z');
  });

  it('R1: is not needed to know the archive: it survives the table that its rows came from', async () => {
    await world.db.schema.dropTable('invoice_lines');
    await world.db.schema.dropTable('invoices');
    expect(await read(world, { table: 'invoices' })).to.have.length(4);
  });
});
