/** What stands for a value until it is sent is never stored or compared itself, whichever way it gets into another statement. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { OubliError } from '../../src';
import { sentDuring } from '../support/listening';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('Placeholders of personal values', () => {
  let world: World;
  let ada: number;
  before(async () => {
    world = await createWorld();
    await world.plain.schema.createTable('papers', (t) => {
      t.increments('id');
      t.jsonb('doc');
      t.specificType('tags', 'text[]');
    });
    await world.db.raw('comment on table papers is null');
    const people = [
      { email: 'ada@example.org', name: 'Ada', nickname: 'countess' },
      { email: 'bob@example.org', name: 'Bob', nickname: 'builder' },
    ];
    [{ id: ada }] = await world.db('users').insert(people).returning('id');
  });
  after(() => world.end());

  const nicknames = (): Promise<string[]> => world.plain('users').orderBy('id').pluck('nickname');
  const names = (): Promise<string[]> => world.db('users').orderBy('id').pluck('name');
  afterEach(async () => {
    expect(await nicknames()).to.deep.equal(['countess', 'builder']);
    expect(await names()).to.deep.equal(['Ada', 'Bob']);
    const { rows } = await world.plain.raw(`select p::text from papers p where p::text like '%oubli%'`);
    expect(rows).to.deep.equal([]);
  });

  const STATEMENTS: Record<string, (db: Knex) => Knex.QueryBuilder | Knex.Raw> = {
    'a search of what is clear': (db) => db('users').where({ nickname: 'countess' }).select('id'),
    'a search of what is sealed': (db) => db('users').where({ email: 'ada@example.org' }).select('id'),
    'a search of several': (db) => db('users').whereIn('nickname', ['countess', 'x']).select('id'),
    'an insert': (db) => db('users').insert({ email: 'new@example.org', nickname: 'new' }),
    'an update of one': (db) => db('users').where({ id: 1 }).update({ nickname: 'changed' }),
    'an update of several': (db) => db('users').where('id', '>', 0).update({ name: 'Changed' }),
    'a delete': (db) => db('users').where({ nickname: 'nobody' }).del(),
    'raw SQL': (db) => db.raw('select id from users where nickname = any(?)', [['countess'] as never]),
  };
  for (const [says, statement] of Object.entries(STATEMENTS)) {
    it(`${says} that was printed can be executed nowhere`, async () => {
      const printed = statement(world.db).toString();
      expect(printed).to.contain('[oubli ');
      const sent = await sentDuring(world.db, async () => {
        expect((await refusalOf(() => world.db.raw(printed))).code).to.equal('PRINTED_SQL');
      });
      expect(sent).to.deep.equal([]);
      expect((await failureOf(() => world.plain.raw(printed.replaceAll('?', '\\?')))).code).to.equal('42601');
    });

    it(`${says} that was compiled cannot be sent by a client that is not oubli’s`, async () => {
      const { sql, bindings } = statement(world.db).toSQL().toNative();
      const error = await failureOf(() => sendForeign(sql, bindings as unknown[]));
      expect(error).to.be.instanceOf(OubliError);
      expect(error.code).to.equal('PLACEHOLDER_SENT');
    });
  }

  async function sendForeign(sql: string, bindings: unknown[]): Promise<unknown> {
    const connection = await world.plain.client.acquireConnection();
    try {
      return await connection.query(sql, bindings);
    } finally {
      await world.plain.client.releaseConnection(connection);
    }
  }

  it('compiled SQL and its placeholders are the statement, given to the protected instance', async () => {
    const again = (query: Knex.QueryBuilder): Promise<{ rows: unknown[] }> => {
      const { sql, bindings } = query.toSQL();
      return world.db.raw(sql, bindings as never);
    };
    const found = await again(world.db('users').where({ email: 'ADA@example.org', nickname: 'countess' }).select('id'));
    expect(found.rows).to.deep.equal([{ id: ada }]);
    const row = { email: 'cy@example.org', name: 'Cy', nickname: 'cyclist' };
    await again(world.db('users').insert(row));
    expect(await world.db('users').where({ email: row.email }).first('name', 'nickname')).to.deep.equal({
      name: 'Cy',
      nickname: 'cyclist',
    });
    expect((await world.plain('users').where({ nickname: 'cyclist' }).first()).name.subarray(0, 2)).to.deep.equal(
      Buffer.from('a70b', 'hex'),
    );
    await world.db('users').where({ email: row.email }).del();
    const several = again(world.db('users').where('id', '>', 0).update({ name: 'Changed' }));
    expect((await refusalOf(() => several)).code).to.equal('UPDATE_UNPINNED');
  });

  const PLACED: Record<string, (db: Knex, value: never) => unknown> = {
    'in an update of a sealed column': (db, name) => db('users').where({ id: ada }).update({ name }),
    'in an update of a clear column': (db, nickname) => db('users').where({ id: ada }).update({ nickname }),
    'in an update of a column that is not personal': (db, locale) => db('users').where({ id: ada }).update({ locale }),
    'in an insert': (db, email) => db('users').insert({ email }),
    'in a merge': (db, name) =>
      db('users').insert({ email: 'ada@example.org' }).onConflict('email').merge({ name }).returning('id'),
    'in a search of a sealed column': (db, email) => db('users').where({ email }),
    'in a search of a clear column': (db, nickname) => db('users').where({ nickname }),
    'in a list': (db, value) => db('users').whereIn('email', [value]),
    'in a list of what is clear': (db, value) => db('users').whereIn('nickname', ['x', value]),
    'in a table that is not personal': (db, name) => db('products').insert({ name }),
    'in JSON': (db, value) => db('papers').insert({ doc: { deep: [{ value }] } }),
    'in JSON of one column': (db, value) => db('papers').where({ id: 1 }).update('doc', { deep: value }),
    'in JSON that is searched': (db, value) => db('papers').whereJsonSupersetOf('doc', { deep: value }),
    'in an array': (db, value) => db('papers').insert({ tags: ['a', value] }),
    'in an array compared with a clear column': (db, value) => db('users').where('nickname', '=', [value] as never),
  };
  for (const [says, query] of Object.entries(PLACED)) {
    it(`a value that says whose it is belongs to raw SQL: ${says} it is refused`, async () => {
      const value = world.subject('user', ada).value('Ada Lovelace') as never;
      const sent = await sentDuring(world.db, async () => {
        const error = await refusalOf(async () => await query(world.db, value));
        expect(error.code).to.equal('PLACEHOLDER_AS_VALUE');
        expect(`${error.message} ${error.fix}`).not.to.match(/undefined|Lovelace/);
      });
      expect(sent).to.deep.equal([]);
    });
  }

  it('a view over a personal constant is refused: its text would be the placeholder’s', async () => {
    const made = world.db.schema.createView('countesses', (view) => {
      view.as(world.db('users').where({ nickname: 'countess' }).select('id') as never);
    });
    expect((await refusalOf(() => made)).code).to.equal('PRINTED_SQL');
    expect(await world.plain.schema.hasTable('countesses')).to.equal(false);
  });
});
