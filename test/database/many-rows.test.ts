/**
 * Several rows in one insert, which travel as one array for each column: what is stored is what the same rows store one by one,
 * whatever their columns are, have become since, and stand beside.
 */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { sentDuring } from '../support/listening';
import { failureOf } from '../support/refusals';
import { createWorld, migrateWorld, type World } from '../support/world';

const OTHERS = [
  'text',
  'varchar(5)',
  'char(4)',
  'integer',
  'bigint',
  'numeric(6, 2)',
  'double precision',
  'boolean',
  'date',
];
const MORE = [
  'timestamptz',
  'timestamp(3)',
  'interval',
  'uuid',
  'jsonb',
  'json',
  'bytea',
  'inet',
  'bit(3)',
  'text[]',
  'int4range',
  'mood',
];
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  text: ['', 'NULL', '(no composite', 'a "quoted" {b,\\c}\n', Buffer.from('ab'), { a: [1] }, 7],
  'varchar(5)': ['été', 'abc  '],
  'char(4)': ['ab'],
  integer: [1, '-2'],
  bigint: ['9223372036854775807', 5n],
  'numeric(6, 2)': ['1.005', 2.71999, 'NaN'],
  'double precision': [0.1, Number.POSITIVE_INFINITY],
  boolean: [true, 'f'],
  date: ['2026-01-31', new Date(Date.UTC(2020, 1, 29, 12))],
  timestamptz: [new Date(Date.UTC(2020, 1, 29, 12)), 'infinity'],
  'timestamp(3)': ['2026-01-31 10:11:12.123456'],
  interval: ['1 year 2 days'],
  uuid: ['5D0F6F1C-9c6b-4c3a-8f39-0a5b4c2d1e0f'],
  jsonb: [{ a: [1, 'two', null] }, '"text"', 'null'],
  json: ['{ "a":  1 }'],
  bytea: [Buffer.from([0, 255]), '\\x00ff'],
  inet: ['192.0.2.1', '2001:db8::/32'],
  'bit(3)': ['101'],
  'text[]': [['a', null, 'NULL', '"'], '{x,y}', []],
  int4range: ['[1,4)'],
  mood: ['calm'],
  place: ['("rue, 1",7)', '(,)'],
};

