import { expect } from 'chai';
import { addPeople, type Person } from '../support/people';
import { refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('A person whose id is written otherwise than the database writes it', () => {
  let world: World;
  let person: Person;
  let other: string;
  beforeEach(async () => {
    world = await createWorld();
    [person] = (await addPeople(world.db, 1, '2099-01-01')) as [Person];
    other = ` 0${person.id}`; // PostgreSQL reads the same integer
  });
  afterEach(() => world.end());

  const links = () => world.plain('oubli.subject_link').select('kind', 'subject_id');
  const hers = (): { kind: string; subject_id: string }[] => [{ kind: 'user', subject_id: String(person.id) }];
  const acts = async (): Promise<{ act: string; key: string }[]> =>
    (await world.plain('oubli.ledger').whereNotNull('key_id').orderBy('entry')).map(({ act, key_id }) => ({
      act,
      key: key_id.toString('hex'),
    }));
  const key = async (): Promise<string> => (await world.plain('oubli.subject_link').first()).key_id.toString('hex');

  it('L1: is exported under her own key, and gets no second one', async () => {
    const own = await key();
    const stream = await world.subject('user', other).export({ profile: 'portability' });
    let bytes = 0;
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    expect(bytes).to.be.greaterThan(0);
    expect(await links()).to.deep.equal(hers());
    expect(await acts()).to.deep.equal([{ act: 'exported', key: own }]);
  });

  it('A2: is erased once, and refused the second time also when her row is gone', async () => {
    await world.plain('invoices').delete();
    await world.subject('user', other).erase({ because: 'request' });
    expect(await links()).to.deep.equal(hers());
    for (const id of [other, person.id])
      expect((await refusalOf(() => world.subject('user', id).erase({ because: 'again' }))).code).to.equal(
        'ALREADY_ERASED',
      );
    expect((await acts()).map(({ act }) => act)).to.include.members(['requested', 'erased']);
    expect(new Set((await acts()).map((each) => each.key)).size).to.equal(1);
  });

  it('H1: is restricted, held, and free again, whichever way she is written', async () => {
    await world.subject('user', other).restrict({ because: 'says her address is wrong' });
    const lifted = { because: 'corrected', inform: async () => undefined };
    await world.subject('user', other).liftRestriction(lifted);
    expect(await world.plain('oubli.restriction')).to.deep.equal([]);
    await world.holds.open({ name: 'case', ground: 'lawsuit' });
    expect(await world.holds.place('case', { kind: 'user', id: other })).to.include({ placed: 1 });
    expect(await world.holds.place('case', { kind: 'user', id: person.id })).to.include({ placed: 0 });
    expect((await refusalOf(() => world.subject('user', other).erase({ because: 'request' }))).code).to.equal('HELD');
    expect(await world.plain('oubli.deferred_request').select('kind', 'subject_id')).to.deep.equal(hers());
    expect(await links()).to.deep.equal(hers());
  });

  it('A1: is planned and erased by her plan, whichever way she is written', async () => {
    const plan = await world.plan({ subject: { kind: 'user', id: other } });
    const { asOf: _, ...same } = await world.plan({ subject: { kind: 'user', id: String(person.id) } });
    expect(plan).to.deep.include(same);
    await world.apply(plan, { because: 'request', subject: { kind: 'user', id: other } });
    expect(await world.db('users').where({ id: person.id }).first('name')).to.deep.equal({ name: null });
  });
});
