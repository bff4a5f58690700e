import { expect } from 'chai';
import { pathToSubject } from '../../src/catalogue/subject-path';
import { PinnedValue } from '../../src/knex/pinned-value';
import { SubjectRow } from '../../src/knex/subject-row';
import { seamOf } from '../support/listening';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('Raw SQL through the seam', () => {
  let world: World;
  let ada: number;
  before(async () => {
    world = await createWorld();
    [{ id: ada }] = await world
      .db('users')
      .insert({ email: 'ada@example.org', name: 'Ada', nickname: 'countess' })
      .returning('id');
    await world.db('users').insert({ email: 'bob@example.org', name: 'Bob' });
  });
  after(() => world.end());

  /** A value of somebody's, as `subject('user', id).value(…)` makes it. */
  const pinned = (id: number, value: unknown): never => {
    const { catalogue } = seamOf(world.db);
    const [users] = catalogue.named('users');
    return new PinnedValue(value, new SubjectRow(pathToSubject(catalogue, users as never), [id])) as never;
  };
  const names = (sql: string, bindings: unknown): Promise<unknown[]> =>
    world.db.raw(sql, bindings as never).then(({ rows }) => rows.map((row: { name: string }) => row.name));

  it('positional, named and identifier bindings reach a sealed column', async () => {
    expect(await names('select name from users where email = ?', ['ADA@example.org'])).to.deep.equal(['Ada']);
    expect(await names('select name from users where email = ?', 'ada@example.org')).to.deep.equal(['Ada']);
    expect(await names('select name from users where email = :email', { email: 'ada@example.org' })).to.deep.equal([
      'Ada',
    ]);
    expect(await names('select ?? from ?? where ?? = ?', ['name', 'users', 'email', 'ada@example.org'])).to.deep.equal([
      'Ada',
    ]);
    expect(await names('select name from users where email is not distinct from ?', ['ada@example.org'])).to.deep.equal(
      ['Ada'],
    );
    expect(await names('select name from users where email = ? or ?::text is null', [null, 'x'])).to.deep.equal([]);
  });

  it('raw fragments inside a builder are understood as part of it', async () => {
    const { db } = world;
    expect(await db('users').whereRaw('email = ?', ['ada@example.org']).pluck('name')).to.deep.equal(['Ada']);
    expect(
      await db('users')
        .where(db.raw('email') as never, 'ada@example.org')
        .pluck('name'),
    ).to.deep.equal(['Ada']);
    expect(
      await db('products').joinRaw('right join users u on true').where('u.email', 'ada@example.org').pluck('u.name'),
    ).to.deep.equal(['Ada']);
    expect(await db(db.raw('users as u')).where('u.email', 'ada@example.org').pluck('name')).to.deep.equal(['Ada']);
    expect(await db.select('name').fromRaw('users').whereIn('id', [ada]).pluck('name')).to.deep.equal(['Ada']);
    expect(
      await db('users')
        .select(db.raw('name as who, ?::int as n', [5]))
        .where({ id: ada }),
    ).to.deep.equal([{ who: 'Ada', n: 5 }]);
    expect(
      await names('select name from users where id in (?)', [
        db('users').where({ email: 'ada@example.org' }).select('id'),
      ]),
    ).to.deep.equal(['Ada']);
  });

  it('a value that says whose it is can be written by raw SQL, and by no other person’s row', async () => {
    const { db, plain } = world;
    await db.raw('update users set name = ? where id = ?', [pinned(ada, 'Ada L.'), ada]);
    expect((await db('users').where({ id: ada }).first()).name).to.equal('Ada L.');
    const [stored] = await plain('users').where({ id: ada });
    expect(stored.name.subarray(0, 3).toString('hex')).to.equal('a70b01');
    const wrong = db.raw('update users set name = ? where id <> ?', [pinned(ada, 'X'), ada]);
    expect((await failureOf(() => wrong)).code).to.equal('OTHER_SUBJECT');
    const elsewhere = db.raw('select ?::int', [pinned(ada, 5)]);
    expect((await failureOf(() => elsewhere)).code).to.equal('PINNED_ELSEWHERE');
    await db.raw('update users set name = ? where id = ?', [pinned(ada, 'Ada'), ada]);
  });

  it('a pseudonym is compared for a person who is named, and for nobody else', async () => {
    const { db } = world;
    await db('users').where({ id: ada }).update({ crm_id: 'C-1' });
    const find = 'select id from users where crm_id = ?';
    expect((await failureOf(() => db.raw(find, ['C-1']))).code).to.equal('RAW_UNPINNED');
    expect((await db.raw(find, [pinned(ada, 'C-1')])).rows).to.deep.equal([{ id: ada }]);
  });

  it('an address in raw SQL is truncated where it is written', async () => {
    const { db, plain } = world;
    await db.raw('insert into visits (user_id, ip) values (?, ?)', [ada, '198.51.100.23']);
    expect(await plain('visits').pluck('ip')).to.deep.equal(['198.51.100.0']);
  });

  it('returning, CTEs that write, and several statements at once are opened', async () => {
    const { db } = world;
    const { rows } = await db.raw('update users set locale = ? where id = ? returning name', ['fr', ada]);
    expect(rows).to.deep.equal([{ name: 'Ada' }]);
    const results = await db.raw('select name from users order by id; select email from users order by id');
    expect(results.map((each: { rows: object[] }) => each.rows[0])).to.deep.equal([
      { name: 'Ada' },
      { email: 'ada@example.org' },
    ]);
  });

  it('parameters of columns that are not protected go as they came', async () => {
    const { db } = world;
    const { rows } = await db.raw(
      'select ?::int as a, ?::text as b, ?::jsonb as c, ?::int[] as d, ?::bytea as e, locale from users where nickname = ?',
      [1, 'x', { y: 2 } as never, [3, 4], Buffer.from('z'), 'countess'],
    );
    expect(rows).to.deep.equal([{ a: 1, b: 'x', c: { y: 2 }, d: [3, 4], e: Buffer.from('z'), locale: 'fr' }]);
  });

  it('a statement is described once, and not at all when nothing in it is a parameter', async () => {
    const connection = await world.db.client.acquireConnection();
    const { query } = connection;
    let described = 0;
    connection.query = function (this: unknown, ...args: [{ submit?: unknown }]) {
      if (args[0]?.constructor?.name === 'DescribeQuery') described++;
      return query.apply(this, args);
    };
    const run = (sql: string, bindings: unknown[] = []): Promise<unknown> =>
      world.db
        .raw(sql, bindings as never)
        .connection(connection)
        .then();
    try {
      await run('select 1 from users where email = ?', ['a@example.org']);
      await run('select 1 from users where email = ?', ['b@example.org']);
      expect(described).to.equal(1);
      await run('select count(*) from users');
      await world.db('users').where({ email: 'x@example.org' }).connection(connection);
      await world
        .db('users')
        .where({ id: ada })
        .update({ locale: 'fr', service_ended_on: world.db.fn.now() })
        .connection(connection);
      await world.db.with('w', world.db('products')).from('w').where({ name: 'x' }).connection(connection);
      expect(described).to.equal(1);
    } finally {
      connection.query = query;
      await world.db.client.releaseConnection(connection);
    }
  });

  it('trap 4: the same text means another table in another session, and is asked about each time', async () => {
    await world.plain.raw('create schema shop; create table shop.users (email text, name text)');
    await world.plain.raw("insert into shop.users values ('ada@example.org', 'Customer')");
    await world.db.raw('comment on table products is null');
    const sql = 'select name from users where email = ?';
    const inShop = (): Promise<unknown> =>
      world.db.transaction(async (trx) => {
        await trx.raw('set local search_path to shop');
        return (await trx.raw(sql, ['ada@example.org'])).rows;
      });
    expect(await names(sql, ['ada@example.org'])).to.deep.equal(['Ada']);
    expect(await inShop()).to.deep.equal([{ name: 'Customer' }]);
    expect(await names(sql, ['ada@example.org'])).to.deep.equal(['Ada']);
    expect((await failureOf(() => world.db('users').where({ id: 1 }))).code).to.equal('AMBIGUOUS_TABLE');
    expect(await world.db('users').withSchema('public').where({ id: ada }).pluck('name')).to.deep.equal(['Ada']);
    await world.db.raw('drop schema shop cascade');
  });

  it('trap 14: question marks in JSON operators and literals stay what they are', async () => {
    const { rows } = await world.db.raw(
      `select '{"a":1}'::jsonb \\? 'a' as has, '\\?' as mark, name from users where email = ?`,
      ['ada@example.org'],
    );
    expect(rows).to.deep.equal([{ has: true, mark: '?', name: 'Ada' }]);
  });

  it('an error of PostgreSQL in raw SQL about an unprotected table is as plain Knex gives it', async () => {
    const query = 'insert into products (id, nothing) values (?, ?)';
    const [ours, theirs] = [
      await failureOf(() => world.db.raw(query, [1, 'x'])),
      await failureOf(() => world.plain.raw(query, [1, 'x'])),
    ];
    expect(ours.message).to.equal(theirs.message);
    expect(ours.code).to.equal(theirs.code);
  });
});
