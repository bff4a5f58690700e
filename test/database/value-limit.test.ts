/** How long a value may be: 1 MiB, or what its declaration says. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { expectFix, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const MEBIBYTE = 1_048_576;

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('letters', (t) => {
    t.increments('id');
    t.text('body').personal({ category: 'activity.content', protect: 'encrypt', maxBytes: 2 * MEBIBYTE });
    t.text('subject').personal({ category: 'activity.content', protect: 'encrypt', maxBytes: 10 });
    t.text('note').personal({ category: 'activity.content', protect: 'encrypt' });
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('person', {
      purpose: 'test',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
}

describe('The limit of a sealed value', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate });
  });
  after(() => world.end());

  it('is what its declaration says, in bytes', async () => {
    const body = 'é'.repeat(MEBIBYTE);
    const [row] = await world.db('letters').insert({ body, subject: '0123456789' }).returning(['body', 'subject']);
    expect(row.body === body && row.subject === '0123456789').to.equal(true);
    for (const over of [{ body: `${body}.` }, { subject: '01234567é9' }, { note: 'x'.repeat(MEBIBYTE + 1) }]) {
      const error = await refusalOf(() => world.db('letters').insert(over));
      expect(error.code).to.equal('VALUE_TOO_LONG');
      expect(error).to.include({ column: Object.keys(over)[0] });
      expectFix(error, /maxBytes: \d+/, ['01234567é9']);
    }
    expect(await world.plain('letters').count()).to.deep.equal([{ count: '1' }]);
  });
});
