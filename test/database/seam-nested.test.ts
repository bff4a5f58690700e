/** Sealed values that PostgreSQL put into arrays, JSON or text, on every way a result can come. */
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('Sealed values inside other values', () => {
  let world: World;
  const ADA = 'ada@example.org';
  const BOB = 'bob@example.org';
  before(async () => {
    world = await createWorld();
    await world.db('users').insert([
      { id: 1, email: ADA, name: 'Ada', birth_date: '1815-12-10', last_ip: '203.0.113.9' },
      { id: 2, email: BOB },
    ]);
  });
  after(() => world.end());

  const one = (sql: string, bindings: unknown[] = []): Promise<unknown> =>
    world.db.raw(sql, bindings as never).then(({ rows }) => Object.values(rows[0])[0]);

  it('arrays are opened value by value, nested and of bytes too, and read as arrays of the declared type', async () => {
    expect(await one('select array_agg(email order by id) from users')).to.deep.equal([ADA, BOB]);
    expect(await one('select array_agg(name order by id) from users')).to.deep.equal(['Ada', null]);
    expect(await one('select array_agg(email::bytea order by id) from users')).to.deep.equal([ADA, BOB]);
    expect(await one('select array_agg(array[email, email] order by id) from users')).to.deep.equal([
      [ADA, ADA],
      [BOB, BOB],
    ]);
    expect(await one('select array_agg(birth_date) from users where id = 1')).to.deep.equal([new Date(1815, 11, 10)]);
    expect(await one('select array_agg(last_ip) from users where id = 1')).to.deep.equal(['203.0.113.0']);
    expect(await one('select array_agg(email::text order by id) from users')).to.deep.equal([ADA, BOB]);
  });

  it('json and jsonb are opened wherever a whole value stands in them, as PostgreSQL would have written it', async () => {
    const expected = { id: 1, name: 'Ada', email: ADA, birth_date: '1815-12-10', last_ip: '203.0.113.0' };
    expect(await one('select row_to_json(u) from users u where id = 1')).to.deep.include(expected);
    expect(await one('select to_jsonb(u) from users u where id = 1')).to.deep.include(expected);
    expect(await one('select json_agg(email order by id) from users')).to.deep.equal([ADA, BOB]);
    expect(
      await one(`select jsonb_build_object('people', jsonb_agg(jsonb_build_object('of', email, 'n', name) order by id))
                 from users`),
    ).to.deep.equal({
      people: [
        { of: ADA, n: 'Ada' },
        { of: BOB, n: null },
      ],
    });
    expect(await one('select array_agg(to_json(email) order by id) from users')).to.deep.equal([ADA, BOB]);
  });

  it('the text of a whole value is the text of what it holds', async () => {
    expect(await one('select email::text from users where id = 1')).to.equal(ADA);
    expect(await one('select birth_date::text from users where id = 1')).to.equal('1815-12-10');
    expect(await one('select coalesce(name::text, ?::text) from users where id = 2', ['-'])).to.equal('-');
  });

  it('views, materialised views, functions, unions, CTEs and cursors are opened the same', async () => {
    await world.plain.raw(`
      create view lists as select array_agg(email order by id) as emails, json_agg(name order by id) as names,
        min(coalesce(email, ''::bytea)::text) filter (where id = 1) as first, count(*) as n from users;
      create materialized view stored_lists as select * from lists;
      create function people() returns setof users language sql stable as 'select * from users order by id';
      create function names_of(who int) returns json language sql stable as
        'select json_build_array(name, email) from users where id = who';
    `);
    await world.db.raw('comment on view lists is null');
    const expected = { emails: [ADA, BOB], names: ['Ada', null], first: ADA, n: '2' };
    for (const view of ['lists', 'stored_lists']) {
      expect((await world.db.raw(`select * from ${view}`)).rows, view).to.deep.equal([expected]);
      expect(await world.db(view).first(), view).to.deep.equal(expected);
    }
    expect((await world.db.raw('select email from people()')).rows).to.deep.equal([{ email: ADA }, { email: BOB }]);
    expect(await one('select names_of(1)')).to.deep.equal(['Ada', ADA]);
    expect(
      (await world.db.raw('with w as (select array[email] as e from users) select e from w union all select e from w'))
        .rows,
    ).to.have.deep.members([{ e: [ADA] }, { e: [BOB] }, { e: [ADA] }, { e: [BOB] }]);
    await world.db.transaction(async (trx) => {
      await trx.raw('declare c cursor for select email, array[name] as names from users order by id');
      expect((await trx.raw('fetch 1 from c')).rows).to.deep.equal([{ email: ADA, names: ['Ada'] }]);
    });
    const streamed: unknown[] = [];
    for await (const row of world.db.raw('select json_agg(email order by id) as e from users').stream())
      streamed.push(row);
    expect(streamed).to.deep.equal([{ e: [ADA, BOB] }]);
    const arrays = await world.db
      .raw('select array_agg(email order by id), 1 from users')
      .options({ rowMode: 'array' });
    expect(arrays.rows).to.deep.equal([[[ADA, BOB], 1]]);
  });

  it('a value inside a longer text is refused by name instead of being handed out as ciphertext', async () => {
    for (const sql of [
      `select string_agg(email::text, ',') from users`,
      `select name::text || ' ' || email::text from users where id = 1`,
      'select u from users u where id = 1',
      'select array_agg(u) from users u',
      `select json_object_agg(email, id) from users`,
      `select json_agg(email)::text from users`,
      `select encode(email, 'hex') from users`,
      `select format('<%s>', email) from users`,
    ]) {
      const error = await refusalOf(() => world.db.raw(sql));
      expect([error.code, error.table], sql).to.deep.equal(['SEALED_IN_TEXT', 'users']);
    }
  });

  it('what a tombstone or a shredded value left reads as null there, too', async () => {
    await world.db('users').insert({ id: 3, email: 'gone@example.org', name: 'G' });
    const { id } = await world.plain('oubli.element').where({ normaliser: 'email' }).first('id');
    await world.plain.raw(`update users set email = oubli.tombstone(?, true, 'x') where id = 3`, [id]);
    expect(await one('select array[email] from users where id = 3')).to.deep.equal([null]);
    expect(await one('select json_build_array(email) from users where id = 3')).to.deep.equal([null]);
    await world.db('users').where({ id: 3 }).del();
  });

  it('an altered value inside an array or JSON is an error', async () => {
    const { email } = await world.plain('users').where({ id: 2 }).first();
    const broken = Buffer.from(email);
    broken[broken.length - 1] = (broken.at(-1) as number) ^ 1;
    await world.plain('users').where({ id: 2 }).update({ email: broken });
    for (const sql of ['select array_agg(email) from users', 'select json_agg(email) from users']) {
      expect((await failureOf(() => world.db.raw(sql))).name, sql).to.equal('TamperedError');
    }
    await world.plain('users').where({ id: 2 }).update({ email });
  });

  it('a stranger’s text that looks like a sealed value is the stranger’s text', async () => {
    const { email } = await world.plain('users').where({ id: 1 }).first();
    const forged = Buffer.concat([email.subarray(0, 24), randomBytes(100)]);
    const text = `\\x${forged.toString('hex')}`;
    await world.db('products').insert([
      { id: 1, name: text },
      { id: 2, name: `say ${text}!` },
    ]);
    const rows = [{ name: text }, { name: `say ${text}!` }];
    expect((await world.db.raw(`select coalesce(name, '') as name from products order by id`)).rows).to.deep.equal(
      rows,
    );
    expect((await world.db.raw('select json_agg(name order by id) as n from products')).rows).to.deep.equal([
      { n: rows.map(({ name }) => name) },
    ]);
    expect(await world.db('products').orderBy('id').select('name')).to.deep.equal(rows);
  });
});
