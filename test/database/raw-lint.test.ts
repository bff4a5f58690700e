/** The lint for raw SQL: what the builder refuses by name is found in plans, and the blind index is not. */
import { expect } from 'chai';
import { lintRawQueries } from '../../src/testing';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('The lint for raw queries', () => {
  let world: World;
  let version: number;
  before(async () => {
    world = await createWorld();
    await world.db('users').insert({ id: 1, email: 'ada@example.org', name: 'Ada' });
    const { rows } = await world.plain.raw(`select current_setting('server_version_num')::int as version`);
    version = rows[0].version;
  });
  after(() => world.end());

  const found = async (run: () => Promise<unknown>): Promise<string[]> => {
    const lint = lintRawQueries(world.db);
    await run();
    lint.stop();
    const findings = await lint.findings();
    expect(lint.unplanned).to.deep.equal([]);
    return findings.map(({ table, column }) => `${table}.${column}`);
  };

  const SILENT: Record<string, string> = {
    'order by': 'select id from users order by email',
    'order by, descending and cast': 'select id from users u order by u.email::bytea desc nulls last',
    'group by': 'select count(*) from users group by email',
    distinct: 'select distinct email from users where id > ?',
    'distinct on': 'select distinct on (name) id from users',
    union: 'select email from users union select email from users',
    intersect: 'select email from users intersect select email from users',
    except: 'select email from users except select email from users',
    'count distinct': 'select count(distinct email) from users',
    'an aggregate in order': 'select array_agg(id order by name) from users',
    'a window': 'select rank() over (partition by email order by id) from users',
    'a sub-select': 'select s.email from (select email from users offset 0) s order by s.email',
    'order by a pseudonym': 'select id from users order by crm_id',
  };

  for (const [says, sql] of Object.entries(SILENT)) {
    it(`trap 27: finds ${says} in raw SQL`, async function () {
      if (version < 160_000) this.skip();
      const column = /name\b/.test(sql) ? 'users.name' : /crm_id/.test(sql) ? 'users.crm_id' : 'users.email';
      const bindings = sql.includes('?') ? [0] : [];
      expect(await found(() => world.db.raw(sql, bindings).then())).to.deep.equal([column]);
    });
  }

  it('trap 27: finds orderByRaw and groupByRaw of the builder', async function () {
    if (version < 160_000) this.skip();
    expect(await found(() => world.db('users').orderByRaw('email').select('id').then())).to.deep.equal(['users.email']);
    expect(await found(() => world.db('users').groupByRaw('name').count().then())).to.deep.equal(['users.name']);
  });

  it('finds nothing in what compares blind indexes, other columns or nothing', async function () {
    if (version < 160_000) this.skip();
    const run = async (): Promise<void> => {
      await world.db('users').countDistinct('email');
      await world.db('users').where({ email: 'ada@example.org' }).orderBy('id');
      await world.db('users').whereIn('email', ['ada@example.org']).select('email');
      await world.db.raw('select last_ip from users group by last_ip order by last_ip');
      await world.db.raw('select email from users union all select email from users');
      await world.db('users').where({ id: 1 }).update({ name: 'A' }).returning('name');
      await world.db('products').distinct('email').orderBy('email');
    };
    expect(await found(run)).to.deep.equal([]);
  });

  it('plans and runs nothing: a text of several statements stays unplanned', async function () {
    if (version < 160_000) this.skip();
    const lint = lintRawQueries(world.db);
    await world.db.raw('select 1; update products set name = null');
    await world.plain('products').insert({ id: 1, name: 'x' });
    await world.db.transaction(async (trx) => {
      await trx.raw('create temporary table passing (n int) on commit drop');
      await trx.raw('select n from passing');
    });
    lint.stop();
    await world.db.raw('select email from users order by email');
    expect(await lint.findings()).to.deep.equal([]);
    expect(lint.unplanned).to.deep.equal(['select 1; update products set name = null', 'select n from passing']);
    expect(await world.plain('products').pluck('name')).to.deep.equal(['x']);
    expect(world.db.client.pool.numUsed()).to.equal(0);
  });

  it('says so where PostgreSQL is older than 16', async function () {
    if (version >= 160_000) this.skip();
    expect((await failureOf(() => lintRawQueries(world.db).findings())).message).to.match(/version 16/);
  });
});
