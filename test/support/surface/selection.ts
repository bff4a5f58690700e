/** What a select lists, joins, orders and combines. */
import { ADA, any, BOB, type Chapter, refused, works } from './verb';

export const selection: Chapter = {
  title: 'Selecting',
  verbs: [
    works('select', (db) => db.select('id', 'name').from('users').orderBy('id')),
    works('columns, column', (db) => db('users').column('id', { who: 'name' }).columns(['email as e']).orderBy('id')),
    works('first', (db) => db('users').where({ email: ADA }).first()),
    works('pluck', (db) => db('users').orderBy('id').pluck('email')),
    works('from', (db) => db.from('users').where('users.email', ADA).select('name')),
    works('from a sub-query', (db) =>
      db.from(db('users').select('id', 'email').as('u')).where('u.email', ADA).pluck('u.id'),
    ),
    works('fromRaw', (db) => db.select('name').fromRaw('users as u').where('u.email', ADA)),
    works('table', (db) => any(db.select('name')).table('users').where({ email: ADA })),
    works('withSchema', (db) => db.withSchema('public').from('users').where({ email: ADA }).pluck('name')),
    works('as', (db) =>
      db('contracts')
        .select('id', any(db('users').select('name')).whereColumn('users.id', 'contracts.user_id').as('who'))
        .orderBy('id'),
    ),
    works('distinct with the primary key', (db) => db('users').distinct('id', 'email').orderBy('id')),
    refused('distinct', 'DISTINCT', (db) => db('users').distinct('email')),
    works('distinctOn another column', (db) =>
      db('users').distinctOn('locale').orderBy('locale').orderBy('id').select('name'),
    ),
    refused('distinctOn', 'DISTINCT', (db) => db('users').distinctOn('email')),
    works('count', (db) => db('users').count({ people: 'name' })),
    works(
      'countDistinct',
      (db) => db('contracts').join('users', 'users.id', 'user_id').countDistinct({ people: 'users.email' }),
      'counts blind indexes: `Ada@x.org` and `ada@x.org` are one',
    ),
    works('countDistinct of several columns', (db) => db('users').countDistinct('email', 'locale')),
    refused('countDistinct without search', 'NOT_SEARCHABLE', (db) => db('users').countDistinct('name')),
    refused('min', 'AGGREGATE', (db) => db('users').min('email')),
    refused('max', 'AGGREGATE', (db) => db('users').max('email')),
    ...['sum', 'avg'].map((verb) => refused(verb, 'AGGREGATE', (db) => any(db('profiles'))[verb]('points'))),
    ...['sumDistinct', 'avgDistinct'].map((verb) =>
      refused(verb, 'DISTINCT', (db) => any(db('profiles'))[verb]('points')),
    ),
    works('groupBy with the primary key', (db) =>
      db('users').select('id', 'name').groupBy('id', 'name').count().orderBy('id'),
    ),
    refused('groupBy', 'GROUP_BY', (db) => db('users').select('email').groupBy('email')),
    works(
      'groupByRaw',
      (db) => db('users').select('locale').count().groupByRaw('locale').orderBy('locale'),
      'not looked into: `lintRawQueries` does',
    ),
    works('orderBy another column', (db) =>
      db('users')
        .orderBy([{ column: 'id', order: 'desc' }])
        .pluck('name'),
    ),
    refused('orderBy', 'ORDER_BY', (db) => db('users').orderBy('email')),
    works(
      'orderByRaw',
      (db) => db('users').orderByRaw('id desc').pluck('name'),
      'not looked into: `lintRawQueries` does',
    ),
    works('limit, offset', (db) => db('users').orderBy('id').limit(1).offset(1).select('name')),
    works('unionAll', (db) =>
      db('users')
        .select('name')
        .where({ id: 1 })
        .unionAll(db('contracts').select('signatory').where({ id: 2 })),
    ),
    refused('union', 'SET_OPERATION', (db) => db('users').select('email').union(db('users').select('email'))),
    refused('intersect', 'SET_OPERATION', (db) => db('users').select('email').intersect(db('users').select('email'))),
    refused('except', 'SET_OPERATION', (db) => db('users').select('email').except(db('users').select('email'))),
    works('union of other columns', (db) =>
      db('users').select('locale').union(db('users').select('locale')).orderBy('locale'),
    ),
    works('rank, denseRank, rowNumber', (db) =>
      db('users').select('name').rank('r', 'id').denseRank('d', 'id').rowNumber('n', 'id', 'locale').orderBy('id'),
    ),
    ...['rank', 'denseRank', 'rowNumber'].map((verb) =>
      refused(`${verb} by a sealed column`, 'ANALYTIC', (db) => any(db('users'))[verb]('r', 'email')),
    ),
    ...[
      ['jsonExtract', '$.a', 'x'],
      ['jsonSet', '$.a', '1', 'x'],
      ['jsonInsert', '$.b', '1', 'x'],
      ['jsonRemove', '$.a', 'x'],
    ].map(([verb, ...more]) =>
      refused(String(verb), 'JSON', (db) => any(db('profiles'))[String(verb)]('profile', ...more)),
    ),
    works('with', (db) => db.with('w', db('users').select('id', 'email')).from('w').where({ email: ADA }).pluck('id')),
    works('with a function, withMaterialized, withNotMaterialized', (db) =>
      db
        .with('a', (qb) => qb.from('users').where({ email: ADA }))
        .withMaterialized('b', db('users').where({ email: BOB }))
        .withNotMaterialized('c', db('users').where({ id: 3 }))
        .select('name')
        .from('a')
        .unionAll([db('b').select('name'), db('c').select('name')]),
    ),
    works('with, data-modifying', (db) =>
      db
        .with('w', db('users').where({ id: 1 }).update({ name: 'Ada L.' }).returning(['id', 'name']) as never)
        .select('*')
        .from('w'),
    ),
    works('with, an insert', (db) =>
      db
        .with('w', db('contracts').insert({ id: 9, user_id: 1, signatory: 'with' }).returning('signatory') as never)
        .select('*')
        .from('w'),
    ),
    works('withRecursive', (db) =>
      db
        .withRecursive('r', (qb) =>
          qb
            .select('id', 'name')
            .from('users')
            .where({ email: ADA })
            .unionAll((next) =>
              next
                .select('users.id', 'users.name')
                .from('users')
                .join('r', any(db.raw('users.id = r.id + 1'))),
            ),
        )
        .from('r')
        .orderBy('id'),
    ),
    works('forUpdate, forShare, forNoKeyUpdate, forKeyShare, skipLocked, noWait', async (db) => [
      await db('users').where({ email: ADA }).forUpdate().skipLocked().pluck('name'),
      await db('users').where({ email: ADA }).forShare().noWait().pluck('name'),
      await db('users').where({ email: ADA }).forNoKeyUpdate().pluck('name'),
      await db('users').where({ email: ADA }).forKeyShare().pluck('name'),
    ]),
    works('columnInfo', (db) => db('users').columnInfo('locale')),
    works('comment, hintComment', (db) =>
      db('users').comment('why').hintComment('NoIndex').where({ email: ADA }).pluck('name'),
    ),
    works('modify', (db) =>
      db('users')
        .modify((qb) => qb.where({ email: ADA }))
        .pluck('name'),
    ),
    works('fromJS', (db) => any(db('users')).fromJS({ where: [{ email: ADA }], select: ['name'] })),
    works('clone', async (db) => {
      const query = db('users').where({ email: ADA });
      const clone = query.clone().orWhere({ email: BOB });
      return [await query.pluck('name'), await clone.orderBy('id').pluck('name'), query.toSQL().bindings.length];
    }),
    works('clear, clearSelect, clearWhere, clearGroup, clearOrder, clearHaving, clearCounters', (db) =>
      any(db('users').select('email').where({ email: BOB }).groupBy('id').orderBy('id').having('id', '=', 1))
        .clearSelect()
        .clearWhere()
        .clearGroup()
        .clearOrder()
        .clearHaving()
        .clearCounters()
        .clear('limit')
        .where({ email: ADA })
        .select('name'),
    ),
    works('options, debug, queryContext', (db) =>
      any(db('users').where({ email: ADA }).options({ rowMode: 'array' }).debug(false))
        .queryContext({ a: 1 })
        .select('name'),
    ),
  ],
};

