import { expect } from 'chai';
import type { Knex } from 'knex';
import {
  InvalidValueError,
  NotSealedError,
  type OubliError,
  SubjectErasedError,
  UnsupportedQueryError,
} from '../../src';
import { seamOf, sentDuring } from '../support/listening';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

type ErrorClass = abstract new (...args: never[]) => OubliError;
type Refused = [says: string, code: string, query: (db: Knex) => unknown];

/** Each shape of a query that cannot work over sealed values; none may reach the server. */
const UNSUPPORTED: Refused[] = [
  ["where('email', 'like')", 'OPERATOR', (db) => db('users').where('email', 'like', '%x%')],
  ["where('email', '>')", 'OPERATOR', (db) => db('users').where('email', '>', 'x')],
  ["where('email', 'ilike')", 'OPERATOR', (db) => db('users').where('email', 'ilike', 'x')],
  ['whereLike', 'OPERATOR', (db) => db('users').whereLike('email', 'x%')],
  ['whereILike', 'OPERATOR', (db) => db('users').whereILike('users.email', 'x%')],
  ['whereBetween', 'OPERATOR', (db) => db('users').whereBetween('email', ['a', 'b'])],
  ['whereNotBetween', 'OPERATOR', (db) => db('users').whereNotBetween('email', ['a', 'b'])],
  ['equality without search', 'NOT_SEARCHABLE', (db) => db('users').where({ name: 'Ada' })],
  ['whereIn without search', 'NOT_SEARCHABLE', (db) => db('users as u').whereIn('u.name', ['Ada'])],
  ['equality with a pseudonym', 'NOT_SEARCHABLE', (db) => db('users').where({ crm_id: 'x' })],
  ['an array for =', 'ARRAY_OPERAND', (db) => db('users').where({ email: ['a@example.org'] })],
  ['an insert through a view', 'VIEW_UNPINNED', (db) => db('named_users').insert({ name: 'Ada' })],
  ['an update through a view', 'VIEW_UNPINNED', (db) => db('named_users').where({ id: 1 }).update({ name: 'Ada' })],
  ['a sub-query as an operand', 'SUBQUERY_OPERAND', (db) => db('users').where('email', db('products').select('email'))],
  [
    'whereIn with a sub-query',
    'SUBQUERY_OPERAND',
    (db) => db('users').whereIn('email', db('products').select('email')),
  ],
  [
    'whereIn with a function',
    'SUBQUERY_OPERAND',
    (db) => db('users').whereIn('email', (qb) => qb.select('email').from('products')),
  ],
  ['a raw operand', 'SUBQUERY_OPERAND', (db) => db('users').where('email', db.raw('lower(nickname)'))],
  ['whereIn over tuples without search', 'NOT_SEARCHABLE', (db) => db('users').whereIn(['id', 'name'], [[1, 'Ada']])],
  [
    'whereIn over tuples of a sub-query',
    'SUBQUERY_OPERAND',
    (db) => db('users').whereIn(['id', 'email'], db('users').select('id', 'email')),
  ],
  [
    'a sub-query of another element',
    'SUBQUERY_OPERAND',
    (db) => db('users').whereIn('email', db('users').select('name')),
  ],
  [
    'having over tuples',
    'TUPLE',
    (db) => db('users').havingIn(['id', 'email'] as never, [[1, 'a@example.org']] as never),
  ],
  ['comparing with another column', 'COLUMN_COMPARE', (db) => db('users').where('email', '=', db.ref('nickname'))],
  ['a join on another column', 'COLUMN_COMPARE', (db) => db('users').join('products', 'products.email', 'users.email')],
  [
    'a join of columns without search',
    'NOT_SEARCHABLE',
    (db) => db('users as a').join('users as b', 'a.name', 'b.name'),
  ],
  ['join using', 'COLUMN_COMPARE', (db) => db('users').join('products', (on) => on.using('email'))],
  ['join onVal like', 'OPERATOR', (db) => db('products').join('users', (on) => on.onVal('users.email', 'like', 'x'))],
  ['join onBetween', 'OPERATOR', (db) => db('products').join('users', (on) => on.onBetween('users.email', ['a', 'b']))],
  ['having like', 'OPERATOR', (db) => db('users').groupBy('id').having('email', 'like', 'x')],
  ['orderBy', 'ORDER_BY', (db) => db('users').orderBy('email')],
  ['orderBy in a list', 'ORDER_BY', (db) => db('users').orderBy(['id', { column: 'name', order: 'desc' }])],
  ['orderBy an alias', 'ORDER_BY', (db) => db('users').select('name as n').orderBy('n')],
  ['orderBy an alias of an object', 'ORDER_BY', (db) => db('users').select({ n: 'name' }).orderBy('n')],
  ['groupBy', 'GROUP_BY', (db) => db('users').select('email').groupBy('email')],
  ['distinct', 'DISTINCT', (db) => db('users').distinct('email')],
  ['distinct before select', 'DISTINCT', (db) => db('users').distinct().select('name')],
  ['distinctOn', 'DISTINCT', (db) => db('users').distinctOn('email')],
  ['countDistinct without search', 'NOT_SEARCHABLE', (db) => db('users').countDistinct('name')],
  ['sumDistinct', 'DISTINCT', (db) => db('users').sumDistinct('email' as never)],
  ['min', 'AGGREGATE', (db) => db('users').min('email')],
  ['max with an alias', 'AGGREGATE', (db) => db('users').max({ last: 'name' })],
  ['sum', 'AGGREGATE', (db) => db('users').sum('birth_date')],
  ['union', 'SET_OPERATION', (db) => db('users').select('email').union(db('products').select('email'))],
  [
    'union the other way round',
    'SET_OPERATION',
    (db) => db('products').select('id').union(db('users').select('email')),
  ],
  [
    'union with a function',
    'SET_OPERATION',
    (db) =>
      db('products')
        .select('name')
        .union((qb) => qb.select('email').from('users')),
  ],
  ['intersect', 'SET_OPERATION', (db) => db('users').select('email').intersect(db('users').select('email'))],
  ['except', 'SET_OPERATION', (db) => db('users').except(db('users'))],
  ['rank over', 'ANALYTIC', (db) => db('users').rank('r', 'email')],
  ['rowNumber partitioned', 'ANALYTIC', (db) => db('users').rowNumber('r', 'id', 'email')],
  ['jsonExtract', 'JSON', (db) => db('users').jsonExtract('name', '$.x')],
  ['jsonExtract of several', 'JSON', (db) => db('users').jsonExtract([['name', '$.x', 'y']])],
  ['whereJsonPath', 'JSON', (db) => db('users').whereJsonPath('name', '$.x', '=', 'y')],
  ['whereJsonObject', 'JSON', (db) => db('users').whereJsonObject('name', { x: 1 })],
  ['whereJsonSupersetOf', 'JSON', (db) => db('users').whereJsonSupersetOf('name', { x: 1 })],
  ['an insert of an expression', 'EXPRESSION', (db) => db('users').insert({ email: db.raw("'x'") })],
  [
    'an insert of a sub-query value',
    'EXPRESSION',
    (db) => db('users').insert({ email: db('products').select('email') as never }),
  ],
  [
    'an update with an expression',
    'EXPRESSION',
    (db) =>
      db('users')
        .where({ id: 1 })
        .update({ name: db.raw('upper(nickname)') }),
  ],
  [
    'an update with a reference',
    'EXPRESSION',
    (db) =>
      db('users')
        .where({ id: 1 })
        .update({ name: db.ref('nickname') }),
  ],
  [
    'increment',
    'INCREMENT',
    (db) =>
      db('users')
        .where({ id: 1 })
        .increment('name' as never, 1),
  ],
  [
    'decrement',
    'INCREMENT',
    (db) =>
      db('users')
        .where({ id: 1 })
        .decrement('email' as never, 1),
  ],
  ['insert from select', 'INSERT_SELECT', (db) => db('users').insert(db('products').select('name', 'email'))],
  [
    'insert from a function',
    'INSERT_SELECT',
    (db) => db('users').insert(((qb: Knex.QueryBuilder) => qb.select('email').from('products')) as never),
  ],
  ['insert from raw', 'INSERT_SELECT', (db) => db('users').insert(db.raw('default values') as never)],
  ['an insert that names nobody', 'SUBJECT_UNPINNED', (db) => db('contracts').insert({ signatory: 'x' })],
  [
    'an insert for an expression',
    'SUBJECT_UNPINNED',
    (db) => db('contracts').insert({ signatory: 'x', user_id: db.raw('1') }),
  ],
  [
    'an insert under a parent that is not there',
    'PARENT_MISSING',
    (db) => db('notes').insert({ contract_id: -5, body: 'x' }),
  ],
  [
    'moving a row to another person',
    'SUBJECT_MOVED',
    (db) => db('contracts').where({ user_id: 1 }).update({ user_id: 2 }),
  ],
  [
    'moving a row found otherwise',
    'SUBJECT_MOVED',
    (db) => db('contracts').where({ id: 1 }).update({ user_id: 2, plan: 'x' }),
  ],
  [
    'updateFrom whose other table has a column of the same name',
    'UPDATE_UNPINNED',
    (db) => db('users').updateFrom('products').where('products.id', 1).update({ name: 'x' }),
  ],
  ['updateFrom that names nobody', 'UPDATE_UNPINNED', (db) => db('users').updateFrom('products').update({ name: 'x' })],
  [
    'a nested update that names nobody',
    'UPDATE_UNPINNED',
    (db) => db.with('w', db('users').where({ locale: 'x' }).update({ name: 'x' }).returning('id') as never).from('w'),
  ],
  [
    'a nested update in raw',
    'UPDATE_UNPINNED',
    (db) => db.raw('with w as (?) select 1', [db('users').where({ locale: 'x' }).update({ name: 'x' }) as never]),
  ],
  [
    'an update of several people beside a CTE that writes',
    'UPDATE_REPEATED',
    (db) =>
      db
        .with('w', (qb) => qb.insert({ name: 'once' }).into('products').returning('id'))
        .from('users')
        .whereIn('id', [1, 2])
        .update({ name: 'x' }),
  ],
  [
    'an update of several people beside a CTE of raw text',
    'UPDATE_REPEATED',
    (db) =>
      db
        .with('w', db.raw("insert into products (name) values ('once') returning id"))
        .from('users')
        .whereIn('id', [1, 2])
        .update({ name: 'x' }),
  ],
  [
    'a streamed update of several people',
    'UPDATE_STREAMED',
    async (db) => {
      for await (const row of db('users').whereIn('id', [1, 2]).update({ name: 'x' }).returning('id').stream()) {
        expect.fail(`a row came: ${row.id}`);
      }
    },
  ],
  [
    'merge of values into several rows',
    'MERGE_MANY',
    (db) =>
      db('users')
        .insert([{ email: 'a@example.org' }, { email: 'b@example.org' }])
        .onConflict('email')
        .merge({ name: 'x' }),
  ],
  [
    'merge on a raw target',
    'MERGE_TARGET',
    (db) =>
      db('users')
        .insert({ email: 'a@example.org' })
        .onConflict(db.raw('(locale)') as never)
        .merge(),
  ],
  [
    'merge on a column without search',
    'NOT_SEARCHABLE',
    (db) => db('users').insert({ email: 'a@example.org', name: 'x' }).onConflict('name').merge(),
  ],
  [
    'raw: a sealed column without search',
    'NOT_SEARCHABLE',
    (db) => db.raw('select * from users where name = ?', ['Ada']),
  ],
  [
    'raw: in (…)',
    'VALUE_FOR_BYTEA',
    (db) => db.raw('select * from users where email in (?, ?)', ['a@example.org', 'b@example.org']),
  ],
  [
    'raw: a Buffer that is no envelope',
    'ALREADY_SEALED',
    (db) => db.raw('select * from users where email = ?', [Buffer.from('ada')]),
  ],
  [
    'raw: coalesce with a parameter',
    'VALUE_FOR_BYTEA',
    (db) => db.raw('select coalesce(email, ?) from users', ['a@example.org']),
  ],
  ['raw: update of a sealed column', 'RAW_UNPINNED', (db) => db.raw('update users set name = ?', ['Ada'])],
  [
    'raw: a list without search',
    'NOT_SEARCHABLE',
    (db) => db.raw('select 1 from users where name = any(?)', [['Ada']]),
  ],
  ['raw: insert of a pseudonym', 'RAW_UNPINNED', (db) => db.raw('insert into users (crm_id) values (?)', ['x'])],
];

