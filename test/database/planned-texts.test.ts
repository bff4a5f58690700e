/** Raw texts that are planned before they are sent, and have nothing in them that could not work over sealed values. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('messages', (t) => {
    t.increments('id');
    t.text('text').personal({ category: 'activity.message', protect: 'encrypt' });
    t.text('plain').notPersonal('a column beside');
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('person', {
      purpose: 'test',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
}

describe('A raw text that is planned first', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate });
    await world.db('messages').insert({ text: 'sealed', plain: 'a' });
  });
  after(() => world.end());

  for (const [what, computed, answer] of [
    ['position', "position('a' in plain)", 1],
    ['trim', "trim(both 'x' from plain)", 'a'],
    ['overlay', "overlay(plain placing 'x' from 1)", 'x'],
    ['substring', 'substring(id::text from 1 for 2)', '1'],
  ] as const) {
    it(`takes ${what}() of a plain column beside a sealed one that is called as a type is`, async () => {
      const { rows } = await world.db.raw(`select text, ${computed} as computed from messages`);
      expect(rows).to.deep.equal([{ text: 'sealed', computed: answer }]);
    });
  }

  it('refuses the same of the sealed one', async () => {
    const refused = await failureOf(() => world.db.raw(`select position('a' in text::text) from messages`));
    expect(refused.code).to.equal('AGGREGATE');
  });

  it('may be rewritten by a rule, into nothing or into several statements', async () => {
    await world.plain.raw('create table log (said text)');
    await world.plain.raw('create rule nothing as on delete to messages do instead nothing');
    await world.plain.raw(`create rule several as on update to messages do also insert into log values ('changed')`);
    const { rowCount } = await world.db.raw(
      `delete from messages where trim(both 'x' from plain) = 'a' and text is not null`,
    );
    expect(rowCount).to.equal(0);
    await world.db.raw(`update messages set plain = trim(both 'x' from plain) where text is not null`);
    expect(await world.plain('log').pluck('said')).to.deep.equal(['changed']);
    expect(await world.db('messages').pluck('text')).to.deep.equal(['sealed']);
  });
});