export const joins: Chapter = {
  title: 'Joins',
  verbs: [
    works('join', (db) =>
      db('contracts')
        .join('users', 'users.id', 'contracts.user_id')
        .where('users.email', ADA)
        .orderBy('contracts.id')
        .select('signatory', 'name'),
    ),
    works('join between columns of one element', (db) =>
      db('users as a').join('users as b', 'a.email', 'b.email').orderBy('a.id').select('a.name', 'b.id'),
    ),
    refused('join with another column', 'COLUMN_COMPARE', (db) =>
      db('users').join('products', 'products.email', 'users.email'),
    ),
    works('innerJoin, leftJoin, leftOuterJoin, rightJoin, rightOuterJoin, outerJoin, fullOuterJoin', async (db) => {
      const answers: unknown[] = [];
      for (const verb of ['innerJoin', 'leftJoin', 'leftOuterJoin', 'rightJoin', 'rightOuterJoin', 'fullOuterJoin']) {
        const query = any(db('users as u'))[verb]('contracts as c', 'c.user_id', 'u.id');
        answers.push(await query.orderBy(['u.id', 'c.id']).select('u.name', 'c.signatory'));
      }
      return answers;
    }),
    works('crossJoin', (db) =>
      db('users')
        .crossJoin(any('products'))
        .where(any('users.email'), ADA)
        .orderBy('products.id')
        .pluck('products.name'),
    ),
    works('joinRaw', (db) =>
      db('contracts as c')
        .joinRaw('join users u on u.id = c.user_id and u.email = ?', [ADA])
        .orderBy('c.id')
        .pluck('u.name'),
    ),
    works('join lateral', (db) =>
      db('users as u')
        .joinRaw('cross join lateral (?) l', [
          any(db('contracts').whereRaw('user_id = u.id').orderBy('id').limit(1).select('signatory')),
        ])
        .orderBy('u.id')
        .select('u.name', 'l.signatory'),
    ),
    works('join a sub-query', (db) =>
      db('contracts as c')
        .join(db('users').select('id', 'email').as('u'), 'u.id', 'c.user_id')
        .where('u.email', ADA)
        .orderBy('c.id')
        .pluck('c.signatory'),
    ),
    works('join with onVal and ilike, with tokens', (db) =>
      db('users as u')
        .join('profiles as p', (on) => any(on.on('p.user_id', 'u.id')).andOnVal('p.bio', 'ilike', 'engl%'))
        .pluck('u.name'),
    ),
    works('join with on, andOn, orOn, onVal, andOnVal, orOnVal, onIn, onNotIn, orOnIn, orOnNotIn', (db) =>
      db('contracts as c')
        .join('users as u', (on) =>
          any(on.on('u.id', 'c.user_id').andOn('u.id', '=', 'u.id'))
            .onVal('u.email', ADA)
            .andOnVal('u.email', '<>', BOB)
            .onIn('u.email', [ADA])
            .onNotIn('u.email', [BOB])
            .orOnVal('u.email', BOB)
            .orOnIn('u.email', ['x@example.org'])
            .orOnNotIn('u.email', [ADA, BOB, 'cyd@example.org'])
            .orOn('u.id', '=', 'u.nobody_id'),
        )
        .orderBy(['c.id', 'u.id'])
        .select('c.id', 'u.name'),
    ),
    works(
      'join with onNull, orOnNull, onNotNull, orOnNotNull, onExists, orOnExists, onNotExists, orOnNotExists',
      (db) =>
        db('contracts as c')
          .join('users as u', (on) =>
            any(on.on('u.id', 'c.user_id'))
              .onNotNull('u.email')
              .onExists(db('products').where('u.email', ADA))
              .onNotExists(db('products').where('u.email', BOB))
              .orOnNull('u.email')
              .orOnNotExists(db('products').whereNotNull('u.email'))
              .orOnExists(db('products').where('u.email', 'x@example.org')),
          )
          .orderBy('c.id')
          .select('c.id', 'u.name'),
    ),
    refused('join using', 'COLUMN_COMPARE', (db) => db('users').join('products', (on) => on.using('email'))),
    ...['onBetween', 'onNotBetween', 'orOnBetween', 'orOnNotBetween'].map((verb) =>
      refused(`join ${verb}`, 'OPERATOR', (db) =>
        db('products').join('users', (on) => any(on.on('users.id', 'products.id'))[verb]('users.email', ['a', 'b'])),
      ),
    ),
    ...['onJsonPathEquals', 'orOnJsonPathEquals'].map((verb) =>
      refused(`join ${verb}`, 'JSON', (db) =>
        db('users').join('profiles', (on) =>
          any(on.on('users.id', 'profiles.id'))[verb]('profiles.profile', '$.a', 'profiles.profile', '$.a'),
        ),
      ),
    ),
  ],
};
