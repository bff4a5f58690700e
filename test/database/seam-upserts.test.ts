import { expect } from 'chai';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('onConflict through the seam', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
    await world.db('users').insert({ id: 1, email: 'ada@example.org', name: 'Ada', locale: 'fr' });
    await world.db('users').insert({ id: 2, email: 'bob@example.org', name: 'Bob' });
    await world.db.raw('select setval(?, 100)', ['users_id_seq']);
    await world.plain.raw('create unique index on contracts (user_id, plan)');
    await world.plain.raw('create unique index on contracts (signatory) where false');
  });
  after(() => world.end());

  const keyOf = (value: Buffer): string => value.subarray(8, 24).toString('hex');
  const linkOf = async (id: number): Promise<string> => {
    const [link] = await world.plain('oubli.subject_link').where({ kind: 'user', subject_id: String(id) });
    return link.key_id.toString('hex');
  };

  it('ignore() on a sealed column leaves the row that is there, whatever the case of the address', async () => {
    await world.db('users').insert({ email: 'ADA@Example.org', name: 'Mallory' }).onConflict('email').ignore();
    expect(await world.db('users').where({ email: 'ada@example.org' }).pluck('name')).to.deep.equal(['Ada']);
    await world.db('users').insert({ email: 'ada@example.org', name: 'Mallory' }).onConflict().ignore();
    expect(await world.db('users').where({ email: 'ada@example.org' }).pluck('name')).to.deep.equal(['Ada']);
  });

  it('merge() on a sealed column updates the row that is there, under her key', async () => {
    const answer = await world
      .db('users')
      .insert({ email: 'ada@example.org', name: 'Ada L.', locale: 'en' })
      .onConflict('email')
      .merge()
      .returning(['id', 'name', 'locale']);
    expect(answer).to.deep.equal([{ id: 1, name: 'Ada L.', locale: 'en' }]);
    expect(keyOf((await world.plain('users').where({ id: 1 }).first()).name)).to.equal(await linkOf(1));
  });

  it('merge() of rows that are there and rows that are not updates the ones and inserts the others', async () => {
    const answer = await world
      .db('users')
      .insert([
        { email: 'Bob@example.org', name: 'Bob J.' },
        { email: 'new@example.org', name: 'New' },
      ])
      .onConflict('email')
      .merge()
      .returning(['id', 'name']);
    expect(answer[0]).to.deep.equal({ id: 2, name: 'Bob J.' });
    expect(answer[1].id).to.be.greaterThan(100);
    for (const { id } of answer) {
      expect(keyOf((await world.plain('users').where({ id }).first()).name)).to.equal(await linkOf(id));
    }
  });

  it('merge of some columns, and of other values, keeps to what it says', async () => {
    await world
      .db('users')
      .insert({ id: 1, email: 'x@example.org', name: 'One', locale: 'de' })
      .onConflict('id')
      .merge(['name']);
    expect(await world.db('users').where({ id: 1 }).first('name', 'email', 'locale')).to.deep.equal({
      name: 'One',
      email: 'ada@example.org',
      locale: 'en',
    });
    await world
      .db('users')
      .insert({ email: 'ada@example.org', name: 'ins' })
      .onConflict('email')
      .merge({ name: 'upd' });
    expect((await world.db('users').where({ id: 1 }).first()).name).to.equal('upd');
    await world
      .db('users')
      .insert({ id: 1, email: 'x@example.org', nickname: 'n' })
      .onConflict('id')
      .merge({ name: 'again' });
    expect((await world.db('users').where({ id: 1 }).first()).name).to.equal('again');
  });

  it('merge with a condition updates only where it holds', async () => {
    const upsert = world.db('users').insert({ email: 'ada@example.org', name: 'cond' }).onConflict('email').merge();
    await upsert.clone().where('users.locale', 'zz');
    expect((await world.db('users').where({ id: 1 }).first()).name).to.equal('again');
    await upsert.clone().where('users.locale', 'en');
    expect((await world.db('users').where({ id: 1 }).first()).name).to.equal('cond');
  });

  it('merge on several columns, one of them sealed, finds whose row would be updated, and seals for her', async () => {
    await world.plain.raw('create unique index two on users (substring(email::bytea, 9, 16), locale)');
    const merged = await world
      .db('users')
      .insert([
        { email: 'ADA@example.org', locale: 'en', name: 'both' },
        { email: 'fresh@example.org', locale: 'en', name: 'fresh' },
      ])
      .onConflict(['email', 'locale'])
      .merge(['name'])
      .returning(['id', 'name']);
    expect(merged[0]).to.deep.equal({ id: 1, name: 'both' });
    for (const { id } of merged) {
      expect(keyOf((await world.plain('users').where({ id }).first()).name)).to.equal(await linkOf(id));
    }
    await world.plain.raw('drop index two');
  });

  it('merge of somebody’s rows keeps to her', async () => {
    const insert = { user_id: 1, plan: 'gold', signatory: 'first' };
    await world.db('contracts').insert(insert);
    await world
      .db('contracts')
      .insert({ ...insert, signatory: 'second' })
      .onConflict(['user_id', 'plan'])
      .merge();
    const [row] = await world.db('contracts').where({ user_id: 1 });
    expect(row.signatory).to.equal('second');
    await world
      .db('contracts')
      .insert({ id: row.id, user_id: '1', signatory: 'third' })
      .onConflict('id')
      .merge(['signatory']);
    expect((await world.db('contracts').where({ id: row.id }).first()).signatory).to.equal('third');
  });

  it('a merge that would write one person’s words into another’s row is refused', async () => {
    const [row] = await world.db('contracts').insert({ user_id: 2, plan: 'tin', signatory: 'Bob' }).returning('id');
    const merge = world
      .db('contracts')
      .insert({ id: row.id, user_id: 1, signatory: 'Ada' })
      .onConflict('id')
      .merge(['signatory']);
    expect((await failureOf(() => merge)).code).to.equal('SUBJECT_MOVED');
    expect((await world.db('contracts').where({ id: row.id }).first()).signatory).to.equal('Bob');
  });

  it('a merge whose row appears meanwhile is refused by the guard, and can be retried', async () => {
    const upsert = (name: string): Promise<unknown> =>
      world.db('users').insert({ email: 'race@example.org', name }).onConflict('email').merge();
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => upsert(`racer ${i}`)));
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason.code).to.equal('OTHER_SUBJECT');
    }
    expect(outcomes.some(({ status }) => status === 'fulfilled')).to.equal(true);
    await upsert('at last');
    const [row] = await world.db('users').where({ email: 'race@example.org' });
    expect(row.name).to.equal('at last');
    expect(keyOf((await world.plain('users').where({ id: row.id }).first()).name)).to.equal(await linkOf(row.id));
  });
});
