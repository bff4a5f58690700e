/** Inserts, updates, upserts, deletes. */
import { ADA, any, BOB, type Chapter, NEW, refused, works } from './verb';

export const writing: Chapter = {
  title: 'Writing',
  verbs: [
    works('insert', (db) =>
      db('users').insert({ id: 10, email: NEW, name: 'New', birth_date: '2000-01-31' }).returning('*'),
    ),
    works('insert of several', async (db) => {
      await db('users').insert([
        { id: 10, email: NEW, name: 'New' },
        { id: 11, email: 'eve@example.org' },
      ]);
      return db('users').where('id', '>', 9).orderBy('id');
    }),
    works('into', (db) => db.insert({ id: 10, email: NEW }, ['id', 'email']).into('users')),
    refused('insert of an expression', 'EXPRESSION', (db) => db('users').insert({ id: 10, email: any(db.raw("'x'")) })),
    refused('insert from a select', 'INSERT_SELECT', (db) =>
      db('users').insert(any(db.raw("(id, email) select 99, 'x' where false"))),
    ),
    works('returning', (db) => db('users').where({ id: 1 }).update({ name: 'A.' }).returning(['id', 'name', 'email'])),
    works('update', async (db) => [
      await db('users').where({ email: ADA }).update({ name: 'Ada L.', locale: 'de' }),
      await db('users').where({ id: 1 }).first(),
    ]),
    works('update of one column', async (db) => [
      await db('users').where({ id: 1 }).update('name', 'Ada L.'),
      await db('users').where({ id: 1 }).first('name'),
    ]),
    works(
      'update of several people',
      async (db) => [
        await db('users').whereIn('id', [1, 2]).update({ name: 'same' }),
        await db('users').orderBy('id').pluck('name'),
      ],
      'sent once for each person, all or none, at most 1,000',
    ),
    refused('update with an expression', 'EXPRESSION', (db) =>
      db('users')
        .where({ id: 1 })
        .update({ name: db.ref('nickname') }),
    ),
    works('updateFrom', async (db) => {
      await any(db('users'))
        .updateFrom('contracts')
        .where('users.id', 1)
        .whereColumn('contracts.user_id', 'users.id')
        .update({ name: 'from' });
      return db('users').where({ id: 1 }).pluck('name');
    }),
    refused('updateFrom that names nobody', 'UPDATE_UNPINNED', (db) =>
      any(db('users')).updateFrom('contracts').whereColumn('contracts.user_id', 'users.id').update({ name: 'from' }),
    ),
    refused('increment', 'INCREMENT', (db) => db('profiles').where({ id: 1 }).increment('points', 1)),
    refused('decrement', 'INCREMENT', (db) => db('profiles').where({ id: 1 }).decrement('points', 1)),
    works('onConflict, ignore', async (db) => [
      await db('users').insert({ id: 10, email: ADA, name: 'M' }).onConflict('email').ignore().returning('id'),
      await db('users').orderBy('id').pluck('name'),
    ]),
    works('merge', (db) =>
      db('users')
        .insert({ id: 1, email: ADA, name: 'Ada L.', locale: 'de' })
        .onConflict('email')
        .merge()
        .returning('*'),
    ),
    works('merge of a list of columns', (db) =>
      db('users')
        .insert({ id: 1, email: NEW, name: 'Ada L.', locale: 'de' })
        .onConflict('id')
        .merge(['name'])
        .returning('*'),
    ),
    works('merge of values', (db) =>
      db('users').insert({ id: 1, email: ADA, name: 'ins' }).onConflict('email').merge({ name: 'upd' }).returning('*'),
    ),
    works('merge with where', async (db) => [
      await db('users')
        .insert({ id: 1, email: ADA, name: 'no' })
        .onConflict('email')
        .merge()
        .where('users.locale', 'zz'),
      await db('users')
        .insert({ id: 1, email: ADA, name: 'yes' })
        .onConflict('email')
        .merge()
        .where('users.email', ADA),
      await db('users').where({ id: 1 }).pluck('name'),
    ]),
    works('merge of several rows', (db) =>
      db('users')
        .insert([
          { id: 1, email: ADA, name: 'A' },
          { id: 10, email: NEW, name: 'N' },
        ])
        .onConflict('email')
        .merge(['name'])
        .returning(['id', 'email', 'name']),
    ),
    works('onConflict with several columns', (db) =>
      db('contracts')
        .insert({ id: 1, user_id: 1, plan: 'gold', signatory: 'merged' })
        .onConflict(['user_id', 'plan'])
        .merge()
        .returning('*'),
    ),
    works('onConflict with several columns, one sealed', (db) =>
      db('users')
        .insert({ id: 1, email: ADA, locale: 'fr', name: 'merged' })
        .onConflict(['email', 'locale'])
        .merge(['name'])
        .returning('*'),
    ),
    refused('merge on an expression', 'MERGE_TARGET', (db) =>
      db('users')
        .insert({ id: 1, email: ADA })
        .onConflict(any(db.raw('(id)')))
        .merge(),
    ),
    refused('merge of values into several rows', 'MERGE_MANY', (db) =>
      db('users')
        .insert([
          { id: 1, email: ADA },
          { id: 10, email: NEW },
        ])
        .onConflict('id')
        .merge({ name: 'x' }),
    ),
    works('delete, del', async (db) => [
      await db('contracts')
        .whereIn('user_id', db('users').select('id').where({ email: ADA }))
        .del(),
      await db('users')
        .where({ email: BOB })
        .delete()
        .catch((error: Error & { code: string }) => error.code),
    ]),
    works('using', (db) =>
      any(db('contracts')).using('users').where('users.email', ADA).whereColumn('users.id', 'user_id').del(),
    ),
    works('truncate', async (db) => [
      await db('profiles')
        .truncate()
        .then(() => 'done'),
      await db('profiles').count(),
    ]),
  ],
};
