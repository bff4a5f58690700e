import { expect } from 'chai';
import type { Knex } from 'knex';
import { AlreadyErasedError, type Oubli, type Receipt, SubjectErasedError, SubjectLockedError } from '../../src';
import { addPerson, type Person } from '../support/people';
import { failureOf, refusalOf } from '../support/refusals';
import { until, untilSomebodyWaits } from '../support/waiting';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

describe('An erasure and whoever works on the same person', () => {
  let world: World;
  let other: Oubli & { knex: Knex };
  let ada: Person;
  before(async () => {
    world = await createWorld();
    other = await world.another();
  });
  after(() => world.end());
  let seed = 0;
  beforeEach(async () => {
    seed += 1;
    ada = await addPerson(world.db, seed);
  });

  const erase = (instance: Oubli = world): Promise<Receipt> =>
    instance.subject('user', ada.id).erase({ because: 'a test' });
  async function nobodyIsHalfErased(): Promise<void> {
    expect((await wholenessOf(world.plain)).between).to.deep.equal([]);
  }

  it('waits for a write that came first, and erases what it wrote', async () => {
    const trx = await other.db.transaction();
    await trx('users').where({ id: ada.id }).update({ name: 'Ada, written first' });
    await trx('contracts').insert({ user_id: ada.id, signatory: 'Ada, written first' });
    const erasing = erase();
    await untilSomebodyWaits(world.plain);
    await trx.commit();
    expect((await erasing).removed).to.deep.include({ table: 'contracts', rows: 2 });
    await nobodyIsHalfErased();
  });

  it('refuses a write that comes while it runs: nothing of hers is written afterwards', async () => {
    await other.db('users').where({ id: ada.id }).update({ name: 'so that the other process has her key' });
    const held = await world.plain.transaction();
    await held('visits').where({ user_id: ada.id }).forUpdate(); // keeps the erasure in the middle of its statement
    const erasing = erase();
    await untilSomebodyWaits(world.plain);
    const writing = failureOf(() => other.db('users').where({ id: ada.id }).update({ name: 'too late' }));
    await untilSomebodyWaits(world.plain, 2);
    await held.rollback();
    await erasing;
    expect(await writing).to.be.instanceOf(SubjectErasedError);
    expect(await other.db('users').where({ id: ada.id }).pluck('name')).to.deep.equal([null]);
    await nobodyIsHalfErased();
  });

  it('sees a row that refers to her and was written while it ran', async () => {
    const [contract] = await world.db('contracts').where({ user_id: ada.id });
    const trx = await other.db.transaction();
    await trx('notes').insert({ contract_id: contract.id, body: 'written meanwhile' });
    const erasing = erase();
    await untilSomebodyWaits(world.plain);
    const committed = trx.commit();
    const outcome = await Promise.allSettled([erasing, committed]);
    expect(outcome[0].status).to.equal('fulfilled');
    expect(await world.plain('notes').where({ contract_id: contract.id })).to.have.length(0);
    await nobodyIsHalfErased();
  });

  it('gives up, and says so, when somebody holds her row for long; nothing was touched', async () => {
    const trx = await other.db.transaction();
    await trx('users').where({ id: ada.id }).forUpdate();
    expect(await refusalOf(() => erase())).to.be.instanceOf(SubjectLockedError);
    await trx.rollback();
    expect(await world.db('users').where({ id: ada.id }).pluck('name')).to.deep.equal([ada.name]);
    await erase();
  });

  it('asked for twice at once is done once: one receipt, and one answer that it was done already', async () => {
    const before = (await receiptsPerPerson(world.plain)).entries;
    const outcomes = await Promise.allSettled([erase(), erase(other), erase(), erase(other)]);
    const refused = outcomes.filter((each) => each.status === 'rejected').map(({ reason }) => reason);
    expect(refused).to.have.length(3);
    for (const reason of refused) expect(reason).to.be.instanceOf(AlreadyErasedError);
    expect((await receiptsPerPerson(world.plain)).entries).to.equal(before + 1);
  });

  it('takes her key from the memory of every other process within a second', async () => {
    await other.db('invoices').where({ user_id: ada.id }).select(); // so that the other process has her key
    const [sealed] = await world.plain('users').where({ id: ada.id });
    await erase();
    // As a replica or a backup would show it: her sealed name, back in the row.
    await world.plain.raw('alter table users disable trigger all');
    await world.plain('users').where({ id: ada.id }).update({ name: sealed.name });
    await until(
      'the key to be forgotten',
      async () => (await other.db('users').where({ id: ada.id }).first()).name === null,
      1,
    );
    await world.plain('users').where({ id: ada.id }).update({ name: null });
    await world.plain.raw('alter table users enable trigger all');
  });

  it('never leaves anybody in between, however erasures and writes meet', async function () {
    this.timeout(60_000);
    const people = await Promise.all(Array.from({ length: 20 }, (_, i) => addPerson(world.db, 500 + i)));
    const work = people.flatMap(({ id }) => [
      () => world.subject('user', id).erase({ because: 'a test' }),
      () => other.db('users').where({ id }).update({ name: 'written' }),
      () => other.db('contracts').where({ user_id: id }).update({ signatory: 'written' }),
      () => world.db('visits').insert({ user_id: id, ip: '192.0.2.0' }),
    ]);
    await Promise.allSettled(work.map((each) => each()));
    const { rows } = await world.plain.raw(`select count(*)::int as n from users u join oubli.subject_link l
      on l.subject_id = u.id::text and l.erased_at is not null where u.name is not null or oubli.key_id(u.email::bytea) is not null`);
    expect(rows[0].n).to.equal(0);
    const { entries, people: named } = await receiptsPerPerson(world.plain);
    expect(entries).to.equal(named);
  });
});
