/** Beginnings and words of sealed texts, found by keyed tokens: what is stored, what is found, by which plan, and what is refused. */
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Knex } from 'knex';
import { install, SCHEMA_VERSION, UnsupportedQueryError } from '../../src';
import { normaliseLowercase } from '../../src/crypto/folded-text';
import { sentDuring } from '../support/listening';
import { expectFix, failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const SERVICE = { purpose: 'provide the service', basis: 'contract' } as const;
const PERSON = { ...SERVICE, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;
const acknowledgeLeak = 'the counter looks people up by how their name begins';

async function migrate(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.schema.createTable('clients', (t) => {
    t.increments('id');
    t.text('last_name').personal({
      category: 'identity.name',
      protect: 'encrypt',
      search: 'unaccented',
      tokens: { prefix: { min: 3, max: 8 }, as: 'unaccented' },
      acknowledgeLeak,
    });
    t.text('alias').personal({
      category: 'identity.name',
      protect: 'encrypt',
      tokens: { prefix: { min: 2, max: 4 }, as: 'lowercase' },
      acknowledgeLeak,
    });
    t.text('bio')
      .notNullable()
      .personal({
        category: 'activity.content',
        protect: 'encrypt',
        tokens: { words: true, prefix: { min: 3, max: 5 }, as: 'lowercase' },
        acknowledgeLeak,
      });
    t.text('note').personal({ category: 'activity.content', protect: 'encrypt', search: 'exact' });
    t.text('ward').notPersonal('a room');
    t.date('ended_on').notPersonal('the event that starts the clock');
    t.dataSubject('client', PERSON);
  });
  await knex.schema.createTable('letters', (t) => {
    t.increments('id');
    t.integer('client_id').references('clients.id').onDelete('cascade').index();
    t.text('text').personal({
      category: 'activity.content',
      protect: 'encrypt',
      tokens: { words: true, as: 'unaccented' },
      acknowledgeLeak,
    });
    t.date('sent_on').notPersonal('a date');
    t.personalData({
      ...SERVICE,
      basis: 'legal_obligation',
      retention: { from: 'sent_on', keep: '10 years', then: 'delete', because: 'a law' },
    });
  });
}

const DUPONT = {
  id: 1,
  last_name: 'Dupont',
  alias: 'Émi',
  bio: 'Garden tools; loves TOOLS, and a garden.',
  note: 'n',
  ward: 'a',
};
const DUPRE = { id: 2, last_name: 'DUPRÉ', alias: 'emilie', bio: "l'eau-de-vie 2024", note: 'n', ward: 'a' };
const LI = { id: 3, last_name: 'Li', alias: null, bio: '', note: 'n', ward: 'a' };

describe('Search tokens', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate });
    await world.db('clients').insert([DUPONT, DUPRE, LI]);
    await world.plain.raw(`select setval('clients_id_seq', 100)`);
  });
  after(() => world.end());

  const ids = async (query: Knex.QueryBuilder): Promise<number[]> =>
    (await query.clone().select('clients.id').orderBy('clients.id')).map((row: { id: number }) => row.id);
  const tokensOf = async (column: string, id: number, table = 'clients'): Promise<string[] | null> => {
    const { rows } = await world.plain.raw(
      `select oubli.search_tokens(??::bytea)::text[] as tokens from ?? where id = ?`,
      [column, table, id],
    );
    return rows[0].tokens;
  };

  describe('find', () => {
    const found: [string, (db: Knex) => Knex.QueryBuilder, number[]][] = [
      ['a beginning', (db) => db('clients').whereILike('last_name', 'dup%'), [1, 2]],
      ['one of the longest kind', (db) => db('clients').whereILike('last_name', 'DUPONT%'), [1]],
      ['it without accents, of either', (db) => db('clients').whereILike('last_name', 'Düpré%'), [2]],
      ['it with accents, where they count', (db) => db('clients').whereILike('alias', 'ÉM%'), [1]],
      ['nothing where nothing begins so', (db) => db('clients').whereILike('last_name', 'upo%'), []],
      ['where with the operator', (db) => db('clients').where('last_name', 'ilike', 'dup%'), [1, 2]],
      ['orWhereILike', (db) => db('clients').where('id', 3).orWhereILike('last_name', 'dupo%'), [1, 3]],
      ['whereNot, and no NULL', (db) => db('clients').whereNot('alias', 'ilike', 'em%'), [1]],
      ['not ilike', (db) => db('clients').where('last_name', 'not ilike', 'dupo%'), [2, 3]],
      ['all of several words', (db) => db('clients').where('bio', '@@', 'TOOLS garden'), [1]],
      ['not some of them', (db) => db('clients').where('bio', '@@', 'tools shed'), []],
      ['words between apostrophes, hyphens and numbers', (db) => db('clients').where('bio', '@@', 'vie 2024 l'), [2]],
      ['words and beginnings of one column apart', (db) => db('clients').where('bio', '@@', 'gar'), []],
      ['the same, the beginning', (db) => db('clients').whereILike('bio', 'gar%'), [1]],
      ['orWhere with words', (db) => db('clients').where('id', 3).orWhere('bio', '@@', 'eau'), [2, 3]],
      [
        'in parentheses, with an alias',
        (db) =>
          db('clients').where((qb) => qb.whereILike('clients.last_name', 'dup%').where('clients.bio', '@@', 'de')),
        [2],
      ],
      [
        'in a common table expression',
        (db) => db.with('c', db('clients').whereILike('last_name', 'dup%').select('id')).from('c as clients'),
        [1, 2],
      ],
      [
        'in a sub-query',
        (db) => db('clients').whereIn('id', db('clients as x').where('x.bio', '@@', 'garden').select('x.id')),
        [1],
      ],
      [
        "in a join's condition",
        (db) =>
          db('clients as x').join('clients', (on) =>
            on.on('clients.id', 'x.id').andOnVal('clients.last_name', 'ilike', 'dupr%'),
          ),
        [2],
      ],
      ['in having', (db) => db('clients').groupBy('clients.id').having('last_name', 'ilike', 'dupo%'), [1]],
    ];
    for (const [says, query, expected] of found) {
      it(says, async () => expect(await ids(query(world.db))).to.deep.equal(expected));
    }

    it('what they were asked for also where names are mapped', async () => {
      const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const { db } = await world.another({ config: { wrapIdentifier: (name, origin) => origin(snake(name)) } });
      expect(await db('clients').whereILike('lastName', 'dupo%').pluck('id')).to.deep.equal([1]);
    });

    it('rows to update and to delete', async () => {
      const rollback = new Error('rolled back');
      const work = world.db.transaction(async (trx) => {
        expect(await trx('clients').whereILike('last_name', 'dup%').update({ bio: 'changed' })).to.equal(2);
        expect(await trx('clients').where('bio', '@@', 'changed').delete()).to.equal(2);
        throw rollback;
      });
      expect(await failureOf(() => work)).to.equal(rollback);
    });

    it('a text if and only if it begins so, or has all the words', async () => {
      const character = fc.constantFrom(...'aAbBéÉßσςΣǅＡ1', 'e\u0301', ' ', '-', "'", 'हि', '中', '𝒳', 'İ');
      const text = fc.array(character, { maxLength: 9 }).map((parts) => parts.join(''));
      const part = fc.record({ of: fc.nat(2), from: fc.constantFrom(0, 0, 1, 4), to: fc.integer({ min: 3, max: 9 }) });
      let [begun, worded] = [0, 0];
      await fc.assert(
        fc.asyncProperty(
          fc.array(text, { minLength: 3, maxLength: 6 }),
          text,
          fc.option(part),
          async (bios, other, of) => {
            const sought = of ? (bios[of.of] ?? '').slice(of.from, of.to).toUpperCase() : other;
            fc.pre(!/\p{Surrogate}/u.test(sought));
            const rows = bios.map((bio, i) => ({ id: 1000 + i, bio }));
            await world.db('clients').insert(rows);
            const all = world.db('clients').where('id', '>=', 1000).orderBy('id');
            const theirs = (has: (bio: string) => boolean): number[] =>
              rows.filter(({ bio }) => has(normaliseLowercase(bio))).map(({ id }) => id);
            try {
              const beginning = normaliseLowercase(sought);
              const length = [...beginning].length;
              if (length >= 3 && length <= 5) {
                const expected = theirs((bio) => startsWith(bio, beginning));
                begun += expected.length;
                expect(await all.clone().whereILike('bio', `${sought}%`).pluck('id')).to.deep.equal(expected);
              }
              const words = runs(beginning);
              if (words.length > 0) {
                const expected = theirs((bio) => words.every((word) => runs(bio).includes(word)));
                worded += expected.length;
                expect(await all.clone().where('bio', '@@', sought).pluck('id')).to.deep.equal(expected);
              }
            } finally {
              await world.plain('clients').where('id', '>=', 1000).delete();
            }
          },
        ),
        { numRuns: 80 },
      );
      expect(Math.min(begun, worded), 'something was found').to.be.greaterThan(5);
    }).timeout(60_000);
  });

  describe('stand in the sealed value', () => {
    it('as many as say little: all beginnings a text could have, words in fours', async () => {
      const counts = async (column: string): Promise<(number | undefined)[]> =>
        Promise.all([1, 2, 3].map(async (id) => (await tokensOf(column, id))?.length));
      expect(await counts('last_name')).to.deep.equal([6, 6, 6]);
      expect(await counts('alias')).to.deep.equal([3, 3, undefined]);
      // 3 beginnings, and 5, 5 and no words: garden tools loves and a; l eau de vie 2024
      expect(await counts('bio')).to.deep.equal([3 + 8, 3 + 8, 3 + 4]);
    });

    it('in the order of their bytes, equal for equal beginnings, and random where there is nothing', async () => {
      const [dupont, dupre, li] = [
        await tokensOf('last_name', 1),
        await tokensOf('last_name', 2),
        await tokensOf('last_name', 3),
      ];
      expect(dupont?.filter((token) => dupre?.includes(token))).to.have.length(1); // dup
      expect(dupont?.filter((token) => li?.includes(token))).to.have.length(0);
      for (const tokens of [dupont, dupre, li]) {
        const bytes = tokens?.map((token) => BigInt.asUintN(64, BigInt(token))) ?? [];
        expect(bytes).to.deep.equal([...bytes].sort((a, b) => (a < b ? -1 : 1)));
        expect(new Set(bytes).size).to.equal(6);
      }
      await world.db('clients').where('id', 3).update({ last_name: 'Li' });
      expect((await tokensOf('last_name', 3))?.filter((token) => li?.includes(token))).to.have.length(0);
    });

    it('and are shared by no two columns, whatever they hold', async () => {
      const text = 'emilie garden';
      await world.db('clients').insert({ id: 50, last_name: text, alias: text, bio: text });
      await world.db('letters').insert({ id: 50, client_id: 50, text, sent_on: '2020-01-01' });
      const all = [
        ...((await tokensOf('last_name', 50)) ?? []),
        ...((await tokensOf('alias', 50)) ?? []),
        ...((await tokensOf('bio', 50)) ?? []),
        ...((await tokensOf('text', 50, 'letters')) ?? []),
      ];
      expect(all).to.have.length(6 + 3 + 7 + 4);
      expect(new Set(all).size).to.equal(all.length);
      await world.db('letters').where('id', 50).delete();
      await world.db('clients').where('id', 50).delete();
    });

    it('and follow an update, a merge and a value that raw SQL writes for somebody', async () => {
      await world.db('clients').insert({ id: 60, last_name: 'Martin', bio: 'old words' });
      const old = await tokensOf('last_name', 60);
      await world.db('clients').where('id', 60).update({ last_name: 'Bernard', bio: 'new ones' });
      expect((await tokensOf('last_name', 60))?.filter((token) => old?.includes(token))).to.have.length(0);
      expect(await ids(world.db('clients').whereILike('last_name', 'mar%'))).to.deep.equal([]);
      expect(await ids(world.db('clients').where('bio', '@@', 'old'))).to.deep.equal([]);
      expect(await ids(world.db('clients').where('bio', '@@', 'ones'))).to.deep.equal([60]);
      await world.db('clients').insert({ id: 60, last_name: 'Petit', bio: 'third' }).onConflict('id').merge();
      expect(await ids(world.db('clients').whereILike('last_name', 'pet%').where('bio', '@@', 'third'))).to.deep.equal([
        60,
      ]);
      const pinned = world.subject('client', 60).value('Robert');
      await world.db.raw('update clients set last_name = ? where id = 60', [pinned]);
      expect(await ids(world.db('clients').whereILike('last_name', 'robe%'))).to.deep.equal([60]);
      await world.plain.raw('update clients set last_name = null where id = 60');
      expect(await tokensOf('last_name', 60)).to.equal(null);
      expect(await ids(world.db('clients').whereILike('last_name', 'robe%'))).to.deep.equal([]);
      await world.db('clients').where('id', 60).delete();
    });

    it('also of rows that travel as arrays', async () => {
      await world.insertMany('clients', [
        { id: 61, last_name: 'Array One', bio: 'first of many' },
        { id: 62, last_name: 'Array Two', bio: 'second of many' },
      ]);
      expect(await ids(world.db('clients').whereILike('last_name', 'array t%'))).to.deep.equal([62]);
      expect(await ids(world.db('clients').where('bio', '@@', 'many of'))).to.deep.equal([61, 62]);
      await world.db('clients').whereIn('id', [61, 62]).delete();
    });

    it('and PostgreSQL refuses a value of the column without them, or with fewer than it says', async () => {
      const [{ value }] = (await world.plain.raw('select last_name::bytea as value from clients where id = 1'))
        .rows as [{ value: Buffer }];
      const bare = Buffer.concat([value.subarray(0, 80), value.subarray(82 + 6 * 8)]);
      bare[3]! &= ~32;
      const count = (n: number): Buffer => {
        const copy = Buffer.from(value);
        copy.writeUInt16BE(n, 80);
        return copy;
      };
      for (const wrong of [
        bare,
        count(0),
        count(1025),
        count(60_000),
        value.subarray(0, 90),
        value.subarray(0, 82 + 6 * 8 + 16),
      ]) {
        const error = await failureOf(() => world.plain('clients').where('id', 1).update({ last_name: wrong }));
        expect(error.code, `${wrong.length}`).to.equal('23514');
      }
      const changed = Buffer.from(value);
      changed[90]! ^= 1;
      await world.plain('clients').where('id', 1).update({ last_name: changed });
      const tampered = await failureOf(() => world.db('clients').where('id', 1).first('last_name'));
      expect(tampered.code).to.equal('SEALED_VALUE_TAMPERED');
      await world.plain('clients').where('id', 1).update({ last_name: value });
    });
  });

  it('are indexed also for a writer who may not look into the schema of ours', async () => {
    const writer = `writer_${randomBytes(8).toString('hex')}`; // roles belong to the whole server
    await world.plain.raw(
      `create role ${writer}; grant usage on schema public to ${writer}; grant select, update on clients to ${writer}`,
    );
    try {
      await world.plain.transaction(async (trx) => {
        await trx.raw(`set local role ${writer}`);
        const { last_name: value } = await trx('clients').where('id', 2).first('last_name');
        await trx('clients').where('id', 2).update({ last_name: null });
        await trx('clients').where('id', 2).update({ last_name: value });
      });
      expect(await ids(world.db('clients').whereILike('last_name', 'dupr%'))).to.deep.equal([2]);
    } finally {
      await world.plain.raw(`drop owned by ${writer}; drop role ${writer}`);
    }
  });

  describe('are found by their index', () => {
    const ROWS = 12_000;
    before(async function () {
      this.timeout(120_000);
      const rows = Array.from({ length: ROWS }, (_, i) => ({
        last_name: `Name${i.toString(36)}`,
        bio: `common w${i % 4000} v${i}`,
        ward: 'many',
      }));
      for (let at = 0; at < ROWS; at += 2000) await world.db.batchInsert('clients', rows.slice(at, at + 2000), 1000);
      await world.plain.raw('analyze clients');
    });
    after(async function () {
      this.timeout(60_000);
      await world.plain('clients').where({ ward: 'many' }).delete();
    });

    const planOf = async (query: Knex.QueryBuilder): Promise<string> => {
      const { rows } = await world.db.raw('explain ?', [query as never]);
      return rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
    };

    it('beginnings, in the statement that the builder sends', async () => {
      const query = world.db('clients').whereILike('last_name', 'name7p%');
      const [sent] = await sentDuring(world.db, () => query.clone());
      expect(sent).to.match(/oubli\.search_tokens\("last_name"::bytea\) @> \$1::int8\[\]$/);
      expect(await planOf(query))
        .to.match(/Bitmap Index Scan on clients_last_name_tokens/)
        .and.not.match(/Seq Scan/);
      expect(await query.clone().pluck('last_name'))
        .to.have.length.greaterThan(1)
        .and.include('Name7p');
    });

    it('words, also several', async () => {
      const query = world.db('clients').where('bio', '@@', 'w17 common');
      expect(await planOf(query))
        .to.match(/Bitmap Index Scan on clients_bio_tokens/)
        .and.not.match(/Seq Scan/);
      expect(await query.clone().pluck('bio')).to.have.members([
        'common w17 v17',
        'common w17 v4017',
        'common w17 v8017',
      ]);
    });

    it('in a prepared statement with its plan for any value, too', async () => {
      const { sql } = world.db('clients').where('bio', '@@', 'w17').select('id').toSQL().toNative();
      await world.plain.transaction(async (trx) => {
        await trx.raw(`set local plan_cache_mode = 'force_generic_plan'`);
        await trx.raw(`prepare found as ${sql.replaceAll('?', '\\?')}`);
        const { rows } = await trx.raw(`explain execute found('{1}')`);
        expect(rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n')).to.match(
          /Bitmap Index Scan on clients_bio_tokens/,
        );
        await trx.raw('deallocate found');
      });
    });
  });

  describe('refuse by name', () => {
    const refused: [string, string, (db: Knex) => PromiseLike<unknown>][] = [
      ['like, which tells case apart', 'TOKENS_CASE', (db) => db('clients').whereLike('last_name', 'Dup%')],
      ['the operator like', 'TOKENS_CASE', (db) => db('clients').where('last_name', 'like', 'Dup%')],
      ['not like', 'TOKENS_CASE', (db) => db('clients').where('last_name', 'not like', 'Dup%')],
      ['a whole text', 'TOKENS_PATTERN', (db) => db('clients').whereILike('last_name', 'dupont')],
      ['an end', 'TOKENS_PATTERN', (db) => db('clients').whereILike('last_name', '%ont')],
      ['a middle', 'TOKENS_PATTERN', (db) => db('clients').whereILike('last_name', '%upo%')],
      ['two ends', 'TOKENS_PATTERN', (db) => db('clients').whereILike('last_name', 'dup%nt%')],
      ['one character for any', 'TOKENS_PATTERN', (db) => db('clients').whereILike('last_name', 'd_pont%')],
      ['an escape', 'TOKENS_PATTERN', (db) => db('clients').whereILike('last_name', 'dup\\%')],
      ['all', 'TOKENS_PATTERN', (db) => db('clients').whereILike('last_name', '%')],
      ['what is no text', 'TOKENS_PATTERN', (db) => db('clients').whereILike('last_name', 7 as never)],
      ['NULL', 'TOKENS_PATTERN', (db) => db('clients').where('last_name', 'ilike', null as never)],
      ['too short a beginning', 'TOKENS_LENGTH', (db) => db('clients').whereILike('last_name', 'du%')],
      [
        'one that is shorter once normalised',
        'TOKENS_LENGTH',
        (db) => db('clients').whereILike('last_name', 'du\u0301%'),
      ],
      ['too long a one', 'TOKENS_LENGTH', (db) => db('clients').whereILike('last_name', 'dupontdel%')],
      ['no word', 'TOKENS_NO_WORD', (db) => db('clients').where('bio', '@@', ' -- ')],
      ['words where there are beginnings', 'TOKENS_MISSING', (db) => db('clients').where('last_name', '@@', 'dupont')],
      ['beginnings where there are words', 'TOKENS_MISSING', (db) => db('letters').whereILike('text', 'dup%')],
      ['an undeclared column', 'OPERATOR', (db) => db('clients').whereILike('note', 'dup%')],
      ['words of one', 'OPERATOR', (db) => db('clients').where('note', '@@', 'dup')],
      ['a raw operand', 'SUBQUERY_OPERAND', (db) => db('clients').whereILike('last_name', db.raw(`'dup%'`) as never)],
      [
        'a sub-query',
        'SUBQUERY_OPERAND',
        (db) => db('clients').where('bio', '@@', db('clients').select('ward') as never),
      ],
      [
        'another column',
        'COLUMN_COMPARE',
        (db) =>
          (db('clients') as never as Record<string, (...given: string[]) => Promise<unknown>>).whereColumn!(
            'last_name',
            'ilike',
            'ward',
          ),
      ],
      ['a pattern by regular expression', 'OPERATOR', (db) => db('clients').where('last_name', '~*', '^dup')],
      ['equality where there are only tokens', 'NOT_SEARCHABLE', (db) => db('clients').where('bio', 'x')],
    ];
    for (const [says, code, query] of refused) {
      it(`${says}, before anything is sent`, async () => {
        let error: unknown;
        const sent = await sentDuring(world.db, async () => {
          error = await failureOf(() => query(world.db));
        });
        expect(error).to.be.instanceOf(UnsupportedQueryError);
        expect((error as UnsupportedQueryError).code).to.equal(code);
        expect(sent).to.deep.equal([]);
        expect((error as Error).message).not.to.match(/dup|garden/i);
      });
    }

    it('raw SQL, in PostgreSQL itself where it comes to that, naming what the builder does', async () => {
      const texts: [string, unknown[]][] = [
        ['select id from clients where last_name ilike ?', ['dup%']],
        ['select id from clients where last_name not ilike ?', ['dup%']],
        ['select id from clients where last_name like ?', ['dup%']],
        ['select id from clients c where c.bio @@ ?', ['garden']],
        ['select id from clients where alias ilike ?', ['ém%']],
        // what PostgreSQL would answer with nothing, for it would look into the hex of ciphertext
        ['select id from clients where bio::text @@ ?', ['garden']],
        ['select id from clients where cast(bio as text) ilike ?', ['garden%']],
        [`select id from clients where to_tsvector('simple', bio::text) @@ plainto_tsquery(?)`, ['garden']],
        [`select id from clients where to_tsvector(bio::text) @@ ?`, ['garden']],
      ];
      for (const [text, bindings] of texts) {
        const error = await failureOf(() => world.db.raw(text, bindings as never));
        expect(error.code, text).to.equal('TOKENS_IN_RAW');
        expect(error.message)
          .to.contain('.whereILike(')
          .and.not.match(/dup|garden/);
      }
      const other = await failureOf(() => world.db.raw('select id from clients where note::text @@ ?', ['garden']));
      expect(other.code).to.equal('OPERATOR');
      const derived = world.db.from(world.db('clients').select('last_name').as('x')).whereILike('x.last_name', 'dup%');
      expect((await failureOf(() => derived)).code).to.equal('TOKENS_IN_RAW');
    });

    it('a literal in raw SQL, from anybody', async () => {
      for (const comparison of [`last_name ilike 'dup%'`, `bio @@ 'garden'`, `last_name like 'Dup%'`, `bio !~~* 'x'`]) {
        const error = await failureOf(() => world.plain.raw(`select id from clients where ${comparison}`));
        expect(error.code, comparison).to.equal('23514');
        const ours = await failureOf(() => world.db.raw(`select id from clients where ${comparison}`));
        expect(ours.code).to.equal('REFUSED_BY_DOMAIN');
        expect(ours.message).to.contain('.whereILike(');
      }
      const columns = await failureOf(() => world.plain.raw('select 1 from clients where last_name ilike last_name'));
      expect(columns.code).to.equal('OU021');
      const text = await failureOf(() => world.plain.raw(`select 1 from clients where bio @@ 'garden'::text`));
      expect(text.code).to.equal('42883');
    });

    it('and show nothing of what is looked for, in events, in bindings, or in printed SQL', async () => {
      const query = world.db('clients').whereILike('last_name', 'dupo%').where('bio', '@@', 'garden');
      const heard: unknown[] = [];
      const listener = (event: unknown): unknown => heard.push(event);
      world.db.on('query', listener).on('query-response', listener);
      try {
        expect(await ids(query)).to.deep.equal([1]);
      } finally {
        world.db.removeListener('query', listener).removeListener('query-response', listener);
      }
      const shown = [
        inspect(heard, { depth: 6 }),
        query.toString(),
        inspect(query.toSQL().bindings),
        JSON.stringify(query.toSQL().bindings),
      ];
      for (const text of shown)
        expect(text)
          .to.contain('[oubli clients.last_name]')
          .and.not.match(/dupo|garden/i);
    });

    it('too many words', async () => {
      const words = (count: number): string => Array.from({ length: count }, (_, i) => `w${i}`).join(' ');
      await world.db('clients').insert({ id: 70, bio: words(992) });
      expect(await tokensOf('bio', 70)).to.have.length(992 + 3);
      expect(await ids(world.db('clients').where('bio', '@@', 'w991 w0'))).to.deep.equal([70]);
      const error = await failureOf(() =>
        world
          .db('clients')
          .where('id', 70)
          .update({ bio: words(993) }),
      );
      expect(error.code).to.equal('VALUE_HAS_MANY_WORDS');
      expect(error.message).not.to.contain('w992');
      expectFix(error as never, /words: true/);
      await world.db('clients').where('id', 70).delete();
    });
  });

  describe('leave with the value', () => {
    it('when its person is erased: none of them is in any row, nor any value with tokens of hers', async () => {
      await world.db('clients').insert({ id: 80, last_name: 'Zimmermann', alias: 'zimmy', bio: 'plays the violin' });
      const before = (await Promise.all(['last_name', 'alias', 'bio'].map((column) => tokensOf(column, 80)))).flatMap(
        (tokens) => tokens ?? [],
      );
      expect(before).to.have.length(6 + 3 + 7);
      await world.subject('client', 80).erase({ because: 'a request' });
      const { rows } = await world.plain.raw(
        `select count(*)::int as n from clients, lateral unnest(oubli.search_tokens(last_name::bytea)
           || oubli.search_tokens(alias::bytea) || oubli.search_tokens(bio::bytea)) token where token = any(?::int8[])`,
        [before],
      );
      expect(rows).to.deep.equal([{ n: 0 }]);
      expect(await ids(world.db('clients').whereILike('last_name', 'zim%'))).to.deep.equal([]);
      expect(await ids(world.db('clients').where('bio', '@@', 'violin'))).to.deep.equal([]);
    });

    it('but stay with what the law keeps, which is found as before', async () => {
      await world.db('clients').insert({ id: 90, last_name: 'Keeper', bio: 'x' });
      await world.db('letters').insert({ id: 90, client_id: 90, text: 'Réclamation du 3 mars', sent_on: '2026-01-01' });
      const before = await tokensOf('text', 90, 'letters');
      await world.subject('client', 90).erase({ because: 'a request' });
      expect(await tokensOf('text', 90, 'letters')).to.deep.equal(before);
      expect(await world.db('letters').where('text', '@@', 'reclamation').pluck('text')).to.deep.equal([
        'Réclamation du 3 mars',
      ]);
      // her own row stays, for the letter refers to it, and holds nothing: neither NULL nor what stands for it has tokens
      const [row] = (
        await world.plain.raw('select octet_length(bio::bytea) as bytes, last_name from clients where id = 90')
      ).rows;
      expect(row).to.deep.equal({ bytes: 80, last_name: null });
      expect(await tokensOf('bio', 90)).to.equal(null);
      expect(await ids(world.db('clients').whereNot('bio', '@@', 'x').where('id', 90))).to.deep.equal([]);
    });
  });
});

/** Whether one text begins with another, by whole characters. */
function startsWith(text: string, beginning: string): boolean {
  const [whole, part] = [[...text], [...beginning]];
  return part.every((character, i) => whole[i] === character);
}

/** Words, found another way than by the library: cut at what is neither letter, mark nor number. */
function runs(text: string): string[] {
  return text.split(/[^\p{L}\p{M}\p{N}]+/u).filter((word) => word !== '');
}