async function migrate(knex: Knex): Promise<void> {
  await migrateWorld(knex);
  await knex.raw("create type mood as enum ('calm', 'wild'); create type place as (street text, number integer)");
  await knex.schema.createTable('memos', (t) => {
    t.increments('id');
    t.text('body').personal({ category: 'activity.content', protect: 'encrypt' });
    [...OTHERS, ...MORE].forEach((type, i) => {
      t.specificType(`c${i}`, type).notPersonal('a column beside');
    });
    t.text('state').notNullable().defaultTo('new').notPersonal('a column with a default');
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('person', {
      purpose: 'test',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
}

describe('Several rows in one insert', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate });
  });
  afterEach(() => world.end());

  const stored = async (columns: readonly string[]): Promise<unknown[]> => {
    const texts = columns.map((name) => world.plain.raw('??::text as ??', [name, name]));
    return world.plain('memos').select(texts).orderBy('id');
  };
  const email = (n: number): string => `many${n}@example.org`;

  [...OTHERS, ...MORE].forEach((type, i) => {
    it(`store of ${type} what they store one by one, NULL in all of them included`, async () => {
      const column = `c${i}`;
      for (const value of [...(VALUES[type] ?? []), null]) {
        const rows = [1, 2].map(() => ({ body: 'sealed', [column]: value }));
        await world.plain('memos').delete();
        await world.db('memos').insert(rows);
        for (const row of rows) await world.db('memos').insert(row);
        const [first, ...others] = await stored([column]);
        for (const other of others) expect(other, String(value)).to.deep.equal(first);
        expect(others).to.have.length(3);
      }
      const bodies = await world.db('memos').pluck('body');
      expect(bodies).to.deep.equal(Array(4).fill('sealed'));
    });
  });

  it('go by what a column has become since the catalogue was read, and take one that was added', async () => {
    await world.db('memos').insert([
      { body: 'a', c5: '1.5' },
      { body: 'b', c5: '2.5' },
    ]);
    await world.plain.raw(`
      alter table memos alter column c5 type numeric(12, 4), alter column c8 type timestamptz, alter column c3 type text,
        alter column c1 type text, add column added integer`);
    const row = { body: 'x', c5: '1.2345', c8: '2026-01-31 10:11:12+00', c3: '007', c1: 'longer than five', added: 3 };
    await world.db('memos').insert([row, row]);
    await world.db('memos').insert(row);
    const [, , first, second, third] = await stored(['c1', 'c3', 'c5', 'c8', 'added']);
    expect(first)
      .to.deep.equal(third)
      .and.to.deep.equal(second)
      .and.to.include({ c5: '1.2345', c3: '007', added: '3' });
  });

  it('refuse what a column refuses, with its code', async () => {
    for (const [row, code] of [
      [{ c1: 'longer' }, '22001'],
      [{ c3: 'three' }, '22P02'],
      [{ c5: '12345.67' }, '22003'],
      [{ c20: 'sad' }, '22P02'],
      [{ nope: 1 }, '42703'],
    ] as const) {
      expect(
        (
          await failureOf(() =>
            world.db('memos').insert([
              { body: 'a', ...row },
              { body: 'b', ...row },
            ]),
          )
        ).code,
      ).to.equal(code);
    }
  });

  it('give what a row leaves out its default, and stand beside expressions, as a list of values does', async () => {
    await world
      .db('memos')
      .insert([{ body: 'a', state: 'old' }, { body: 'b' }, { body: 'c', state: world.db.raw('upper(?)', ['x']) }]);
    expect(await world.db('memos').pluck('state')).to.deep.equal(['old', 'new', 'X']);
    expect(await world.db('memos').pluck('body')).to.deep.equal(['a', 'b', 'c']);
  });

  it('stand beside raw text: merges, returning, CTEs', async () => {
    const { db } = world;
    const rows = (name: string) => [1, 2].map((n) => ({ email: email(n), name: `${name}${n}`, nickname: null }));
    await db('users').insert(rows('A'));
    await db('users')
      .insert(rows('B'))
      .onConflict('email')
      .merge({ locale: db.raw('upper(?)', ['fr']) });
    expect(await db('users').where('email', email(1)).pluck('locale')).to.deep.equal(['FR']);
    await db('users').insert(rows('C')).onConflict('email').merge(['name']).whereRaw('users.locale = ?', ['FR']);
    expect(
      await db('users')
        .whereIn('email', [email(1), email(2)])
        .orderBy('id')
        .pluck('name'),
    ).to.deep.equal(['C1', 'C2']);
    const returned = await db('memos')
      .insert([{ body: 'r1' }, { body: 'r2' }])
      .returning(['body', db.raw('? as said', ['x'])]);
    expect(returned).to.deep.equal([
      { body: 'r1', said: 'x' },
      { body: 'r2', said: 'x' },
    ]);
    const made = await db
      .with(
        'made',
        db('memos')
          .insert([{ body: 'w1' }, { body: 'w2' }])
          .returning('body'),
      )
      .with('other', db.raw('select ? as n', [1]))
      .select('made.body')
      .from('made');
    expect(made).to.deep.equal([{ body: 'w1' }, { body: 'w2' }]);
  });

  it('print as a statement that stores the same, where nothing in them is sealed', async () => {
    const rows = [
      { c0: "it's\na \\ line", c8: '2026-01-31', c7: true },
      { c0: 'NULL', c8: null, c7: false },
    ];
    const printed = world.db('memos').insert(rows).toString();
    await world.plain.raw(printed.replaceAll('?', '\\?'));
    await world.plain('memos').insert(rows);
    const [a, b, c, d] = await stored(['c0', 'c7', 'c8']);
    expect([a, b]).to.deep.equal([c, d]);
    expect(
      world
        .db('memos')
        .insert([{ body: 'secret' }, { body: 'secret' }])
        .toString(),
    )
      .to.include('[oubli memos.body]')
      .and.not.include('secret');
  });

  it('of a batch are sealed ahead: their order, results and errors are those of Knex', async () => {
    const { db } = world;
    const rows = Array.from({ length: 23 }, (_, i) => ({ body: `b${i}` }));
    const returned = await db.batchInsert('memos', rows, 5).returning(['id', 'body'] as never);
    expect(returned.map(({ body }: { body: string }) => body)).to.deep.equal(rows.map(({ body }) => body));
    expect(await db('memos').orderBy('id').pluck('body')).to.deep.equal(rows.map(({ body }) => body));
    const sent = await sentDuring(db, () => db.batchInsert('memos', rows, 10));
    expect(sent.map((sql) => sql.split(/\W/)[0])).to.deep.equal(['BEGIN', 'insert', 'insert', 'insert', 'COMMIT']);

    const before = await world.plain('memos').count();
    const bad = rows.map((row, i) => ({ ...row, c1: i === 12 ? 'longer' : 'short' }));
    expect((await failureOf(() => db.batchInsert('memos', bad, 5))).code).to.equal('22001');
    expect((await failureOf(() => db.batchInsert('memos', [{ body: 'x' }, { body: 'y\0' }], 1))).code).to.equal(
      'VALUE_HAS_NUL',
    );
    await db.transaction(async (trx) => {
      await trx.batchInsert('memos', rows, 5);
      await db.batchInsert('memos', rows, 5).transacting(trx);
      expect(await trx('memos').where({ state: 'new' })).to.have.length(4 * 23);
      await trx.rollback();
    });
    expect(await world.plain('memos').count()).to.deep.equal(before);
    expect((await failureOf(() => db.batchInsert('memos', 'no rows' as never))).message).to.match(/Expected array/);
  });

  it('may be more than a list of values could be, and than a function takes arguments', async () => {
    const rows = Array.from({ length: 150_000 }, (_, i) => ({ id: i + 1, c0: 'x', body: null }));
    expect(world.db('memos').insert(rows).toSQL().bindings).to.have.length(3);
    const some = rows.slice(0, 30_000).map((row) => ({ ...row, c3: 1 }));
    await world.db('memos').insert(some);
    expect(await world.plain('memos').count()).to.deep.equal([{ count: '30000' }]);
  });

  it('are one short statement, whose length does not grow with them', async () => {
    const lengthOf = async (count: number): Promise<number> => {
      const rows = Array.from({ length: count }, (_, i) => ({ body: `${i}`, c0: 'x' }));
      const [insert] = (await sentDuring(world.db, () => world.db('memos').insert(rows))).filter((sql) =>
        sql.startsWith('insert'),
      );
      return insert?.length ?? 0;
    };
    expect(await lengthOf(500)).to.equal(await lengthOf(2));
  });
});
