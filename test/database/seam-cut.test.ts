/** What a cut connection or a failed statement leaves: no half-sealed row, no connection of the pool that is not given back. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { failureOf } from '../support/refusals';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';

describe('A connection that is cut, a statement that fails', () => {
  let world: World;
  let reader: Knex;
  before(async () => {
    world = await createWorld({ config: { pool: { min: 0, max: 2 }, acquireConnectionTimeout: 5000 } });
    // of its own pool: Knex may hand a connection out once more before it hears that it was cut
    reader = (await world.another()).db;
    await world.db('users').insert([
      { id: 1, email: 'ada@example.org', name: 'Ada', locale: 'fr' },
      { id: 2, email: 'bob@example.org', name: 'Bob', locale: 'fr' },
    ]);
    // the server closes the connection of whoever writes this locale
    await world.plain.raw(`
      create function cut() returns trigger language plpgsql as $$
      begin
        if new.locale = 'cut' then
          perform pg_terminate_backend(pg_backend_pid());
        elsif new.locale = 'fail' then
          raise exception 'no';
        end if;
        return new;
      end $$;
      create function cutting(how text) returns boolean language plpgsql immutable as $$
      begin
        if how = 'cut' then
          perform pg_terminate_backend(pg_backend_pid());
        end if;
        raise exception 'no';
      end $$;
      create trigger cut before insert or update on users for each row when (new.id <> 1) execute function cut();`);
  });
  after(() => world.end());
  const used = (): number => world.db.client.pool.numUsed() + world.db.client.pool.numPendingAcquires();

  /** Until it hears of it, Knex hands a connection out once more that is no longer there. */
  const cut = (): object[] =>
    world.db.client.pool.free
      .map(({ resource }: { resource: object }) => resource)
      .filter((each: { __knex__disposed?: unknown }) => each.__knex__disposed);

  afterEach(async () => {
    expect(used(), 'connections in use').to.equal(0);
    const rows = await reader('users').orderBy('id').select('id', 'name', 'email', 'locale');
    expect(rows).to.deep.equal([
      { id: 1, name: 'Ada', email: 'ada@example.org', locale: 'fr' },
      { id: 2, name: 'Bob', email: 'bob@example.org', locale: 'fr' },
    ]);
    const unsealed = await world.plain('users').whereRaw(`substring(name::bytea, 1, 3) <> '\\xa70b01'`).count();
    expect(unsealed).to.deep.equal([{ count: '0' }]);
  });

  const people = (locale: string): object[] =>
    [10, 11, 12].map((id) => ({ id, email: `p${id}@example.org`, name: `P${id}`, locale: id === 11 ? locale : 'fr' }));

  async function* failing(rows: object[]): AsyncGenerator<object> {
    yield* rows;
    throw new Error('no');
  }

  const works: Record<string, (db: Knex, locale: string) => Promise<unknown>> = {
    'an insert of several': async (db, locale) => db('users').insert(people(locale)),
    'batchInsert in chunks': async (db, locale) => db.batchInsert('users', people(locale) as never, 1),
    'an update that is sent once for each person': async (db, locale) =>
      db('users').whereIn('id', [1, 2]).update({ name: 'same', locale }),
    'an upsert': async (db, locale) =>
      db('users').insert({ id: 2, email: 'bob@example.org', name: 'X', locale }).onConflict('email').merge(),
    'a transaction': async (db, locale) =>
      db.transaction(async (trx) => {
        await trx('users').where({ id: 1 }).update({ name: 'trx' });
        await trx('users').insert(people(locale));
      }),
    'several at once in a transaction': async (db, locale) =>
      db.transaction((trx) =>
        Promise.all([trx('users').where({ id: 1 }).update({ name: 'x' }), trx('users').insert(people(locale))]),
      ),
    'raw SQL': async (db, locale) => db.raw('update users set locale = ? where email = ?', [locale, 'bob@example.org']),
    'raw SQL that is planned first': async (db, locale) =>
      db.raw(`select u.name, c.signatory from users u join contracts c on c.user_id = u.id and cutting('${locale}')`),
    'raw SQL that is planned first, in a transaction': async (db, locale) =>
      db.transaction(async (trx) => {
        await trx('users').where({ id: 1 }).update({ name: 'trx' });
        await trx.raw(
          `select u.name, c.signatory from users u join contracts c on c.user_id = u.id and cutting('${locale}')`,
        );
      }),
    insertMany: async (_, locale) => world.insertMany('users', people(locale), { chunkSize: 1 }),
    'insertMany of rows that end in an error': async (_, locale) =>
      world.insertMany('users', failing(people(locale)), { chunkSize: 1 }),
    'a stream': async (db, locale) => {
      const rows = db('users').where({ id: 2 }).update({ name: 'streamed', locale }).returning('name').stream();
      for await (const row of rows) expect.fail(`a row came: ${row}`);
    },
  };
  for (const [says, work] of Object.entries(works)) {
    it(`${says} leaves nothing when the connection is cut`, async () => {
      const before = new Set(cut());
      expect((await failureOf(() => work(world.db, 'cut'))).message).to.match(/terminat|Connection/i);
      await until('the pool hears that it was cut', async () => cut().some((each) => !before.has(each)));
    });

    it(`${says} leaves nothing when it fails, and names no value`, async () => {
      const error = await failureOf(() => work(world.db, 'fail'));
      expect(error.message).to.match(/no$/);
      expect(`${error.detail} ${error.where}`).not.to.match(/@example|P11/);
    });
  }
});
