/** How a query runs: streams, transactions, connections, time limits. */
import { Writable } from 'node:stream';
import type { Knex } from 'knex';
import { ADA, alone, any, BOB, type Chapter, works } from './verb';

export const running: Chapter = {
  title: 'Running',
  verbs: [
    works('raw, positional and named', async (db) => [
      (await db.raw('select name from users where email = ?', [ADA])).rows,
      (
        await db.raw(
          'select name from ?? where email = :email'.replace('??', ':table:'),
          any({ table: 'users', email: BOB }),
        )
      ).rows,
    ]),
    works('ref', (db) =>
      db('users')
        .where(db.ref('users.email') as never, ADA)
        .select(db.ref('name').as('n')),
    ),
    works('stream', async (db) => {
      const names: unknown[] = [];
      for await (const row of db('users').orderBy('id').select('name', 'email').stream()) names.push(row);
      return names;
    }),
    works('stream with a handler, with back-pressure', async (db) => {
      const rows: unknown[] = [];
      const slow = new Writable({
        objectMode: true,
        highWaterMark: 1,
        write: (row, _encoding, done) => {
          rows.push(row);
          setImmediate(done);
        },
      });
      const finished = new Promise((resolve) => slow.once('finish', resolve));
      await db('users')
        .orderBy('id')
        .select('name')
        .stream((stream) => stream.pipe(slow));
      await finished;
      return rows;
    }),
    works('stream, broken off', async (db) => {
      for await (const row of db('users').orderBy('id').select('name').stream()) return row;
      return undefined;
    }),
    works('pipe', async (db) => {
      const rows: unknown[] = [];
      await new Promise<void>((resolve, reject) => {
        const target = new Writable({
          objectMode: true,
          write: (row, _e, done) => done(rows.push(row) > 0 ? null : undefined),
        });
        target.once('finish', resolve).once('error', reject);
        any(db('users').orderBy('id').select('name')).pipe(target);
      });
      return rows;
    }),
    works(
      'asCallback',
      (db) =>
        new Promise((resolve, reject) => {
          any(db('users').where({ email: ADA }).select('name')).asCallback((error: unknown, rows: unknown) =>
            error ? reject(error) : resolve(rows),
          );
        }),
    ),
    works('then, catch, finally', (db) =>
      db('users')
        .where({ email: ADA })
        .pluck('name')
        .catch(() => 'never')
        .finally(() => undefined)
        .then((names) => names),
    ),
    works(
      'on',
      async (db) => {
        const heard: unknown[] = [];
        await db('users')
          .where({ email: ADA })
          .select('name')
          .on('query', ({ method }: { method: string }) => heard.push(method));
        return heard;
      },
      'events hold `[oubli users.email]` in place of values',
    ),
    works(
      'toString, toSQL',
      (db) => {
        const query = db('users').where({ id: 1 }).select('name');
        return [query.toString(), query.toSQL().sql];
      },
      "a sealed column's operand prints as `[oubli users.email]`",
    ),
    works('timeout', (db) => db('users').where({ email: ADA }).pluck('name').timeout(5000)),
    alone('timeout with cancel', async (db) => {
      const slow = db('users')
        .where({ email: ADA })
        .select('name', db.raw('pg_sleep(20)'))
        .timeout(50, { cancel: true });
      const message = await slow.then(
        () => 'in time',
        (error: Error) => error.message.replace(/^.* - /, ''),
      );
      return [message, await db('users').where({ email: ADA }).pluck('name')];
    }),
    alone('connection', async (db) => {
      const connection = await db.client.acquireConnection();
      try {
        return await db('users').where({ email: ADA }).connection(connection).select('name');
      } finally {
        await db.client.releaseConnection(connection);
      }
    }),
    alone('transacting', (db) =>
      db.transaction((trx) => db('users').transacting(trx).where({ email: ADA }).select('name')),
    ),
    alone('transaction', async (db) => {
      await db
        .transaction(async (trx) => {
          await trx('users').where({ id: 1 }).update({ name: 'not for long' });
          throw new Error('no');
        })
        .catch(() => undefined);
      return db('users').where({ id: 1 }).pluck('name');
    }),
    alone('transactionProvider', async (db) => {
      const provide = db.transactionProvider();
      const trx = await provide();
      const same = await provide();
      await trx('users').where({ id: 1 }).update({ name: 'provided' });
      const names = await same('users').where({ id: 1 }).pluck('name');
      await trx.rollback();
      return [names, await db('users').where({ id: 1 }).pluck('name')];
    }),
    works('savepoints', async (db) => {
      const inner = db.transaction(async (savepoint) => {
        await savepoint('users').where({ id: 1 }).update({ name: 'inner' });
        throw new Error('back');
      });
      await inner.catch(() => undefined);
      await db.transaction((savepoint) => savepoint('users').where({ id: 2 }).update({ name: 'kept' }));
      return db('users').orderBy('id').pluck('name');
    }),
    works('Promise.all in one transaction', async (db) => {
      const write = (id: number): Promise<unknown> =>
        db('users')
          .where({ id })
          .update({ name: `n${id}` })
          .then();
      await Promise.all([1, 2, 3].map(write));
      return Promise.all([1, 2, 3].map((id) => db('users').where({ id }).pluck('name')));
    }),
    works('batchInsert, in chunks', async (db) => {
      const rows = Array.from({ length: 7 }, (_, i) => ({ id: 20 + i, email: `p${i}@example.org`, name: `P${i}` }));
      const returned = await db.batchInsert('users', rows, 3).returning(any(['id', 'email']));
      return [
        returned,
        await db('users')
          .whereIn(
            'email',
            rows.map(({ email }) => email),
          )
          .orderBy('id')
          .pluck('name'),
      ];
    }),
    alone('withUserParams', (db) => any(db).withUserParams({ tenant: 1 })('users').where({ email: ADA }).pluck('name')),
    alone('columnInfo of a whole table', async (db: Knex) => Object.keys(await db('users').columnInfo()).sort()),
  ],
};
