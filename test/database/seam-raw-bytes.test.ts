/** Raw SQL in which PostgreSQL takes a sealed column for the bytes beneath it: nothing is compared there that could not match. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION } from '../../src';
import { sentDuring } from '../support/listening';
import { expectFix, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const SEALED = { amount: 'numeric', born: 'date', member: 'boolean', profile: 'jsonb', words: 'text' };

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  const declared = { category: 'activity.content', protect: 'encrypt' } as const;
  await knex.schema.createTable('users', (t) => {
    t.increments('id');
    for (const [name, type] of Object.entries(SEALED)) t.specificType(name, type).personal(declared);
    const retention = { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' } as const;
    t.dataSubject('user', { purpose: 'tests', basis: 'contract', retention });
  });
  await knex.schema.createTable('faces', (t) => {
    t.increments('id');
    t.integer('user_id').references('users.id');
    t.binary('face').personal({ ...declared, search: 'exact', acknowledgeLeak: 'a test' } as never);
    t.personalData({ purpose: 'tests', basis: 'contract' });
  });
  await knex.schema.createTable('scans', (t) => {
    t.increments('id');
    t.integer('user_id').references('users.id');
    t.text('words').personal(declared);
    t.binary('thumbnail').notPersonal('a picture of a form');
    t.specificType('pages', 'bytea[]').notPersonal('pictures of a form');
    t.personalData({ purpose: 'tests', basis: 'contract' });
  });
}

describe('Bare bytes in raw SQL about people', () => {
  let world: World;
  const FACE = Buffer.from('a face');
  before(async () => {
    world = await createWorld({ migrate });
    const row = { amount: 42, born: '1990-05-01', member: true, profile: { a: 1 }, words: 'words' };
    await world.db('users').insert({ id: 1, ...row });
    await world.db('faces').insert({ id: 1, user_id: 1, face: FACE });
  });
  after(() => world.end());

  const GIVEN: Record<string, [column: string, value: unknown, other: unknown]> = {
    'a number': ['amount', 42, 43],
    'a bigint': ['amount', 42n, 43n],
    'a date': ['born', new Date(1990, 4, 1), new Date()],
    'a boolean': ['member', true, false],
    'an object': ['profile', { a: 1 }, { a: 2 }],
    text: ['words', 'words', 'others'],
    'text like bytes': ['words', '\\x776f726473', '\\x'],
  };
  for (const [says, [column, value, other]] of Object.entries(GIVEN)) {
    for (const sql of [
      `select id from users where ${column} in (?, ?)`,
      `select id from users where ${column} not in (?, ?)`,
      `select id from users where coalesce(${column}, ?) is null or coalesce(${column}, ?) is null`,
      `select id from users where ${column}::bytea = any(array[?, ?]::bytea[])`,
    ]) {
      it(`${says} is refused: ${sql}`, async () => {
        const sent = await sentDuring(world.db, async () => {
          const error = await refusalOf(() => world.db.raw(sql, [value, other] as never));
          expect(error.code).to.equal('VALUE_FOR_BYTEA');
          expectFix(error, /any\(\?\)/, ['1990', '776f', 'words', '42']);
        });
        expect(sent).to.deep.equal([]);
      });
    }
  }

  it('a list of bytes holds bytes only', async () => {
    const sql = 'select id from users where words::bytea = any(?::bytea[])';
    for (const list of [['words'], [FACE, 5], '{words}']) {
      expect((await refusalOf(() => world.db.raw(sql, [list] as never))).code).to.equal('VALUE_FOR_BYTEA');
    }
    expect((await world.db.raw(sql, [[FACE, null]] as never)).rows).to.deep.equal([]);
  });

  it('plain bytes are refused where only a sealed column can be meant, and a value sealed already finds itself', async () => {
    const sql = 'select id from faces where face in (?, ?)';
    const refused = await refusalOf(() => world.db.raw(sql, [FACE, Buffer.from('another')]));
    expect(refused.code).to.equal('VALUE_FOR_BYTEA');
    const { face } = await world.unprotected()('faces').first();
    expect((await world.db.raw(sql, [face, face])).rows).to.deep.equal([{ id: 1 }]);
    const half = await refusalOf(() => world.db.raw(sql, [face, face.subarray(0, 60)]));
    expect(half.code).to.equal('VALUE_FOR_BYTEA');
    expect(
      await world
        .db('faces')
        .whereIn('face', [FACE, Buffer.from('another')])
        .pluck('id'),
    ).to.deep.equal([1]);
  });

  it('an ordinary column of bytes takes Buffers as ever, also beside sealed ones', async () => {
    const [a, b] = [Buffer.from('thumb'), Buffer.from('a70b01', 'hex')];
    const insert = 'insert into scans (user_id, thumbnail, pages) values (?, ?, ?)';
    await world.db.raw(insert, [1, a, [a, b]] as never);
    await world.db.raw('insert into scans (user_id, thumbnail) values (?, ?)', [1, new Uint8Array(b)] as never);
    await world.db.raw('insert into scans (user_id, thumbnail) values (?, ?)', [1, null as never]);
    expect(await world.plain('scans').orderBy('id').pluck('thumbnail')).to.deep.equal([a, b, null]);
    expect((await world.plain('scans').orderBy('id').first()).pages).to.deep.equal([a, b]);
    const { rows } = await world.db.raw('select thumbnail from scans where thumbnail in (?, ?) order by id', [a, b]);
    expect(rows).to.deep.equal([{ thumbnail: a }, { thumbnail: b }]);
    const beside = 'select f.id from faces f join scans s using (user_id) where s.thumbnail = ?';
    expect((await world.db.raw(beside, [a])).rows).to.deep.equal([{ id: 1 }]);
    const text = await refusalOf(() => world.db.raw(insert, [1, '\\x00', []] as never));
    expect(text.code).to.equal('VALUE_FOR_BYTEA');
  });
});