/** Values that cannot be stored or searched as declared. */
const INVALID: Refused[] = [
  ['a lone surrogate', 'VALUE_ILL_FORMED', (db) => db('users').insert({ email: 'a@example.org', name: 'x\ud800' })],
  [
    'a value over the limit',
    'VALUE_TOO_LONG',
    (db) => db('users').insert({ email: 'a@example.org', name: 'x'.repeat(1_048_577) }),
  ],
  [
    'a value whose UTF-8 is over the limit',
    'VALUE_TOO_LONG',
    (db) =>
      db('users')
        .where({ id: 1 })
        .update({ name: 'é'.repeat(600_000) }),
  ],
  ['a NUL', 'VALUE_HAS_NUL', (db) => db('users').insert({ email: 'a@example.org', name: 'x\0' })],
  ['a NUL in a search', 'VALUE_HAS_NUL', (db) => db('users').where({ email: 'a\0@example.org' })],
  [
    'a lone surrogate in an update',
    'VALUE_ILL_FORMED',
    (db) => db('users').where({ id: 1 }).update({ name: '\udc00' }),
  ],
  ['a number for text', 'VALUE_NOT_TEXT', (db) => db('users').insert({ email: 'a@example.org', name: 5 })],
  [
    'a Buffer for text',
    'VALUE_NOT_TEXT',
    (db) => db('users').insert({ email: 'a@example.org', name: Buffer.from('x') }),
  ],
  ['a Buffer in a search', 'VALUE_NOT_TEXT', (db) => db('users').where({ email: Buffer.from('x') })],
  ['an object in a search', 'VALUE_NOT_TEXT', (db) => db('users').where('email', '=', { a: 1 } as never)],
  ['no address', 'VALUE_NOT_EMAIL', (db) => db('users').insert({ email: 'nobody' })],
  ['no date', 'VALUE_NOT_DATE', (db) => db('users').insert({ email: 'a@example.org', birth_date: 'soon' })],
  ['no IP address', 'VALUE_NOT_IP', (db) => db('users').insert({ email: 'a@example.org', last_ip: 'here' })],
  ['no IP address in a search', 'VALUE_NOT_IP', (db) => db('users').where({ last_ip: 'here' })],
  ['an array of IP addresses for =', 'VALUE_NOT_IP', (db) => db('users').where({ last_ip: ['1.2.3.4'] as never })],
  [
    'raw: a NUL in a search',
    'VALUE_HAS_NUL',
    (db) => db.raw('select * from users where email = ?', ['a\0@example.org']),
  ],
];

