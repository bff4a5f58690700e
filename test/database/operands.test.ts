/** What SQL compares protected columns with, past the library too: nothing that could not match is answered with nothing. */
import { expect } from 'chai';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('Operands that PostgreSQL compares past the type', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
    await world.db('users').insert([
      { id: 1, email: 'ada@example.org', name: 'Ada', crm_id: 'C-1', last_ip: '203.0.113.9' },
      { id: 2, email: 'bob@example.org', name: 'Bob', crm_id: 'C-2' },
    ]);
    await world.db('visits').insert({ user_id: 1, ip: '203.0.113.9' });
  });
  after(() => world.end());

  const LITERALS = [
    `select 1 from users where email = 'ada@example.org'`,
    `select 1 from users where email in ('ada@example.org', 'bob@example.org')`,
    `select 1 from users where email not in ('ada@example.org', 'bob@example.org')`,
    `select 1 from users where email = any('{ada@example.org}')`,
    `select 1 from users where email like 'ada%'`,
    `select 1 from users where email < 'b'`,
    `select 1 from users where name = 'Ada'`,
    `select 1 from users where name like 'A%'`,
    `select 1 from users where crm_id = 'C-1'`,
    `select 1 from users where crm_id in ('C-1', 'C-2')`,
    `select 1 from users where crm_id not in ('C-1', 'C-2')`,
    `select 1 from users where crm_id = 'C-1'::text`,
    `select 1 from users where crm_id like 'C%'`,
    `select 1 from users where crm_id ilike 'c%'`,
    `select 1 from users where crm_id ~ '^C'`,
    `select 1 from users where crm_id > 'C'`,
    `select 1 from users where last_ip = '203.0.113.9'`,
    `select 1 from users where last_ip in ('203.0.113.9', '203.0.113.8')`,
    `select 1 from visits where ip = '203.0.113.9'`,
    `select 1 from visits where ip in ('203.0.113.9', '203.0.113.8')`,
    `select 1 from visits where ip = 'no address'::text`,
  ];
  for (const sql of LITERALS) {
    it(`psql gets an error: ${sql}`, async () => {
      const error = await failureOf(() => world.plain.raw(sql));
      expect(error.code).to.match(/^(OU003|23514)$/);
      expect(error.message.split(' - ').at(-1)).not.to.match(/ada@|C-1|203\.0/);
    });
  }

  for (const [sql, bindings] of [
    ['select 1 from users where crm_id in (?, ?)', ['C-1', 'C-2']],
    ['select 1 from users where crm_id like ?', ['C%']],
    ['select 1 from users where email::text = ?', ['ada@example.org']],
    ['select 1 from users u where lower(u.email::text) ilike ?', ['ada%']],
    ['select 1 from users where cast("email" as text) in (?, ?)', ['ada@example.org', 'x']],
    ['select 1 from users where name::varchar = any(?)', [['Ada']]],
    ['select 1 from users where last_ip in (?, ?)', ['203.0.113.9', '203.0.113.8']],
    ['select 1 from visits where ip in (?, ?)', ['203.0.113.9', '203.0.113.8']],
  ] as const) {
    it(`raw SQL is refused: ${sql}`, async () => {
      const error = await failureOf(() => world.db.raw(sql, bindings as never));
      expect(error.name).to.equal('UnsupportedQueryError');
      expect((error as { fix?: string }).fix).to.be.a('string');
    });
  }

  it('a session that does not find our operators gets an error instead of the base type’s answer', async () => {
    const run = (sql: string, bindings: unknown[] = []): Promise<unknown> =>
      world.db.transaction(async (trx) => {
        await trx.raw('set local search_path to pg_temp');
        return (await trx.raw(sql, bindings as never)).rows;
      });
    for (const [sql, bindings] of [
      ['select id from public.users where email = ?', ['ada@example.org']],
      [`select id from public.users where email = 'ada@example.org'`, []],
      ['select a.id from public.users a join public.users b on a.email = b.email', []],
      ['select a.id from public.users a join public.users b using (email)', []],
      ['select u.id from "public"."users" u where u.crm_id <> ?', ['C-1']],
      ['select id from public.visits where not (ip = ?)', ['203.0.113.9']],
    ] as const) {
      const error = await failureOf(() => run(sql, [...bindings]));
      expect((error as { code?: string }).code, sql).to.equal('OPERATOR_UNREACHABLE');
      expect((error as { fix?: string }).fix).to.equal('set search_path to "$user", public, public');
    }
    expect(await run('select id from public.users where id = ?', [1])).to.deep.equal([{ id: 1 }]);
    expect(await run(`update public.users set name = null where id = 7 returning id`)).to.deep.equal([]);
    const found = world.db.transaction(async (trx) => {
      await trx.raw('set local search_path to pg_temp');
      return trx('users').withSchema('public').where({ email: 'ADA@example.org' }).pluck('id');
    });
    expect(await found).to.deep.equal([1]);
  });

  it('a column cast to text is shown all the same, beside other texts', async () => {
    const { rows } = await world.db.raw('select email::text as e from users where locale = ? or id = ?', ['zz', 1]);
    expect(rows).to.deep.equal([{ e: 'ada@example.org' }]);
  });

  it('what is stored like this is found: kept addresses, pseudonyms, NULL', async () => {
    const ids = (sql: string, bindings: unknown[]): Promise<number[]> =>
      world.db.raw(sql, bindings as never).then(({ rows }) => rows.map((row: { id: number }) => row.id));
    expect(await ids('select id from users where last_ip in (?, ?)', ['203.0.113.0', '198.51.100.0'])).to.deep.equal([
      1,
    ]);
    expect(await ids('select user_id as id from visits where ip in (?, ?)', ['203.0.113.0', null])).to.deep.equal([1]);
    expect(await ids('select user_id as id from visits where ip = any(?)', [['203.0.113.9']])).to.deep.equal([1]);
    const { crm_id } = await world.plain('users').where({ id: 2 }).first('crm_id');
    expect((await world.plain.raw('select id from users where crm_id in (?, ?)', [crm_id, crm_id])).rows).to.deep.equal(
      [{ id: 2 }],
    );
    expect(await ids('select id from users where crm_id is null', [])).to.deep.equal([]);
  });

  it('lists of the builder use the index of an address, in both its types', async () => {
    await world.plain.raw('create index on visits (ip); create index on users (last_ip); set enable_seqscan to off');
    for (const [table, column] of [
      ['users', 'last_ip'],
      ['visits', 'ip'],
    ] as const) {
      const query = world.db(table).whereIn(column, ['203.0.113.9', '198.51.100.1']).select(column);
      expect(await query.clone()).to.deep.equal([{ [column]: '203.0.113.0' }]);
      const plan = await world.db.transaction(async (trx) => {
        await trx.raw('set local enable_seqscan to off');
        const { sql, bindings } = query.toSQL();
        return (await trx.raw(`explain ${sql}`, bindings as never)).rows.map((row: object) => Object.values(row)[0]);
      });
      expect(plan.join('\n'), table).to.match(/Index Cond: .* ANY/);
    }
  });
});
