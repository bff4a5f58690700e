/** A sealed column keeps what its type promised: twins, one sealed and one not, take and refuse the same values. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

async function migrateTwins(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('people', (t) => {
    t.increments('id');
    t.string('plain_name', 5).notPersonal('a twin');
    t.string('name', 5).personal({ category: 'identity.name', protect: 'encrypt', search: 'exact' });
    t.specificType('plain_code', 'char(4)').notPersonal('a twin');
    t.specificType('code', 'char(4)').personal({
      category: 'account.id',
      protect: 'encrypt',
      search: 'exact',
      unique: true,
    });
    t.specificType('initial', 'char').personal({ category: 'identity.name', protect: 'encrypt' });
    t.decimal('plain_income', 6, 2).notPersonal('a twin');
    t.decimal('income', 6, 2).personal({ category: 'finance.transaction', protect: 'encrypt', search: 'exact' });
    t.smallint('plain_floor').notPersonal('a twin');
    t.smallint('floor').personal({ category: 'contact.address', protect: 'encrypt', search: 'exact' });
    t.integer('plain_points').notPersonal('a twin');
    t.integer('points').personal({ category: 'activity.content', protect: 'encrypt', search: 'exact' });
    t.timestamp('plain_seen', { precision: 3 }).notPersonal('a twin');
    t.timestamp('seen', { precision: 3 }).personal({
      category: 'activity.content',
      protect: 'encrypt',
      search: 'exact',
    });
    t.timestamp('plain_woke', { precision: 0, useTz: false }).notPersonal('a twin');
    t.timestamp('woke', { precision: 0, useTz: false }).personal({ category: 'activity.content', protect: 'encrypt' });
    t.specificType('last_ip', 'inet').personal({ category: 'connection.ip', protect: 'truncate-ip' });
    t.date('left_on').notPersonal('the event that starts the clock');
    t.dataSubject('person', {
      purpose: 'test',
      basis: 'contract',
      retention: { from: 'left_on', keep: '6 months', then: 'erase' },
    });
  });
}

describe('A sealed column', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateTwins });
  });
  after(() => world.end());

  for (const income of ['12.5', '0', '-3.14159', '0.005', '-0.005', '-0.001', '9999.994', 7, 1234.5]) {
    it(`of numeric(6, 2) reads ${income} back as PostgreSQL would have stored it`, async () => {
      const [row] = await world
        .db('people')
        .insert({ income, plain_income: income })
        .returning(['income', 'plain_income']);
      expect(row.income).to.equal(row.plain_income);
    });
  }

  it('of numeric(6, 2) refuses what does not fit, as its twin does', async () => {
    expect((await failureOf(() => world.db('people').insert({ plain_income: '9999.995' }))).code).to.equal('22003');
    expect((await failureOf(() => world.db('people').insert({ income: '9999.995' }))).code).to.equal(
      'WIDER_THAN_DECLARED',
    );
  });

  it('of varchar(5) refuses what is longer, and drops spaces beyond it, as its twin does', async () => {
    expect((await failureOf(() => world.db('people').insert({ plain_name: 'longer' }))).code).to.equal('22001');
    expect((await failureOf(() => world.db('people').insert({ name: 'longer' }))).code).to.equal(
      'LONGER_THAN_DECLARED',
    );
    const [row] = await world.db('people').insert({ name: 'naïve  ', plain_name: 'naïve  ' }).returning('*');
    expect([row.name, row.plain_name]).to.deep.equal(['naïve', 'naïve']);
    const [astral] = await world.db('people').insert({ name: '𝒜𝒷𝒸𝒹𝑒', plain_name: '𝒜𝒷𝒸𝒹𝑒' }).returning('*');
    expect(astral.name).to.equal(astral.plain_name);
  });

  for (const income of ['17.1', '17.125', '-17.135', '1.8e1', '.185', ' 19.999 ', '1e-7', 'NaN', 21]) {
    it(`of numeric(6, 2) is found by ${income} as it was written, and as it is read`, async () => {
      const [row] = await world
        .db('people')
        .insert({ income, plain_income: income })
        .returning(['id', 'income', 'plain_income']);
      expect(row.income).to.equal(row.plain_income);
      for (const operand of [income, row.income]) {
        expect(await world.db('people').where({ income: operand }).pluck('id'), operand).to.include(row.id);
        expect(await world.db('people').whereNot({ income: operand }).pluck('id'), operand).not.to.include(row.id);
        const { rows } = await world.db.raw('select id from people where income = ?', [operand]);
        expect(
          rows.map(({ id }: { id: number }) => id),
          operand,
        ).to.include(row.id);
      }
    });
  }

  it('of varchar(5) is found by what was cut to fit, written or read', async () => {
    const [{ id, name }] = await world.db('people').insert({ name: 'Annie  ' }).returning(['id', 'name']);
    expect(await world.db('people').where({ name }).pluck('id')).to.deep.equal([id]);
    expect(await world.db('people').where({ name: 'Annie  ' }).pluck('id')).to.deep.equal([id]);
  });

  it('of char(4) is filled up, and found with and without its spaces, as its twin is', async () => {
    const [row] = await world.db('people').insert({ code: 'ab', plain_code: 'ab' }).returning('*');
    expect([row.code, row.plain_code]).to.deep.equal(['ab  ', 'ab  ']);
    for (const operand of ['ab', 'ab  ', 'ab       ']) {
      expect(await world.db('people').where({ plain_code: operand }).pluck('id')).to.deep.equal([row.id]);
      expect(await world.db('people').where({ code: operand }).pluck('id'), operand).to.deep.equal([row.id]);
    }
    expect(await world.db('people').where({ code: ' ab' }).pluck('id')).to.deep.equal([]);
    expect((await failureOf(() => world.db('people').insert({ code: 'ab ' }))).code).to.equal('23505');
    await world.db('people').insert({ code: 'ab ', name: 'met' }).onConflict('code').merge();
    expect(await world.db('people').where({ code: 'ab' }).pluck('name')).to.deep.equal(['met']);
  });

  it('of char holds one character', async () => {
    expect((await failureOf(() => world.db('people').insert({ initial: 'ab' }))).code).to.equal('LONGER_THAN_DECLARED');
  });

  it('is found by nothing that it could not hold, and such an operand is no error, as for its twin', async () => {
    await world.db('people').insert({ name: 'longe', plain_name: 'longe', income: '999.99', code: 'long' });
    for (const operand of ['longer', 'longe   r']) {
      expect(await world.db('people').where({ plain_name: operand })).to.deep.equal([]);
      expect(await world.db('people').where({ name: operand }), operand).to.deep.equal([]);
      expect(await world.db('people').where({ code: operand }), operand).to.deep.equal([]);
    }
    for (const operand of ['99999.99', '1e9', 'Infinity']) {
      expect(await world.db('people').where({ plain_income: operand })).to.deep.equal([]);
      expect(await world.db('people').where({ income: operand }), operand).to.deep.equal([]);
    }
    expect((await failureOf(() => world.db('people').insert({ income: 'Infinity' }))).code).to.equal(
      'WIDER_THAN_DECLARED',
    );
    expect((await failureOf(() => world.db('people').insert({ plain_income: 'Infinity' }))).code).to.equal('22003');
  });

  const integers: [column: string, value: unknown, fits: boolean][] = [
    ['floor', 32767, true],
    ['floor', '-32768', true],
    ['floor', 32768, false],
    ['floor', '-32769', false],
    ['points', 2147483647, true],
    ['points', -2147483648n, true],
    ['points', 2147483648, false],
    ['points', '-2147483649', false],
  ];
  for (const [column, value, fits] of integers) {
    it(`of ${column === 'floor' ? 'smallint' : 'integer'} ${fits ? 'holds' : 'refuses'} ${value}, as its twin does`, async () => {
      const given = typeof value === 'bigint' ? String(value) : value;
      const insert = (name: string): Promise<unknown> =>
        world
          .db('people')
          .insert({ [name]: name === column ? value : given })
          .returning(name)
          .then(([row]) => row[name]);
      if (fits) {
        expect(await insert(column)).to.equal(await insert(`plain_${column}`));
        expect(
          await world
            .db('people')
            .where({ [column]: value })
            .pluck(column),
        ).to.deep.equal([Number(value)]);
        return;
      }
      expect((await failureOf(() => insert(`plain_${column}`))).code).to.equal('22003');
      const refused = await failureOf(() => insert(column));
      expect(refused.code).to.equal('VALUE_OUT_OF_RANGE');
      expect(refused.message).not.to.contain(String(value));
    });
  }

  const moments: [column: string, value: unknown][] = [
    ...['12:00:00.1234Z', '12:00:00.1235Z', '23:59:59.9995+02', '12:00:00.000499Z', '12:00:00Z'].map(
      (time): [string, string] => ['seen', `2026-03-01T${time}`],
    ),
    ['seen', '1999-12-31T23:59:59.0005Z'],
    ['seen', '1815-12-10T10:00:00.1235Z'],
    ['seen', '0044-03-15 12:00:00.1235+00 BC'],
    ['seen', new Date('2026-03-01T12:00:00.123Z')],
    ['seen', 'infinity'],
    ['woke', '2026-12-31 23:59:59.5'],
    ['woke', '2026-12-31 23:59:58.499999'],
    ['woke', '1815-12-10 10:00:00.5'],
    ['woke', new Date('2026-03-01T12:00:00.500Z')],
    ['woke', '-infinity'],
  ];
  for (const [column, value] of moments) {
    it(`of ${column === 'seen' ? 'timestamptz(3)' : 'timestamp(0)'} rounds ${value instanceof Date ? value.toISOString() : value} as its twin does`, async () => {
      const [row] = await world
        .db('people')
        .insert({ [column]: value, [`plain_${column}`]: value })
        .returning(['id', column, `plain_${column}`]);
      expect(row[column]).to.deep.equal(row[`plain_${column}`]);
      const { rows } = await world.db.raw('select ??::text as sealed, ??::text as plain from people where id = ?', [
        column,
        `plain_${column}`,
        row.id,
      ]);
      const [{ sealed, plain }] = rows;
      const inUtc = column === 'seen' ? `(??::timestamptz at time zone 'UTC')::text` : '??::text';
      const utc = (
        await world.plain.raw(`select ${inUtc} as text from people where id = ?`, [`plain_${column}`, row.id])
      ).rows[0].text;
      expect(sealed).to.equal(column === 'seen' && plain !== 'infinity' ? utc.replace(/( BC)?$/, '+00$1') : plain);
      if (column === 'seen') expect(await world.db('people').where({ seen: value }).pluck('id')).to.include(row.id);
    });
  }

  it('of addresses is found by a full one in raw SQL too, with = and = any, and by <> not', async () => {
    await world.db('people').insert({ last_ip: '203.0.113.77' });
    const count = async (sql: string, operand: unknown): Promise<number> =>
      Number((await world.db.raw(`select count(*) from people where ${sql}`, [operand] as never[])).rows[0].count);
    expect(await count('last_ip = ?', '203.0.113.99')).to.equal(1);
    expect(await count('last_ip = any(?)', ['203.0.113.1', '192.0.2.1'])).to.equal(1);
    expect(await count('last_ip <> ?', '203.0.113.99')).to.equal(0);
    expect(await count('last_ip = ?', '192.0.2.1')).to.equal(0);
  });
});
