import { expect } from 'chai';
import { AlreadyErasedError, AnnotationError, PlanBlockedError, type Receipt, SubjectUnknownError } from '../../src';
import { migrateFamilies, migrateForgotten } from '../support/families';
import { failureOfSweep, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('Erasing along real foreign keys', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateFamilies });
  });
  after(() => world.end());

  const erase = (kind: string, id: string | number): Promise<Receipt> =>
    world.subject(kind, id).erase({ because: 'a test' });
  const ids = (table: string, column = 'id'): Promise<unknown[]> => world.plain(table).orderBy(column).pluck(column);

  it('empties the reference of those who reported to her, and of nobody else', async () => {
    const people = [
      { id: 1, name: 'Root', boss_id: null },
      { id: 2, name: 'Ada', boss_id: 1 },
      { id: 3, name: 'Bob', boss_id: 2 },
      { id: 4, name: 'Eve', boss_id: 4 },
      { id: 5, name: 'Joe', boss_id: 1 },
    ];
    await world.db('employees').insert(people);
    const receipt = await erase('employee', 2);
    expect(receipt.removed).to.deep.equal([{ table: 'employees', rows: 1 }]);
    expect(receipt.detached).to.deep.equal([{ table: 'employees', rows: 1 }]);
    const left = await world.db('employees').orderBy('id').select('id', 'name', 'boss_id');
    expect(left).to.deep.equal([people[0], { ...people[2], boss_id: null }, people[3], people[4]]);
    expect((await erase('employee', 4)).detached, 'she who reports to herself').to.deep.equal([]);
  });

  it('erases a chain of people who report to each other in one sweep, and each of them leaves once', async () => {
    await world.db('employees').insert([
      { id: 10, name: 'A', boss_id: null, ended_on: '2020-01-01' },
      { id: 11, name: 'B', boss_id: 10, ended_on: '2020-01-01' },
      { id: 12, name: 'C', boss_id: 11, ended_on: '2020-01-01' },
      { id: 13, name: 'D', boss_id: 12 },
    ]);
    await world.sweep();
    expect(await world.plain('employees').where('id', '>=', 10).select('id', 'boss_id')).to.deep.equal([
      { id: 13, boss_id: null },
    ]);
  });

  it('empties two tables whose rows refer to each other, both NOT NULL, both RESTRICT', async () => {
    await world.plain.raw(`with a as (insert into accounts values (1, 'Ada', 1), (2, 'Bob', 2))
      insert into addresses values (1, 1, 'Rue'), (2, 2, 'Rue'), (3, 1, 'Rue')`);
    const receipt = await erase('account', 1);
    expect(receipt.removed).to.have.deep.members([
      { table: 'accounts', rows: 1 },
      { table: 'addresses', rows: 2 },
    ]);
    expect(await ids('addresses')).to.deep.equal([2]);
  });

  it('follows a key to a unique column that is not the primary one, and a key of two columns', async () => {
    const ada = '7c5b1b1e-6b0f-4f5e-9a3d-2f1c3a5b7d90';
    await world.db('patients').insert([
      { id: ada, number: 'P1', name: 'Ada' },
      { id: ada.replace('7c', '8c'), number: 'P2', name: 'Bob' },
    ]);
    await world.plain('stays').insert(['P1', 'P2'].map((patient) => ({ patient, year: 2025, room: 'A' })));
    await world.db('meals').insert({ id: 1, patient: 'P1', year: 2025, dish: 'soup' });
    await world.db('meals').insert({ id: 2, patient: 'P2', year: 2025, dish: 'soup' });
    const receipt = await erase('patient', ada);
    expect(receipt.removed.map(({ table, rows }) => `${table} ${rows}`)).to.have.members([
      'patients 1',
      'stays 1',
      'meals 1',
    ]);
    expect(await ids('meals')).to.deep.equal([2]);
    expect(await ids('stays', 'patient')).to.deep.equal(['P2']);
  });

  it('tells what she sent from what was sent to her, under a key that is a text', async () => {
    await world.plain('writers').insert(['ada', 'bob', 'eve'].map((pen) => ({ pen })));
    await world.db('letters').insert([
      { id: 1, sender: 'ada', recipient: 'bob', copy_to: null, body: 'hers' },
      { id: 2, sender: 'ada', recipient: 'ada', copy_to: 'ada', body: 'to herself' },
      { id: 3, sender: 'bob', recipient: 'ada', copy_to: 'eve', body: 'his' },
      { id: 4, sender: 'bob', recipient: 'ada', copy_to: 'ada', body: 'his, twice to her' },
      { id: 5, sender: 'bob', recipient: 'eve', copy_to: null, body: 'not hers at all' },
    ]);
    await world.plain('penfriends').insert([
      { a: 'ada', b: 'bob' },
      { a: 'bob', b: 'ada' },
      { a: 'ada', b: 'ada' },
      { a: 'bob', b: 'eve' },
    ]);
    const receipt = await erase('writer', 'ada');
    expect(receipt.removed.map(({ table, rows }) => `${table} ${rows}`)).to.have.members([
      'writers 1',
      'letters 2',
      'penfriends 3',
    ]);
    expect(receipt.detached).to.deep.equal([{ table: 'letters', rows: 2 }]);
    expect(await world.db('letters').orderBy('id')).to.deep.equal([
      { id: 3, sender: 'bob', recipient: null, copy_to: 'eve', body: 'his' },
      { id: 4, sender: 'bob', recipient: null, copy_to: null, body: 'his, twice to her' },
      { id: 5, sender: 'bob', recipient: 'eve', copy_to: null, body: 'not hers at all' },
    ]);
    expect(await world.plain('penfriends')).to.deep.equal([{ a: 'bob', b: 'eve' }]);
  });

  it('erases two who wrote to each other in one chunk: each letter leaves once', async () => {
    await world.plain('writers').insert(['kim', 'lea'].map((pen) => ({ pen, ended_on: '2020-01-01' })));
    await world.db('letters').insert([
      { id: 20, sender: 'kim', recipient: 'lea', body: 'a' },
      { id: 21, sender: 'lea', recipient: 'kim', body: 'b' },
      { id: 22, sender: 'bob', recipient: 'kim', copy_to: 'lea', body: 'c' },
    ]);
    await world.plain('penfriends').insert({ a: 'kim', b: 'lea' });
    const reports = await world.sweep();
    expect(reports.find(({ rule }) => rule === 'subject:writer')).to.include({ gone: 2, stillDue: 0 });
    expect(await world.plain('letters').where('id', '>=', 20).select('id', 'recipient', 'copy_to')).to.deep.equal([
      { id: 22, recipient: null, copy_to: null },
    ]);
    const { rows } = await world.plain.raw(`select sum((line ->> 'rows')::int)::int as n from oubli.ledger,
      jsonb_array_elements(details -> 'tables') line where line ->> 'table' = 'penfriends'`);
    expect(rows[0].n, 'three of the test before, and one').to.equal(4);
  });

  it('never takes one person for another whose name begins alike', async () => {
    await world.plain('writers').insert({ pen: 'a23456789012345678ZZ' });
    await refusalOf(() => erase('writer', 'a23456789012345678ZZ and more')).then((error) =>
      expect(error).to.be.instanceOf(SubjectUnknownError),
    );
    expect(await ids('writers', 'pen')).to.include('a23456789012345678ZZ');
  });

  it('quotes names as they are written', async () => {
    await world.db('Client').insert({ Numéro: 1, Nom: 'Zoé' });
    await world.plain.raw('insert into "Client Commande" values (1, 1, \'ici\')');
    await world.subject('client', 1).serviceEnded();
    const receipt = await erase('client', 1);
    expect(receipt.removed.map(({ table }) => table)).to.have.members(['"Client"', '"Client Commande"']);
  });

  describe('when rows have to stay', () => {
    before(async () => {
      const people = Array.from({ length: 300 }, (_, i) => i + 1);
      await world.db('customers').insert(
        people.map((id) => ({
          id,
          name: `Name ${id}`,
          email: `c${id}@example.org`,
          code: `C${id}`,
          mail: `c${id}@example.org`,
          ip: '192.0.2.1',
          crm: `crm ${id}`,
          level: 7,
          ended_on: '2020-01-01',
        })),
      );
      await world
        .db('bills')
        .insert(
          people.map((id) => ({ id, customer_id: id, address: `Street ${id}`, issued_on: `${2024 + (id % 3)}-01-31` })),
        );
      await world.sweep();
    });

    it('replaces what may not be NULL, validly and unique, for many people in one statement', async () => {
      const rows = await world.plain('customers').select();
      expect(rows).to.have.length(300);
      const [row] = await world.db('customers').where({ id: 1 });
      expect(row).to.include({ name: null, email: null, ip: '0.0.0.0', level: 0 });
      expect(row.code, 'twenty characters are allowed').to.match(/^[0-9a-f]{20}$/);
      expect(row.mail).to.match(/^[0-9a-f]{32}@erased\.invalid$/);
      expect(row.crm).to.match(/^psn1\.[0-9a-f]{43}$/);
      for (const column of ['code', 'mail', 'crm'])
        expect(new Set(rows.map((each) => each[column]))).to.have.length(300);
      for (const column of ['name', 'email']) {
        expect(rows.every((each) => each[column].subarray(-72).every((byte: number) => byte === 0))).to.equal(true);
      }
    });

    it('names no two people by the same replacement, nor one person in two erasures', async () => {
      const [one, other] = await world.plain('customers').whereIn('id', [1, 2]).orderBy('id');
      expect(one.email.subarray(8, 24)).not.to.deep.equal(other.email.subarray(8, 24));
      const { rows } = await world.plain.raw(`select md5(id::text) as guess, mail from customers where id = 1`);
      expect(rows[0].mail).not.to.contain(rows[0].guess);
    });

    it('keeps their bills readable, each under a key of its person alone, with the date of the last', async () => {
      expect(await world.db('bills').where({ id: 7 }).pluck('address')).to.deep.equal(['Street 7']);
      const { rows } = await world.plain.raw(`select count(distinct oubli.key_id(b.address::bytea))::int as keys,
          count(*) filter (where l.retained_key_id = oubli.key_id(b.address::bytea))::int as linked,
          count(*) filter (where k.keep_until = b.issued_on + interval '10 years')::int as dated
        from bills b join oubli.subject_link l on l.kind = 'customer' and l.subject_id = b.customer_id::text
        join oubli.subject_key k on k.key_id = oubli.key_id(b.address::bytea)`);
      expect(rows).to.deep.equal([{ keys: 300, linked: 300, dated: 300 }]);
    });

    it('does not find them due again', async () => {
      const reports = await world.sweep();
      expect(reports.find(({ rule }) => rule === 'subject:customer')).to.include({ gone: 0, stillDue: 0 });
      const again = await refusalOf(() => erase('customer', 1));
      expect(again).to.be.instanceOf(AlreadyErasedError);
    });
  });

  it('asks for a replacement where none can be made, and touches nothing', async () => {
    await world.plain('guests').insert({ id: 1, age: 30 });
    await world.plain('stamps').insert({ id: 1, guest_id: 1, issued_on: '2025-01-01' });
    const error = await refusalOf(() => erase('guest', 1));
    expect(error).to.be.instanceOf(AnnotationError).and.include({ code: 'REPLACEMENT_MISSING', column: 'age' });
    expect(await world.plain('guests')).to.deep.equal([{ id: 1, age: 30, ended_on: null }]);
  });

  it('says which rows of somebody else it would tear, where only the rows themselves can tell', async () => {
    await world.plain('chefs').insert([{ id: 1 }, { id: 2 }, { id: 3 }]);
    await world.plain('dishes').insert([
      { id: 1, chef_id: 1, name: 'soup' },
      { id: 2, chef_id: 2, name: 'tart' },
    ]);
    await world.plain('tastings').insert([
      { id: 1, chef_id: 1, dish_id: 1, said: 'good' },
      { id: 2, chef_id: 3, dish_id: 2, said: 'by another chef' },
    ]);
    expect((await erase('chef', 1)).removed).to.have.length(3);
    const error = await refusalOf(() => erase('chef', 2));
    expect(error).to.be.instanceOf(PlanBlockedError);
    expect(error.message).to.contain('tastings');
    expect(await ids('dishes')).to.deep.equal([2]);
  });

  it('lets one who cannot leave hold up nobody in a sweep, and fails loudly in the end', async () => {
    await world.plain('chefs').insert(Array.from({ length: 20 }, (_, i) => ({ id: 10 + i })));
    await world.plain('chefs').where('id', '>=', 2).whereNot({ id: 3 }).update({ ended_on: '2020-01-01' });
    const error = await failureOfSweep(() => world.sweep({ chunk: 8 }));
    expect(error).to.be.instanceOf(PlanBlockedError);
    expect(await ids('chefs')).to.deep.equal([2, 3]);
    await world.plain('tastings').where({ id: 2 }).delete();
    await world.sweep({ chunk: 8 });
    expect(await ids('chefs'), 'once the other row is gone, she leaves').to.deep.equal([3]);
  });
});

describe('Erasing where a table was forgotten', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateForgotten });
  });
  after(() => world.end());

  it('is blocked before anything is touched, and names the table', async () => {
    await world.plain('owners').insert({ id: 1, ended_on: '2020-01-01' });
    await world.plain('pets').insert({ id: 1, owner_id: 1, name: 'Rex' });
    const sweep = (): Promise<unknown> => world.sweep({ rule: 'subject:owner' });
    for (const attempt of [() => world.subject('owner', 1).erase({ because: 'a test' }), sweep]) {
      const error = await refusalOf(attempt);
      expect(error).to.be.instanceOf(PlanBlockedError).and.include({ code: 'PLAN_BLOCKED', table: 'vets' });
    }
    expect(await world.plain('owners').pluck('id')).to.deep.equal([1]);
  });

  it('says so in the plan, without touching anything', () => {
    expect(world.subject('owner', 1).plan().reviews).to.deep.equal([
      { table: 'vets', reason: 'vets refers to pets and nobody declared what becomes of it' },
    ]);
  });
});
