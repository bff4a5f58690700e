/** Bulk loading: the same rows, checks, refusals and events as an insert of the builder, in fewer and shorter statements. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { createWorld, migrateWorld, type World } from '../support/world';

const MAGIC = 'a70b01';
const head = (value: unknown): string => (value as Buffer).subarray(0, 3).toString('hex');
const keyOf = (value: Buffer): string =>
  value.subarray((value[3] ?? 0) & 1 ? 24 : 8, (value[3] ?? 0) & 1 ? 40 : 24).toString('hex');

async function migrate(knex: Knex): Promise<void> {
  await migrateWorld(knex);
  await knex.schema.createTable('things', (t) => {
    t.increments('id');
    t.string('code', 3);
    t.specificType('flags', 'bit(2)');
    t.specificType('fixed', 'char(4)');
    t.specificType('words', 'text[]');
    t.specificType('codes', 'varchar(3)[]');
    t.jsonb('doc');
    t.binary('bytes');
    t.timestamp('at');
    t.decimal('price', 8, 2);
    t.boolean('is_sold');
    t.text('state').notNullable().defaultTo('new');
  });
}

describe('insertMany', () => {
  let world: World;
  let number = 0;
  const email = (): string => `bulk${++number}@example.org`;

  before(async () => {
    world = await createWorld({ migrate });
  });
  after(() => world.end());

  const sent = async (work: () => Promise<unknown>): Promise<{ sql: string; bindings: unknown[] }[]> => {
    const queries: { sql: string; bindings: unknown[] }[] = [];
    const listen = (query: { sql: string; bindings: unknown[] }): number => queries.push(query);
    world.db.on('query', listen);
    try {
      await work();
    } finally {
      world.db.removeListener('query', listen);
    }
    return queries;
  };
  const count = async (table: string): Promise<number> => Number((await world.plain(table).count())[0]?.count);

  it('seals, truncates and pseudonymises every row, each person under a key of her own', async () => {
    const rows = Array.from({ length: 25 }, (_, i) => ({
      name: i === 3 ? null : `Name ${i}`,
      email: email(),
      birth_date: '1990-02-03',
      last_ip: `203.0.113.${i}`,
      crm_id: `CRM-${i}`,
      nickname: `"n\\${i}", {NULL}`,
      locale: 'fr',
    }));
    expect(await world.insertMany('users', rows, { chunkSize: 10 })).to.equal(25);
    const stored = await world.plain('users').where('nickname', 'like', '"n%').orderBy('id');
    expect(stored).to.have.length(25);
    for (const [i, row] of stored.entries()) {
      if (i !== 3) expect([head(row.name), keyOf(row.name)]).to.deep.equal([MAGIC, keyOf(row.email)]);
      expect([head(row.email), head(row.birth_date)]).to.deep.equal([MAGIC, MAGIC]);
      expect(row.last_ip).to.equal('203.0.113.0');
      expect(row.crm_id).to.match(/^psn1\./);
      expect(JSON.stringify(row)).not.to.include(rows[i]?.email);
    }
    expect(stored[3].name).to.equal(null);
    expect(new Set(stored.map((row) => keyOf(row.email))).size).to.equal(25);
    const opened = await world
      .db('users')
      .whereIn(
        'id',
        stored.map((row) => row.id),
      )
      .orderBy('id');
    const plainly = ({ name, email, birth_date, nickname, locale }: Record<string, unknown>): unknown[] => [
      name,
      email,
      String(birth_date),
      nickname,
      locale,
    ];
    const day = String((await world.db('users').first('birth_date')).birth_date);
    expect(opened.map(plainly)).to.deep.equal(rows.map((row) => plainly({ ...row, birth_date: day })));
    expect(await world.db('users').where({ email: rows[7]?.email }).pluck('nickname')).to.deep.equal([
      '"n\\7", {NULL}',
    ]);
  });

  it('seals the rows of a person under her key, and rows two tables away from her as well', async () => {
    const [{ id }] = await world.db('users').insert({ email: email() }).returning('id');
    await world.insertMany('contracts', [
      { user_id: id, signatory: 'A. L.' },
      { user_id: id, signatory: 'B. L.' },
    ]);
    const contracts = await world.plain('contracts').where({ user_id: id });
    await world.insertMany(
      'notes',
      contracts.map((contract) => ({ contract_id: contract.id, body: 'called' })),
    );
    const notes = await world.plain('notes').whereIn(
      'contract_id',
      contracts.map((contract) => contract.id),
    );
    const { email: sealed } = await world.plain('users').where({ id }).first('email');
    const keys = [...contracts.map((each) => keyOf(each.signatory)), ...notes.map((each) => keyOf(each.body))];
    expect(keys).to.deep.equal(Array(4).fill(keyOf(sealed)));
  });

  it('sends one short statement for each chunk, with one array for each column, and its events show placeholders', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => ({ name: `Shown ${i}`, email: email(), locale: 'fr' }));
    const queries = (await sent(() => world.insertMany('users', rows, { chunkSize: 10 }))).filter(({ sql }) =>
      sql.startsWith('insert'),
    );
    expect(queries).to.have.length(2);
    expect(queries[0]?.sql).to.equal(
      'insert into "users" ("email", "locale", "name", "id") select c0, oubli.typed((null::public.users)."locale", c1), c2, oubli.typed((null::public.users)."id", c3) from unnest($1::bytea[], $2::text[], $3::bytea[], $4::text[]) as u(c0, c1, c2, c3)',
    );
    expect(queries[0]?.bindings).to.have.length(4);
    const shown = JSON.stringify(queries);
    expect(shown).to.include('[oubli users.email]').and.not.include('Shown').and.not.include('bulk');
  });

  it('takes rows one after the other: while one chunk is inserted it asks for the next, and no further', async () => {
    const seen: string[] = [];
    async function* arriving(): AsyncGenerator<object> {
      for (let i = 0; i < 10; i++) {
        seen.push('row');
        yield { name: `thing ${i}` };
      }
    }
    const listen = (_: unknown, { sql }: { sql: string }): number => seen.push(sql.split(/\W/)[0] ?? '');
    world.db.on('query-response', listen);
    expect(await world.insertMany('products', arriving(), { chunkSize: 3 })).to.equal(10);
    world.db.removeListener('query-response', listen);
    const rowsBefore = (insert: number): number => {
      const answers = seen.flatMap((what, place) => (what === 'insert' ? [place] : []));
      return seen.slice(0, answers[insert]).filter((what) => what === 'row').length;
    };
    expect(seen.filter((what) => what === 'insert')).to.have.length(4);
    expect([0, 1, 2, 3].map(rowsBefore)).to.deep.equal([6, 9, 10, 10]);
    expect(await world.insertMany('products', [])).to.equal(0);
  });

  it('takes rows of more columns than one statement has parameters for, the widest last', async () => {
    const names = Array.from({ length: 70 }, (_, i) => `w${i}`);
    await world.plain.schema.createTable('wide', (t) => {
      for (const name of names) t.integer(name).defaultTo(7);
    });
    const wide = Object.fromEntries(names.map((name, i) => [name, i]));
    const rows = [{ w0: 1 }, ...Array.from({ length: 999 }, () => wide)];
    expect(await world.insertMany('wide', rows)).to.equal(1000);
    expect(await world.plain('wide').where({ w0: 1, w69: 7 }).count()).to.deep.equal([{ count: '1' }]);
  });

  it('keeps the order of the rows, though the keys of a later chunk are there sooner', async () => {
    const known = await world
      .db('users')
      .insert([{ email: email() }, { email: email() }])
      .returning('id');
    const rows = [...Array.from({ length: 6 }, (_, i) => i), ...known.map(({ id }) => id)];
    const contracts: { user_id: number; signatory: string }[] = [];
    for (const [i, given] of rows.entries()) {
      const id = i < 6 ? (await world.db('users').insert({ email: email() }).returning('id'))[0].id : given;
      contracts.push({ user_id: id, signatory: `Nr. ${i}` });
    }
    await world.another().then(({ insertMany }) => insertMany('contracts', contracts, { chunkSize: 2 }));
    const stored = await world.db('contracts').orderBy('id').pluck('signatory');
    expect(stored.filter((each) => String(each).startsWith('Nr. '))).to.deep.equal(
      contracts.map((each) => each.signatory),
    );
  });

  it('leaves nothing behind after an error, in its own transaction, in a savepoint and in whoever has the connection next', async () => {
    const rows = ['ab', 'cd', 'much too long', 'ef', 'gh'].map((code) => ({ code }));
    const failing = (options: { trx?: Knex.Transaction } = {}) =>
      failureOf(() => world.insertMany('things', rows, { chunkSize: 1, ...options }));
    const before = await count('things');
    expect((await failing()).code).to.equal('22001');
    await world.db.transaction(async (trx) => {
      await trx.raw('savepoint here');
      expect((await failing({ trx })).code).to.equal('22001');
      await trx.raw('rollback to here');
    });
    await world.db.transaction(async (trx) => {
      expect(
        (
          await failureOf(() =>
            trx.transaction(async (inner) => failing({ trx: inner }).then((e) => Promise.reject(e))),
          )
        ).code,
      ).to.equal('22001');
    });
    async function* breaking(): AsyncGenerator<object> {
      yield { code: 'a' };
      yield { code: 'b' };
      throw new Error('the source broke');
    }
    expect((await failureOf(() => world.insertMany('things', breaking(), { chunkSize: 1 }))).message).to.equal(
      'the source broke',
    );
    await world.db('things').count();
    expect(await count('things')).to.equal(before);
  });

  it('reports the first failure of two chunks under way, inserts nothing, and leaves nothing unheard', async () => {
    const unheard: unknown[] = [];
    const listen = (reason: unknown): number => unheard.push(reason);
    process.on('unhandledRejection', listen);
    const before = await count('things');
    const rows = [{ code: 'a' }, { code: 'much too long' }, { code: 'b', price: 1e9 }];
    expect(await failureOf(() => world.insertMany('things', rows, { chunkSize: 1 }))).to.include({ code: '22001' });
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener('unhandledRejection', listen);
    expect(unheard).to.deep.equal([]);
    expect(await count('things')).to.equal(before);
  });

  it('writes what the builder writes, whatever the type, and what the builder refuses it refuses', async () => {
    const row = {
      code: 'abc',
      flags: '10',
      fixed: 'ab',
      words: ['a,"b"', 'NULL', ''],
      codes: ['x', 'yz'],
      doc: { deep: ['ü', "'"] },
      bytes: Buffer.from([0, 255, 92]),
      at: new Date('2026-02-03T04:05:06.789Z'),
      price: '12.345',
      is_sold: true,
    };
    const other = { ...row, words: [], codes: null, doc: null, is_sold: false, at: null };
    await world.db('things').insert([row, other]);
    await world.insertMany('things', [row, other]);
    const [a, b, c, d] = (await world.plain('things').orderBy('id')).map(({ id, ...rest }) => rest);
    expect([c, d]).to.deep.equal([a, b]);
    expect(c).to.deep.include({ words: row.words, state: 'new', doc: row.doc });
    for (const wrong of [
      { code: 'abcd' },
      { flags: '101' },
      { fixed: 'abcde' },
      { codes: ['abcd'] },
      { price: 'x' },
      { state: null },
    ]) {
      const byBuilder = await failureOf(() => world.db('things').insert([wrong, wrong]));
      const inBulk = await failureOf(() => world.insertMany('things', [wrong, wrong]));
      expect([Object.keys(wrong), inBulk.code]).to.deep.equal([Object.keys(wrong), byBuilder.code]);
    }
  });

  it('gives a column its default in each row that leaves it out, as batchInsert does, and NULL where that was meant', async () => {
    await world.plain.raw(`create type mood as enum ('glad', 'so so'); create sequence tickets start 70;
      create table moods (id int generated by default as identity primary key, mood mood default 'so so', code varchar(3) default 'x\\?y',
        fixed char(4) default 'ab', ticket int default nextval('tickets'), at timestamp default '2026-03-29 02:30', tags text[] default '{a}',
        bits bit(2) default '10', bytes bytea default '\\x3f', doc jsonb default '{"a": 1}', note text)`);
    await world.db.raw('comment on table moods is null');
    const full = {
      mood: 'glad',
      code: 'abc',
      fixed: 'abcd',
      ticket: 1,
      at: '2026-03-29 02:15:00',
      tags: ['b'],
      bits: '01',
      bytes: Buffer.from('!'),
      doc: '{}',
    };
    const nothing = Object.fromEntries(Object.keys(full).map((name) => [name, null]));
    const rows: Record<string, unknown>[] = [
      full,
      { note: 'all' },
      { ...nothing, note: 'none' },
      { note: 'undefined', mood: undefined, ticket: 2 },
    ];
    await world.db.batchInsert('moods', rows, 10);
    await world.plain.raw('alter sequence tickets restart');
    await world.insertMany('moods', rows);
    const stored = (await world.plain('moods').orderBy('id')).map(({ id, ...rest }) => rest);
    expect(stored.slice(4)).to.deep.equal(stored.slice(0, 4));
    expect(stored[5]).to.deep.include({ mood: 'so so', code: 'x?y', ticket: 70, tags: ['a'], note: 'all' });
    expect(stored[6]).to.deep.include({ mood: null, code: null, ticket: null });
    await world.insertMany('users', [
      { email: email(), locale: 'de' },
      { id: 9001, email: email(), name: 'Kay' },
    ]);
    expect(await world.db('users').where({ id: 9001 }).first('name', 'locale')).to.deep.equal({
      name: 'Kay',
      locale: null,
    });
  });

  it('answers with the number of rows and nothing else, sends nothing for none, and refuses an option it does not know', async () => {
    expect(await sent(() => world.insertMany('users', []))).to.satisfy((queries: { sql: string }[]) =>
      queries.every(({ sql }) => /^(BEGIN|COMMIT)/.test(sql)),
    );
    for (const [option, fix] of [
      ['returning', /batchInsert\('products', rows\)\.returning\('id'\)/],
      ['chunksize', /insertMany\('products', rows, \{ chunkSize: … \}\)/],
      ['conflict', /insertMany\('products'/],
    ] as const) {
      const error = await refusalOf(() => world.insertMany('products', [{ name: 'x' }], { [option]: 'id' } as never));
      expect(error).to.include({ code: 'UNKNOWN_INSERT_OPTION', table: 'products' });
      expectFix(error, fix);
    }
    expect(await world.plain('products').where({ name: 'x' })).to.deep.equal([]);
  });

  it('leaves nothing behind when any row is refused', async () => {
    const before = await count('users');
    const taken = email();
    await world.db('users').insert({ email: taken });
    const rows = [...Array.from({ length: 5 }, () => ({ email: email() })), { email: taken.toUpperCase() }];
    expect((await failureOf(() => world.insertMany('users', rows, { chunkSize: 2 }))).code).to.equal('23505');
    expect(await count('users')).to.equal(before + 1);
  });

  it('goes with the transaction it is given, and with no other instance’s', async () => {
    const before = await count('users');
    await failureOf(() =>
      world.db.transaction(async (trx) => {
        await world.insertMany('users', [{ email: email() }, { email: email() }], { trx });
        throw new Error('changed my mind');
      }),
    );
    expect(await count('users')).to.equal(before);
    const foreign = () => world.plain.transaction((trx) => world.insertMany('users', [{ email: email() }], { trx }));
    expect((await failureOf(foreign)).code).to.equal('FOREIGN_TRX');
    expect(await count('users')).to.equal(before);
  });

  it('refuses by name what an array cannot say, and what the builder refuses', async () => {
    const refusals: [code: string, table: string, rows: object[]][] = [
      ['ROWS_EMPTY', 'things', [{}, {}]],
      ['EXPRESSION', 'users', [{ email: email(), name: world.db.raw('upper(?)', ['a']) }]],
      ['ALREADY_SEALED', 'users', [{ email: (await world.plain('users').first('email')).email }]],
      ['VALUE_NOT_EMAIL', 'users', [{ email: email() }, { email: 'nobody' }]],
      ['SUBJECT_UNPINNED', 'contracts', [{ signatory: 'A. L.' }]],
      ['42P01', 'user', [{ email: email() }]],
      ['PLACEHOLDER_AS_VALUE', 'things', [{ words: [world.subject('user', 1).value('x')] }]],
      ['PLACEHOLDER_AS_VALUE', 'things', [{ doc: { deep: world.subject('user', 1).value('x') } }]],
    ];
    const before = [await count('users'), await count('things'), await count('contracts')];
    for (const [code, table, rows] of refusals) {
      expect((await failureOf(() => world.insertMany(table, rows))).code, `${table} ${code}`).to.equal(code);
    }
    expect([await count('users'), await count('things'), await count('contracts')]).to.deep.equal(before);
    for (const chunkSize of [0, 1.5, Number.NaN]) {
      expect((await failureOf(() => world.insertMany('things', [], { chunkSize }))).code).to.equal('BAD_CHUNK_SIZE');
    }
  });

  it('refuses to write about somebody who was erased', async () => {
    const [{ id }] = await world.db('users').insert({ email: email() }).returning('id');
    await world.subject('user', id).erase({ because: 'test' });
    expect((await failureOf(() => world.insertMany('users', [{ id, email: email() }]))).code).to.equal(
      'SUBJECT_ERASED',
    );
  });

  it('goes by the names of the application, where they are mapped', async () => {
    const { db, insertMany } = await world.another({
      config: {
        wrapIdentifier: (name, wrap) =>
          wrap(name === '*' ? name : name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)),
      },
    });
    const [{ id }] = await db('users').insert({ email: email(), lastIp: '198.51.100.9' }).returning('id');
    await insertMany('contracts', [{ userId: id, signatory: 'M. C.' }]);
    const { signatory } = await world.plain('contracts').where({ user_id: id }).first();
    expect(head(signatory)).to.equal(MAGIC);
    expect(await db('contracts').where({ userId: id }).pluck('signatory')).to.deep.equal(['M. C.']);
  });
});