describe('What the seam does not understand', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
    await world.db.raw('create view named_users as select id, name from users');
  });
  after(() => world.end());

  const refuses = (says: string, expected: ErrorClass, code: string, query: Refused[2]): void => {
    it(`${says} is refused with ${code}, with a fix, and nothing is sent`, async () => {
      let error: (Error & { code?: string; fix?: string }) | undefined;
      const sent = await sentDuring(world.db, async () => {
        error = await failureOf(async () => await query(world.db));
      });
      expect(error).to.be.instanceOf(expected);
      expect(error?.code).to.equal(code);
      expect(error?.fix).to.be.a('string').and.not.equal('');
      expect(error?.fix).not.to.include('undefined');
      expect(sent).to.deep.equal([]);
    });
  };

  for (const [says, code, query] of UNSUPPORTED) refuses(says, UnsupportedQueryError, code, query);
  for (const [says, code, query] of INVALID) refuses(says, InvalidValueError, code, query);

  it('trap 26: what was read through the unprotected handle is not sealed a second time', async () => {
    const [{ id }] = await world.db('users').insert({ email: 'twice@example.org', name: 'T' }).returning('id');
    const { email, name } = await world.unprotected()('users').where({ id }).first();
    for (const values of [
      { email, name: 'x' },
      { email: 'other@example.org', name },
      { email: 'o@example.org', name: `\\x${name.toString('hex')}` },
    ]) {
      const sent = await sentDuring(world.db, async () => {
        expect((await failureOf(() => world.db('users').insert(values))).code).to.equal('ALREADY_SEALED');
      });
      expect(sent).to.deep.equal([]);
    }
  });

  it('trap 1: the transaction of an unprotected instance is refused, in builders and raw queries', async () => {
    for (const foreign of [world.plain, world.unprotected()]) {
      const trx = await foreign.transaction();
      try {
        expect(
          (await failureOf(() => world.db('users').transacting(trx).insert({ email: 'leak@example.org' }))).code,
        ).to.equal('FOREIGN_TRX');
        expect((await failureOf(() => world.db.raw('select 1').transacting(trx))).code).to.equal('FOREIGN_TRX');
        expect(
          await failureOf(() => world.db.batchInsert('users', [{ email: 'leak@example.org' }]).transacting(trx)),
        ).to.be.instanceOf(Error);
      } finally {
        await trx.rollback();
      }
    }
    expect(await world.db('users').where({ email: 'leak@example.org' })).to.deep.equal([]);
  });

  it('raw SQL that would store a query operand is refused by the guard, as an error of ours', async () => {
    const error = await failureOf(() => world.db.raw('insert into users (email) values (?)', ['raw@example.org']));
    expect(error).to.be.instanceOf(UnsupportedQueryError);
    expect([error.code, (error as OubliError).table]).to.deep.equal(['RAW_UNPINNED', 'users']);
    expect(await world.db('users').where({ email: 'raw@example.org' })).to.deep.equal([]);
  });

  it('plaintext offered by psql is refused by PostgreSQL, and the error prints no value', async () => {
    for (const [sql, code] of [
      ["insert into users (email) values ('psql@example.org')", '23514'],
      ["update users set name = 'Mallory'", '23514'],
      ["insert into users (email, last_ip) values (null, '203.0.113.77')", '23514'],
      ["insert into users (email, crm_id) values (null, 'plain')", '23514'],
      ["copy users (email) from program 'echo psql@example.org'", '23514'],
      ["insert into visits (user_id, ip) select id, '203.0.113.77' from users", '23514'],
    ] as const) {
      const error = await failureOf(() => world.plain.raw(sql));
      expect(error.code, sql).to.equal(code);
      // Of COPY, PostgreSQL itself quotes the line to whoever sent it.
      const where = sql.startsWith('copy') ? '' : (error as { where?: string }).where;
      expect(`${error.message.split(' - ').at(-1)} ${error.detail} ${where}`).not.to.match(
        /psql@|Mallory|0\.113\.77|plain/,
      );
    }
  });

  it('a literal in raw SQL is refused by the domain, not answered with nothing', async () => {
    const error = await failureOf(() => world.db.raw("select * from users where email = 'ada@example.org'"));
    expect(error).to.be.instanceOf(NotSealedError);
    expect(error.code).to.equal('REFUSED_BY_DOMAIN');
  });

  it('raw comparisons by order are refused in the server, as an error of ours', async () => {
    await world.db('users').insert({ email: 'order@example.org' });
    for (const operator of ['<', '>=', '~~']) {
      const error = await failureOf(() =>
        world.db.raw(`select * from users a, users b where a.email ${operator} b.email`),
      );
      expect(error.code, operator).to.equal('OPERATOR');
    }
    const between = world.db('users').whereRaw('email between ? and ?', ['a@example.org', 'b@example.org']);
    expect((await failureOf(() => between)).code).to.equal('OPERATOR');
  });

  it('a person who was erased is not written about again, whichever way', async () => {
    const [{ id }] = await world.db('users').insert({ email: 'gone@example.org', name: 'G' }).returning('id');
    await destroyKey(world, id);
    for (const write of [
      () => world.db('users').where({ id }).update({ name: 'back' }),
      () => world.db('contracts').insert({ user_id: id, signatory: 'back' }),
      () => world.db('users').insert({ id, email: 'back@example.org' }),
    ]) {
      expect(await failureOf(write)).to.be.instanceOf(SubjectErasedError);
    }
  });
});

/** As an erasure does it: the fence, then the key, in one commit, and the announcement. */
async function destroyKey(world: World, id: number): Promise<void> {
  const [{ key_id }] = await world.plain('oubli.subject_link').where({ kind: 'user', subject_id: String(id) });
  await world.plain.transaction(async (trx) => {
    await trx.raw(
      `insert into oubli.fence (key_id, fingerprint, subject_reference, erased_at)
       select key_id, fingerprint, ?, now() from oubli.subject_key where key_id = ?`,
      [referenceOf(world, id), key_id],
    );
    await trx('oubli.subject_key').where({ key_id }).del();
    await trx.raw(`select pg_notify('oubli_shredded', ?)`, [key_id.toString('hex')]);
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
}

function referenceOf(world: World, id: number): Buffer {
  return seamOf(world.db).keys.referenceOf('user', String(id));
}
