/** Conditions: what compares a column with something. */
import { ADA, any, BOB, type Chapter, refused, works } from './verb';

export const conditions: Chapter = {
  title: 'Conditions',
  verbs: [
    works('where', (db) => db('users').where({ email: ADA }).select('id', 'name')),
    works('where with an operator', (db) => db('users').where('email', '<>', ADA).orderBy('id').pluck('name')),
    works('where with null', (db) => db('users').where({ birth_date: null }).orderBy('id').pluck('name')),
    refused('where with an order or a pattern', 'OPERATOR', (db) => db('users').where('email', '>', 'b')),
    refused('where without search', 'NOT_SEARCHABLE', (db) => db('users').where({ name: 'Ada' })),
    works('andWhere', (db) => db('users').where({ locale: 'fr' }).andWhere({ email: ADA }).pluck('name')),
    works('orWhere', (db) => db('users').where({ email: ADA }).orWhere('email', BOB).orderBy('id').pluck('name')),
    works('whereNot', (db) => db('users').whereNot({ email: ADA }).orderBy('id').pluck('name')),
    works('andWhereNot', (db) => db('users').where('id', '<', 3).andWhereNot('email', ADA).pluck('name')),
    works('orWhereNot', (db) => db('users').where({ id: 1 }).orWhereNot('email', BOB).orderBy('id').pluck('name')),
    works('where with a function', (db) =>
      db('users')
        .where((qb) => qb.where({ email: ADA }).orWhere((or) => or.where('email', BOB)))
        .orderBy('id')
        .pluck('name'),
    ),
    works('whereWrapped', (db) => any(db('users')).whereWrapped((qb: never) => any(qb).where({ email: ADA }))),
    works('whereIn', (db) => db('users').whereIn('email', [ADA, BOB]).orderBy('id').pluck('name')),
    works('whereNotIn', (db) => db('users').whereNotIn('email', [ADA, BOB]).pluck('name')),
    works('orWhereIn', (db) => db('users').where({ id: 3 }).orWhereIn('email', [ADA]).orderBy('id').pluck('name')),
    works('orWhereNotIn', (db) =>
      db('users').where({ id: 1 }).orWhereNotIn('email', [ADA, BOB]).orderBy('id').pluck('name'),
    ),
    works('whereIn with tuples', (db) =>
      db('users')
        .whereIn(
          ['id', 'email'],
          [
            [1, ADA],
            [2, ADA],
          ],
        )
        .pluck('name'),
    ),
    works('whereIn with a sub-query of the same element', (db) =>
      db('users')
        .whereIn('email', db('users').select('email').where({ locale: 'fr' }))
        .orderBy('id')
        .pluck('name'),
    ),
    works('where with a sub-query of the same element', (db) =>
      db('users as u')
        .where('u.email', (qb: never) => any(qb).select('x.email').from('users as x').where({ 'x.id': 2 }))
        .pluck('u.name'),
    ),
    refused('whereIn with another sub-query', 'SUBQUERY_OPERAND', (db) =>
      db('users').whereIn('email', db('products').select('email')),
    ),
    works('whereNull', (db) => db('users').whereNull('birth_date').orderBy('id').pluck('name')),
    works('orWhereNull', (db) => db('users').where({ id: 1 }).orWhereNull('name').pluck('id')),
    works('whereNotNull', (db) => db('users').whereNotNull('birth_date').pluck('name')),
    works('orWhereNotNull', (db) =>
      db('users').where({ id: 2 }).orWhereNotNull('birth_date').orderBy('id').pluck('id'),
    ),
    works('whereColumn', (db) =>
      any(db('users as a').join('users as b', any(db.raw('true'))))
        .whereColumn('a.email', 'b.email')
        .orderBy('a.id')
        .pluck('a.id'),
    ),
    works('orWhereColumn', (db) =>
      any(
        db('users as a')
          .join('users as b', any(db.raw('true')))
          .where(any(db.raw('false'))),
      )
        .orWhereColumn('a.email', '=', 'b.email')
        .orderBy('a.id')
        .pluck('a.id'),
    ),
    works('whereNotColumn', (db) =>
      any(db('users as a').join('users as b', 'b.id', 'a.id'))
        .whereNotColumn('a.email', 'b.email')
        .pluck('a.id'),
    ),
    works('orWhereNotColumn', (db) =>
      any(db('users as a').join('users as b', 'b.id', 'a.id').where('a.id', 2))
        .orWhereNotColumn('a.email', 'b.email')
        .pluck('a.id'),
    ),
    refused('whereColumn with another column', 'COLUMN_COMPARE', (db) =>
      any(db('users')).whereColumn('email', 'nickname'),
    ),
    works('whereExists', (db) =>
      db('users')
        .whereExists(any(db('contracts')).whereColumn('contracts.user_id', 'users.id').where('users.email', ADA))
        .pluck('name'),
    ),
    works('whereExists, columns of the same name', (db) =>
      db('users')
        .whereExists((qb) => qb.from('products').where('email', 'shop@example.org'))
        .orderBy('id')
        .pluck('id'),
    ),
    works('orWhereExists', (db) =>
      db('users').where({ id: 9 }).orWhereExists(db('products').where('users.email', BOB)).pluck('id'),
    ),
    works('whereNotExists', (db) =>
      db('users')
        .whereNotExists(any(db('contracts')).whereColumn('user_id', 'users.id'))
        .pluck('name'),
    ),
    works('orWhereNotExists', (db) =>
      db('users')
        .where({ email: ADA })
        .orWhereNotExists(any(db('contracts')).whereColumn('user_id', 'users.id'))
        .orderBy('id')
        .pluck('id'),
    ),
    refused('whereBetween', 'OPERATOR', (db) => db('users').whereBetween('email', ['a', 'b'])),
    refused('andWhereBetween', 'OPERATOR', (db) => db('users').where({ id: 1 }).andWhereBetween('email', ['a', 'b'])),
    refused('orWhereBetween', 'OPERATOR', (db) => db('users').where({ id: 1 }).orWhereBetween('email', ['a', 'b'])),
    refused('whereNotBetween', 'OPERATOR', (db) => db('users').whereNotBetween('email', ['a', 'b'])),
    refused('andWhereNotBetween', 'OPERATOR', (db) =>
      db('users').where({ id: 1 }).andWhereNotBetween('email', ['a', 'b']),
    ),
    refused('orWhereNotBetween', 'OPERATOR', (db) =>
      db('users').where({ id: 1 }).orWhereNotBetween('email', ['a', 'b']),
    ),
    refused('whereLike', 'OPERATOR', (db) => db('users').whereLike('email', 'a%')),
    refused('andWhereLike', 'OPERATOR', (db) => db('users').where({ id: 1 }).andWhereLike('email', 'a%')),
    refused('orWhereLike', 'OPERATOR', (db) => db('users').where({ id: 1 }).orWhereLike('email', 'a%')),
    refused('whereILike', 'OPERATOR', (db) => db('users').whereILike('email', 'a%')),
    refused('andWhereILike', 'OPERATOR', (db) => db('users').where({ id: 1 }).andWhereILike('email', 'a%')),
    refused('orWhereILike', 'OPERATOR', (db) => db('users').where({ id: 1 }).orWhereILike('email', 'a%')),
    works('whereILike of a beginning, with tokens', (db) =>
      db('profiles').whereILike('bio', 'ENG%').orderBy('id').pluck('id'),
    ),
    works('andWhereILike, with tokens', (db) =>
      db('profiles').where('id', '>', 1).andWhereILike('bio', 'eng%').pluck('id'),
    ),
    works('orWhereILike, with tokens', (db) =>
      db('profiles').where({ id: 3 }).orWhereILike('bio', 'engl%').orderBy('id').pluck('id'),
    ),
    works('where with ilike, with tokens', (db) => db('profiles').where('bio', 'ilike', 'engi%').pluck('id')),
    works('whereNot with ilike, with tokens', (db) => db('profiles').whereNot('bio', 'ilike', 'engi%').pluck('id')),
    works(
      'where with @@ of words, with tokens',
      (db) => db('profiles').where('bio', '@@', 'poetry engines').pluck('id'),
      'whole words, without stemming',
    ),
    works('orWhere with @@ of words, with tokens', (db) =>
      db('profiles').where({ id: 3 }).orWhere('bio', '@@', 'gardens').orderBy('id').pluck('id'),
    ),
    works('having with ilike, with tokens', (db) =>
      db('profiles').select('id').groupBy('id').having('bio', 'ilike', 'engi%'),
    ),
    refused('whereLike, with tokens', 'TOKENS_CASE', (db) => db('profiles').whereLike('bio', 'Eng%')),
    refused('whereILike of anything but a beginning, with tokens', 'TOKENS_PATTERN', (db) =>
      db('profiles').whereILike('bio', '%poetry'),
    ),
    refused('whereILike of too short or too long a beginning, with tokens', 'TOKENS_LENGTH', (db) =>
      db('profiles').whereILike('bio', 'e%'),
    ),
    works('whereRaw', (db) => db('users').whereRaw('email = ?', [ADA]).pluck('name')),
    works('andWhereRaw', (db) => db('users').where({ id: 1 }).andWhereRaw('email = ?', [ADA]).pluck('name')),
    works('orWhereRaw', (db) =>
      db('users').where({ id: 2 }).orWhereRaw('email = ?', [ADA]).orderBy('id').pluck('name'),
    ),
    works('having', (db) =>
      db('users').select('id', 'email').groupBy('id', 'email').having('email', '=', ADA).orderBy('id'),
    ),
    works('andHaving', (db) =>
      any(db('users').select('id').groupBy('id').having('id', '<', 9)).andHaving('email', '=', ADA),
    ),
    works('orHaving', (db) => db('users').select('id').groupBy('id').having('id', '=', 9).orHaving('email', '=', BOB)),
    works('having with a function (havingWrapped)', (db) =>
      any(db('users').select('id').groupBy('id')).havingWrapped((qb: never) => any(qb).having('email', '=', ADA)),
    ),
    works('havingIn', (db) => db('users').select('id').groupBy('id').havingIn('email', [ADA])),
    works('orHavingIn', (db) =>
      any(db('users').select('id').groupBy('id').having('id', '=', 9)).orHavingIn('email', [ADA]),
    ),
    works('havingNotIn', (db) => db('users').select('id').groupBy('id').havingNotIn('email', [ADA, BOB])),
    works('orHavingNotIn', (db) =>
      any(db('users').select('id').groupBy('id').having('id', '=', 1))
        .orHavingNotIn('email', [ADA, BOB])
        .orderBy('id'),
    ),
    works('havingNull', (db) => db('users').select('id').groupBy('id').havingNull('birth_date').orderBy('id')),
    works('orHavingNull', (db) =>
      any(db('users').select('id').groupBy('id').having('id', '=', 1))
        .orHavingNull('birth_date')
        .orderBy('id'),
    ),
    works('havingNotNull', (db) => db('users').select('id').groupBy('id').havingNotNull('birth_date')),
    works('orHavingNotNull', (db) =>
      any(db('users').select('id').groupBy('id').having('id', '=', 2))
        .orHavingNotNull('birth_date')
        .orderBy('id'),
    ),
    works('havingExists', (db) =>
      any(db('users').select('id').groupBy('id')).havingExists(db('products').where('users.email', ADA)),
    ),
    works('orHavingExists', (db) =>
      any(db('users').select('id').groupBy('id').having('id', '=', 9)).orHavingExists(
        db('products').where('users.email', ADA),
      ),
    ),
    works('havingNotExists', (db) =>
      any(db('users').select('id').groupBy('id')).havingNotExists(db('products').whereNot('users.email', ADA)),
    ),
    works('orHavingNotExists', (db) =>
      any(db('users').select('id').groupBy('id').having('id', '=', 9)).orHavingNotExists(
        db('products').whereNot('users.email', ADA),
      ),
    ),
    works('havingRaw', (db) => db('users').select('id').groupBy('id').havingRaw('email = ?', [ADA])),
    works('orHavingRaw', (db) =>
      db('users').select('id').groupBy('id').having('id', '=', 9).orHavingRaw('email = ?', [ADA]),
    ),
    refused('havingBetween', 'OPERATOR', (db) =>
      db('users')
        .groupBy('id')
        .havingBetween('email', any(['a', 'b'])),
    ),
    refused('orHavingBetween', 'OPERATOR', (db) =>
      any(db('users').groupBy('id').having('id', '=', 1)).orHavingBetween('email', ['a', 'b']),
    ),
    refused('havingNotBetween', 'OPERATOR', (db) =>
      db('users')
        .groupBy('id')
        .havingNotBetween('email', any(['a', 'b'])),
    ),
    refused('orHavingNotBetween', 'OPERATOR', (db) =>
      any(db('users').groupBy('id').having('id', '=', 1)).orHavingNotBetween('email', ['a', 'b']),
    ),
    ...[
      'whereJsonObject',
      'orWhereJsonObject',
      'whereNotJsonObject',
      'orWhereNotJsonObject',
      'whereJsonSupersetOf',
      'orWhereJsonSupersetOf',
      'whereJsonNotSupersetOf',
      'orWhereJsonNotSupersetOf',
      'whereJsonSubsetOf',
      'orWhereJsonSubsetOf',
      'whereJsonNotSubsetOf',
      'orWhereJsonNotSubsetOf',
    ].map((verb) => refused(verb, 'JSON', (db) => any(db('profiles').where({ id: 1 }))[verb]('profile', { a: 1 }))),
    ...['whereJsonPath', 'orWhereJsonPath'].map((verb) =>
      refused(verb, 'JSON', (db) => any(db('profiles').where({ id: 1 }))[verb]('profile', '$.a', '=', 1)),
    ),
  ],
};
