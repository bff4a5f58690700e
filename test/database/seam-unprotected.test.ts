import { expect } from 'chai';
import type { Knex } from 'knex';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('A table without personal data', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
    await world.plain.schema.createTable('things', (t) => {
      t.increments('id');
      t.text('label').unique();
      t.binary('data');
      t.jsonb('doc');
      t.specificType('tags', 'text[]');
      t.integer('n').checkPositive();
    });
  });
  after(() => world.end());
  beforeEach(() => world.plain.raw('truncate things restart identity'));

  /** Everything an instance tells its listeners, without what differs from run to run. */
  async function heard(knex: Knex, work: (knex: Knex) => Promise<unknown>): Promise<unknown[]> {
    const events: unknown[] = [];
    const listeners: Record<string, (...args: never[]) => void> = {
      query: (query: { sql: string; bindings: unknown[]; method?: string }) =>
        events.push(['query', query.sql, query.bindings, query.method]),
      'query-response': (response: unknown, query: { sql: string; bindings: unknown[] }) =>
        events.push(['response', plainly(response), query.sql, query.bindings]),
      'query-error': (error: Error, query: { sql: string; bindings: unknown[] }) =>
        events.push(['error', error.message, { ...error }, query.sql, query.bindings]),
    };
    for (const [event, listener] of Object.entries(listeners)) knex.on(event, listener as never);
    let outcome: unknown;
    try {
      outcome = ['result', plainly(await work(knex))];
    } catch (error) {
      outcome = ['thrown', (error as Error).name, (error as Error).message, { ...(error as Error) }];
    }
    for (const [event, listener] of Object.entries(listeners)) knex.removeListener(event, listener as never);
    return [...events, outcome];
  }

  /** A `pg` Result without its inner parts. */
  function plainly(response: unknown): unknown {
    const { command, rowCount, rows } = (response ?? {}) as Record<string, unknown>;
    return rows && command ? { command, rowCount, rows } : response;
  }

  const works: Record<string, (knex: Knex) => Promise<unknown>> = {
    'an insert with returning': async (knex) =>
      knex('things')
        .insert({ label: 'a', data: Buffer.from('x'), doc: { b: 1 }, tags: ['t', 'u'], n: 1 })
        .returning('*'),
    'an insert without returning': async (knex) => knex('things').insert([{ label: 'a' }, { n: 4 }]),
    'an update, a select, a count, a delete': async (knex) => {
      await knex('things').insert({ label: 'a', n: 1 });
      await knex('things')
        .where({ label: 'a' })
        .update({ n: 2, doc: knex.raw('?::jsonb', ['{}']) });
      await knex('things').whereIn('label', ['a', 'b']).orderBy('label').select('id', 'label as l');
      await knex('things').whereLike('label', 'a%').countDistinct('label');
      await knex('things').whereRaw('label = ?', ['a']).increment('n', 3);
      return knex('things').where('n', '>', 1).del();
    },
    'raw SQL with bindings': async (knex) => {
      await knex.raw('insert into things (label, data) values (?, ?)', ['a', 'text for bytes']);
      return knex.raw('select label, ?::int as n from things where label = :l'.replace(':l', '?'), [1, 'a']);
    },
    'an upsert, a union, a CTE, a sub-query': async (knex) => {
      await knex('things').insert({ label: 'a', n: 1 }).onConflict('label').merge();
      await knex('things').insert({ label: 'a', n: 5 }).onConflict('label').merge({ n: 7 });
      await knex('things').select('label').union(knex('products').select('name'));
      await knex
        .with('w', knex('things').where({ n: 7 }))
        .from('w')
        .where({ label: 'a' });
      return knex('things')
        .whereIn('id', knex('things').select('id').where({ label: 'a' }))
        .pluck('label');
    },
    'streams, batches, arrays, json and ::text': async (knex) => {
      await knex.batchInsert(
        'things',
        [{ label: 'a', tags: ['x'] }, { label: 'b', tags: [], data: Buffer.from('a70b01', 'hex') } as never],
        1,
      );
      const rows: unknown[] = [];
      for await (const row of knex('things').orderBy('id').stream()) rows.push(row);
      const { rows: nested } = await knex.raw(
        `select array_agg(label order by id) as l, json_agg(things order by id) as j, array_agg(data) as d, string_agg(data::text, ',') as t from things`,
      );
      return [
        rows,
        nested,
        await knex('things')
          .whereIn(['label', 'id'], [['a', 1]])
          .pluck('id'),
      ];
    },
    'comparisons, windows, sets and sub-queries': async (knex) => {
      await knex('things').insert([
        { label: 'a', n: 1 },
        { label: 'b', n: 2 },
      ]);
      await knex('things').whereIn('label', knex('things').select('label')).orderBy('label').select('label');
      await knex('things').countDistinct('label', 'n');
      await knex('things')
        .select('label')
        .except(knex('things').select('label').where({ n: 2 }));
      await knex('things').rank('r', 'label').select('label').orderBy('label');
      await knex('things').where('label', 'ilike', 'A%').orWhereBetween('label', ['a', 'b']).orderBy('id');
      return knex('things').distinct('label').min('n').groupBy('label').orderBy('label');
    },
    'a cursor’s error in the middle': async (knex) => {
      for await (const row of knex.raw('select 10 / (2 - n) as q from generate_series(1, 3) n').stream()) void row;
    },
    'a violated unique constraint': async (knex) => {
      await knex('things').insert({ label: 'dup' });
      return knex('things').insert({ label: 'dup' });
    },
    'a violated check': async (knex) => knex('things').insert({ label: 'x', n: -1 }),
    'a column that is not there': async (knex) => knex('things').insert({ nothing: 1 }),
    'raw SQL that does not parse': async (knex) => knex.raw('selekt ?', [1]),
    'an invalid value': async (knex) => knex('things').where({ n: 'many' }),
    'an undefined value': async (knex) => knex('things').where({ n: undefined }),
    'a transaction that rolls back': async (knex) =>
      knex.transaction(async (trx) => {
        await trx('things').insert({ label: 'trx' });
        throw new Error('no');
      }),
  };

  for (const [says, work] of Object.entries(works)) {
    it(`${says}: results, events, bindings and errors are those of plain Knex`, async () => {
      const theirs = await heard(world.plain, work);
      await world.plain.raw('truncate things restart identity');
      const ours = await heard(world.db, work);
      expect(ours).to.deep.equal(theirs);
    });
  }

  it('toString() and toSQL() are those of plain Knex', () => {
    for (const of of [
      (knex: Knex) => knex('things').where({ label: "o'brien" }).whereIn('n', [1, 2]),
      (knex: Knex) => knex('things').insert({ label: 'x', doc: { a: 1 } }),
      (knex: Knex) => knex.raw('select ? from things where ?? = ?', ['x', 'n', 5]),
      (knex: Knex) =>
        knex
          .with('w', knex('things').where({ label: 'a' }))
          .from('w')
          .where({ label: 'b' }),
    ]) {
      expect(of(world.db).toString()).to.equal(of(world.plain).toString());
      const { sql, bindings } = of(world.db).toSQL().toNative();
      expect({ sql, bindings }).to.deep.equal({ ...of(world.plain).toSQL().toNative() });
    }
  });

  it('its statements cost nothing more: no description, no copy of what is sent', async () => {
    const connection = await world.db.client.acquireConnection();
    const { query } = connection;
    let sent = 0;
    connection.query = function (this: unknown, ...args: unknown[]) {
      sent++;
      return query.apply(this, args);
    };
    try {
      await world.db('things').where({ label: 'x' }).connection(connection);
      await world.db('things').insert({ label: 'x', n: 1 }).connection(connection);
      await world.db.with('w', world.db('things')).from('w').where({ label: 'b' }).connection(connection);
      expect(sent).to.equal(3);
    } finally {
      connection.query = query;
      await world.db.client.releaseConnection(connection);
    }
  });

  it('unprotected() reads ciphertext on the same pool, and leaves the protected instance as it was', async () => {
    const [{ id }] = await world.db('users').insert({ email: 'u@example.org', name: 'U' }).returning('id');
    const { name } = await world.unprotected()('users').where({ id }).first();
    expect(name.subarray(0, 3).toString('hex')).to.equal('a70b01');
    expect((await world.db('users').where({ id }).first()).name).to.equal('U');
    expect((await failureOf(() => world.unprotected()('users').insert({ email: 'u2@example.org' }))).code).to.equal(
      '23514',
    );
  });

  it('trap 2: a copy with other user parameters stays protected, and the unprotected handle can cancel a query', async () => {
    const copy = world.db.withUserParams({ tenant: 5 });
    await copy('users').insert({ email: 'copy@example.org', name: 'C' });
    expect(await copy('users').where({ email: 'copy@example.org' }).pluck('name')).to.deep.equal(['C']);
    const slow = world.unprotected().raw('select pg_sleep(5)').timeout(50, { cancel: true });
    expect((await failureOf(() => slow)).message).to.match(/timeout of 50ms exceeded when running query/);
  });
});
