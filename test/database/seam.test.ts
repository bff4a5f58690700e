import { expect } from 'chai';
import { createWorld, type World } from '../support/world';

describe('A protected Knex instance', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  it('stores ciphertext and answers with what was written', async () => {
    const { db, plain } = world;
    const [ada] = await db('users').insert({ name: 'Ada', email: 'Ada@Example.org' }).returning('*');
    expect(ada).to.include({ name: 'Ada', email: 'Ada@Example.org' });
    const [stored] = await plain('users').where({ id: ada.id });
    expect(stored.name.subarray(0, 3)).to.deep.equal(Buffer.from('a70b01', 'hex'));
    expect(stored.name.includes('Ada')).to.equal(false);
  });
});
