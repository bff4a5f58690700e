import { expect } from 'chai';
import { addPeople, type Person } from '../support/people';
import { failureOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

describe('L2: a request', () => {
  let world: World;
  let ada: Person;
  let bob: Person;
  beforeEach(async () => {
    world = await createWorld();
    [ada, bob] = (await addPeople(world.db, 2, '2099-01-01')) as [Person, Person];
  });
  afterEach(() => world.end());

  const keyIdOf = async ({ id }: Person): Promise<string> =>
    (
      await world
        .plain('oubli.subject_link')
        .where({ subject_id: String(id) })
        .first()
    ).key_id.toString('hex');

  it('L2: is committed before anything is destroyed', async () => {
    const keyId = await keyIdOf(ada);
    const trx = await world.plain.transaction();
    await trx.raw('select from users where id = ? for update', [ada.id]);
    const erasing = world.subject('user', ada.id).erase({ because: 'letter of 3 March' });
    await untilSomebodyWaits(world.plain);
    const [request, ...others] = await world.requests();
    expect(others).to.deep.equal([]);
    expect(request).to.include({ keyId, kind: 'user', because: 'letter of 3 March', doneBy: undefined });
    expect(await world.plain('contracts').where({ user_id: ada.id })).to.have.length(1);
    await trx.rollback();
    await erasing;
  });

  it('L2: outlives the person, and names the entry that did it', async () => {
    const keyId = await keyIdOf(ada);
    const receipt = await world.subject('user', ada.id).erase({ because: 'letter of 3 March' });
    const [request] = await world.requests();
    expect(request).to.include({ keyId, doneBy: receipt.entry, because: 'letter of 3 March' });
    expect(request!.at.getTime()).to.be.at.most(receipt.erasedAt.getTime());
    expect(await world.requests({ open: true })).to.deep.equal([]);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  });

  it('L2: whose erasure failed stays open, once, until it is done', async () => {
    await world.plain.raw('create table parcels (user_id integer not null references users)');
    await world.plain('parcels').insert({ user_id: ada.id });
    for (let attempt = 1; attempt <= 2; attempt++)
      expect((await failureOf(() => world.subject('user', ada.id).erase({ because: 'letter' }))).name).to.match(
        /Blocked|Error/,
      );
    const open = await world.requests({ open: true });
    expect(open).to.have.length(1);
    await world.plain.raw('drop table parcels');
    const { entry } = await world.subject('user', ada.id).erase({ because: 'letter' });
    await world.subject('user', bob.id).erase({ because: 'call' });
    expect(await world.requests({ open: true })).to.deep.equal([]);
    expect((await world.requests()).map(({ doneBy }) => doneBy)).to.include(entry);
    expect(await world.requests({ limit: 1, before: open[0]!.entry + 1 })).to.have.length(1);
  });

  it('L2: of somebody who is not there, or was erased before, leaves nothing', async () => {
    expect((await failureOf(() => world.subject('user', 4711).erase({ because: 'letter' }))).name).to.equal(
      'SubjectUnknownError',
    );
    await world.subject('user', ada.id).erase({ because: 'letter' });
    expect((await failureOf(() => world.subject('user', ada.id).erase({ because: 'another' }))).name).to.equal(
      'AlreadyErasedError',
    );
    expect(await world.requests()).to.have.length(1);
    expect(await world.plain('oubli.subject_link').where({ subject_id: '4711' })).to.deep.equal([]);
  });

  it('L2: is found by an index among millions of entries', async () => {
    const trx = await world.plain.transaction();
    await trx.raw('set local enable_seqscan = off');
    const { rows } = await trx.raw(
      `explain select from oubli.ledger r where r.act = 'requested' order by r.entry desc limit 100`,
    );
    await trx.rollback();
    expect(JSON.stringify(rows)).to.contain('ledger_entry_idx');
  });
});
