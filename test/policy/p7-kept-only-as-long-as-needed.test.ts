import { expect } from 'chai';
import { assertNothingLeft, stopClock } from '../../src/testing';
import { addPerson, type Person } from '../support/people';
import { createWorld, type World } from '../support/world';

/** Promise P7 (article 4): kept only as long as needed; at the latest six months after the end of use it is destroyed or anonymised. */
describe('P7: personal data is kept only as long as needed', () => {
  let world: World;
  let ada: Person;
  let bob: Person;
  let eve: Person;
  let joe: Person;

  before(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    bob = await addPerson(world.db, 2);
    eve = await addPerson(world.db, 3);
    joe = await addPerson(world.db, 4);
    await stopClock(world.plain, '2026-08-31T12:00:00Z');
    await world.subject('user', ada.id).serviceEnded();
    await world.subject('user', bob.id).serviceEnded({ on: '2026-09-01' });
    await world.subject('user', eve.id).serviceEnded({ on: '2026-03-31' });
  });
  after(() => world.end());

  const names = async (): Promise<unknown[]> => (await world.db('users').orderBy('id')).map((user) => user.name);

  async function sweepAt(moment: string): Promise<unknown[]> {
    await stopClock(world.plain, moment);
    await world.sweep();
    return names();
  }

  it('nobody is erased before six months have passed since the end of her service', async () => {
    expect(await sweepAt('2026-09-29T23:59:59Z')).to.deep.equal([ada.name, bob.name, eve.name, joe.name]);
  });

  it('whose service ended on 31 March is erased on 30 September, the last day of that month', async () => {
    expect(await sweepAt('2026-09-30T00:00:00Z')).to.deep.equal([ada.name, bob.name, null, joe.name]);
  });

  it('the day before six months are over, nobody is erased', async () => {
    expect(await sweepAt('2027-02-27T23:59:59Z')).to.deep.equal([ada.name, bob.name, null, joe.name]);
  });

  it('on the day itself exactly those are erased whose six months are over: 31 August ends on 28 February', async () => {
    expect(await sweepAt('2027-02-28T00:00:00Z')).to.deep.equal([null, bob.name, null, joe.name]);
    expect(await sweepAt('2027-03-01T00:00:00Z')).to.deep.equal([null, null, null, joe.name]);
  });

  it('whose service goes on stays, however much time passes', async () => {
    expect(await sweepAt('2033-01-01T00:00:00Z')).to.deep.equal([null, null, null, joe.name]);
  });

  it('nothing that names the erased is left anywhere in the database', async () => {
    await assertNothingLeft(
      world.plain,
      [ada, bob, eve].flatMap(({ name, email }) => [name, email]),
    );
  });

  it('a receipt says of each when it was done, under which rule, and what the law keeps until when', async () => {
    const receipts = await world.plain('oubli.ledger').where({ act: 'erased' }).orderBy('entry');
    expect(receipts.map(({ at, because }) => `${at.toISOString()} ${because}`)).to.deep.equal([
      '2026-09-30T00:00:00.000Z retention: 6 months after users.service_ended_on',
      '2027-02-28T00:00:00.000Z retention: 6 months after users.service_ended_on',
      '2027-03-01T00:00:00.000Z retention: 6 months after users.service_ended_on',
    ]);
    for (const { details } of receipts) {
      const kept = details.tables.find(({ action }: { action: string }) => action === 'keep');
      expect(kept).to.include({ table: 'invoices', rows: 2, until: '2035-06-30' });
    }
  });

  it('what the law keeps leaves on its own day: an invoice after ten years, and with the last the key that opened it', async () => {
    const invoices = async (): Promise<number> => Number((await world.plain('invoices').count())[0]?.count);
    await sweepAt('2034-01-30T23:59:59Z');
    expect(await invoices()).to.equal(8);
    await sweepAt('2034-01-31T00:00:00Z');
    expect(await invoices()).to.equal(4);
    const retained = () => world.plain('oubli.subject_key').whereNotNull('keep_until');
    expect(await retained()).to.have.length(3);
    await sweepAt('2035-06-30T00:00:00Z');
    expect(await invoices()).to.equal(0);
    expect(await retained()).to.have.length(0);
  });
});
