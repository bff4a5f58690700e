import { expect } from 'chai';
import type { Knex } from 'knex';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const ROWS = 5000;

describe('Searching a sealed column', () => {
  let world: World;
  before(async function () {
    this.timeout(60_000);
    world = await createWorld();
    const rows = Array.from({ length: ROWS }, (_, i) => ({ email: `user${i}@example.org`, name: `N${i}` }));
    await world.db.batchInsert('users', rows, 1000);
    await world.plain.raw('create view accounts as select id, email from users');
    await world.db.raw('analyze');
    await world.db.raw('comment on view accounts is null');
  });
  after(() => world.end());

  const plan = async (query: Knex.QueryBuilder | Knex.Raw): Promise<string> => {
    const { rows } = await world.db.raw('explain ?', [query as never]);
    return rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
  };
  const BLIND = /(Index|Bitmap Index|Index Only) Scan (using|on) users_email_blind/;

  const searches: [string, () => Knex.QueryBuilder | Knex.Raw][] = [
    ['where', () => world.db('users').where({ email: 'user7@example.org' })],
    ['where with an alias', () => world.db('users as u').where('u.email', 'user7@example.org')],
    ['whereIn', () => world.db('users').whereIn('email', ['user7@example.org', 'user8@example.org'])],
    ['a view', () => world.db('accounts').where({ email: 'user7@example.org' })],
    ['an update', () => world.db('users').where({ email: 'user7@example.org' }).update({ locale: 'x' })],
    ['a delete', () => world.db('users').where({ email: 'user7@example.org' }).del()],
    ['whereRaw', () => world.db('users').whereRaw('email = ?', ['user7@example.org'])],
    ['raw =', () => world.db.raw('select * from users where email = ?', ['user7@example.org'])],
    ['raw = through a view', () => world.db.raw('select * from accounts where email = ?', ['user7@example.org'])],
    [
      'raw = in a CTE',
      () => world.db.raw('with w as (select * from users) select * from w where email = ?', ['user7@example.org']),
    ],
    ['a join', () => world.db('users as a').leftJoin('users as b', 'a.email', 'b.email').where('a.id', 7)],
  ];
  for (const [says, query] of searches) {
    it(`${says} goes by the blind index`, async () => {
      const text = await plan(query());
      expect(text).to.match(BLIND);
      expect(text).not.to.match(/Seq Scan on users/);
    });
  }

  it('trap 8: raw = any(…) finds the rows', async () => {
    const { rows } = await world.db.raw('select name from users where email = any(?) order by id', [
      ['user7@example.org', 'USER8@example.org', null] as never,
    ]);
    expect(rows).to.deep.equal([{ name: 'N7' }, { name: 'N8' }]);
  });

  it('finds an address written in another case, with other spaces, or with its domain in Unicode', async () => {
    await world.db('users').insert({ email: 'Zoé@Bücher.example', name: 'Zoé' });
    expect(await world.db('users').where({ email: '  USER7@EXAMPLE.ORG ' }).pluck('name')).to.deep.equal(['N7']);
    expect(await world.db('users').where({ email: 'zoe\u0301@xn--bcher-kva.example' }).pluck('email')).to.deep.equal([
      'Zoé@Bücher.example',
    ]);
  });

  it('uniqueness is enforced by PostgreSQL across cases, and the error does not say of whom', async () => {
    const error = await failureOf(() => world.db('users').insert({ email: 'User7@Example.org' }));
    expect(error.code).to.equal('23505');
    expect(error.detail).to.equal(undefined);
    expect(error.message).not.to.match(/user7/i);
  });

  it('trap 7: <> and not in, in raw SQL, leave out who they name and nobody else', async () => {
    const { rows } = await world.db.raw('select count(*) from users where email <> ?', ['user7@example.org']);
    const { count } = (await world.db('users').count().first()) ?? {};
    expect(Number(rows[0].count)).to.equal(Number(count) - 1);
    const listed = world.db.raw('select count(*) from users where email not in (?, ?)', [
      'user7@example.org',
      'user8@example.org',
    ]);
    const outcome = await listed.then(
      ({ rows }) => Number(rows[0].count),
      (error) => error.code,
    );
    expect(outcome).to.be.oneOf([Number(count) - 2, 'VALUE_FOR_BYTEA']);
  });

  it('trap 6: in (…) in raw SQL finds its rows or is refused, and never silently finds nothing', async () => {
    const one = await world.db.raw('select name from users where email in (?)', ['user7@example.org']);
    expect(one.rows).to.deep.equal([{ name: 'N7' }]);
    const two = world.db.raw('select name from users where email in (?, ?)', [
      'user7@example.org',
      'user8@example.org',
    ]);
    expect((await failureOf(() => two)).code).to.equal('VALUE_FOR_BYTEA');
    const builder = world.db('users').whereIn('email', ['user7@example.org', 'user8@example.org']).orderBy('id');
    expect(await builder.pluck('name')).to.deep.equal(['N7', 'N8']);
  });

  it('trap 5: where the session does not see the operators, a raw comparison is refused instead of finding nothing', async () => {
    await world.db.transaction(async (trx) => {
      await trx.raw('set local search_path to pg_catalog');
      const hidden = trx.raw('select name from public.users where email = ?', ['user9@example.org']);
      expect((await failureOf(() => hidden)).code).to.equal('OPERATOR_UNREACHABLE');
      expect(await trx('public.users').where({ email: 'user9@example.org' }).pluck('name')).to.deep.equal(['N9']);
    });
  });

  it('trap 5: whatever the application has its types read as', async () => {
    const getTypeParser = (oid: number) => (text: string) => (oid === 114 ? { json: `${text} public` } : text);
    const { db } = await world.another({
      config: { connection: { connectionString: world.url, types: { getTypeParser } } as never },
    });
    await db.transaction(async (trx) => {
      await trx.raw('set local search_path to pg_catalog');
      const hidden = trx.raw('select name from public.users where email = ?', ['user9@example.org']);
      expect((await failureOf(() => hidden)).code).to.equal('OPERATOR_UNREACHABLE');
    });
  });
});
