/** People with very many rows leave whole, one by one; and what several ways lead to leaves whoever writes to it meanwhile. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const ROWS = 200_000;

async function declarePeople(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('people', (t) => {
    t.integer('id').primary();
    t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
    t.date('left_on').index().notPersonal('the event that starts the clock');
    t.dataSubject('person', {
      purpose: 'serve',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
  await knex.schema.createTable('steps', (t) => {
    t.increments('id');
    t.integer('person_id').notNullable().references('people.id').index();
    t.text('place').personal({ category: 'activity.content', protect: 'clear', because: 'counted by a report' });
    t.personalData({ purpose: 'serve', basis: 'contract' });
  });
  await knex.schema.createTable('reviews', (t) => {
    t.integer('id').primary();
    t.integer('author').index().notPersonal('who wrote it');
    t.integer('editor').index().notPersonal('who read it');
    t.text('state').notPersonal('open or closed');
    t.personalData({
      purpose: 'serve',
      basis: 'contract',
      onErase: 'detach',
      subject: { via: 'author' },
      references: [
        { columns: ['author'], to: 'people' },
        { columns: ['editor'], to: 'people' },
      ],
    });
  });
}

describe('People of very many rows', function () {
  this.timeout(120_000);
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: declarePeople });
    await world.db('people').insert([1, 2, 3, 4].map((id) => ({ id, name: `Person ${id}`, left_on: '2020-01-01' })));
  });
  afterEach(() => world.end());

  it(`A3: one with ${ROWS} rows leaves whole, in a chunk of her own, the others with her or after her`, async () => {
    await world.plain.raw("insert into steps (person_id, place) select 2, 'here' from generate_series(1, ?::int)", [
      ROWS,
    ]);
    await world.plain.raw('insert into steps (person_id, place) select id, ? from people', ['there']);
    await world.plain.raw('analyze people, steps');
    const [report] = await world.sweep();
    expect(report).to.deep.include({ gone: 4, chunks: 4, stillDue: 0, finished: true });
    expect(await world.plain('steps').count('* as n').first()).to.deep.equal({ n: '0' });
    const receipts = await world.receipts();
    expect(
      receipts.flatMap(({ removed }) => removed.filter(({ table }) => table === 'steps').map(({ rows }) => rows)),
    ).to.have.members([ROWS + 1, 1, 1, 1]);
  });

  it('A3: of tables that nobody ever counted the first leaves alone, and no chunk is of millions of rows', async () => {
    await world
      .db('people')
      .insert(Array.from({ length: 20 }, (_, i) => ({ id: 10 + i, name: 'one of many', left_on: '2020-01-01' })));
    await world.plain.raw(`alter table steps set (autovacuum_enabled = off); alter table people set (autovacuum_enabled = off);
      insert into steps (person_id, place) select 1 + n % 4, 'here' from generate_series(1, ${ROWS}) n`);
    const { rows } = await world.plain.raw(
      `select relname from pg_class where relname in ('steps', 'people') and reltuples = -1`,
    );
    expect(rows).to.have.length(2);
    await world.sweep();
    const chunks =
      await world.plain.raw(`select sum((t ->> 'rows')::int)::int as rows from oubli.ledger e, jsonb_array_elements(e.details -> 'tables') t
      where e.act = 'erased' group by e.at order by min(e.entry)`);
    const sizes: number[] = chunks.rows.map((each: { rows: number }) => each.rows);
    expect(sizes[0]).to.equal(ROWS / 4 + 1);
    expect(Math.max(...sizes)).to.be.at.most(ROWS / 4 + 1);
    expect(sizes.length, 'and they grew again').to.be.lessThan(20);
  });

  it('A1: a row that two ways lead to is detached, also when somebody writes to it meanwhile', async () => {
    await world.plain('reviews').insert({ id: 1, author: 1, editor: 2, state: 'open' });
    const trx = await world.plain.transaction();
    await trx('reviews').where({ id: 1 }).update({ state: 'closed' });
    const erasing = world.subject('person', 1).erase({ because: 'request' });
    await untilSomebodyWaits(world.plain);
    await trx.commit();
    expect((await erasing).detached).to.deep.equal([{ table: 'reviews', rows: 1 }]);
    expect(await world.plain('reviews')).to.deep.equal([{ id: 1, author: null, editor: 2, state: 'closed' }]);
  });
});
