/** Rows in which the data of several people stand: each value under the key of the person it is about (ERASURE.md G3). */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { parseEnvelope } from '../../src/crypto/envelope';
import { addCorrespondents, declareMessages, migrateCorrespondence, ownersIn, TABLES } from '../support/correspondence';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { statementsOf } from '../support/sent-statements';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const SEALED = ['body', 'reply', 'verdict'];
const FULL = { body: 'Dear Bob', reply: 'Dear Ada', reply_pen: 'b.', mood: 'glad', verdict: 'polite' };
const letter = (id: number, sender_id: number, recipient_id: number, more: object = {}) => ({
  id,
  sender_id,
  recipient_id,
  clerk_id: 1,
  ...FULL,
  ...more,
});

describe('What is written in a row of several people', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateCorrespondence });
    await addCorrespondents(world.db);
  });
  afterEach(() => world.end());

  const owners = () => ownersIn(world.plain, 'messages', SEALED);
  const messages = () => world.db('messages');
  const codeOf = async (call: () => Promise<unknown>): Promise<unknown> => (await failureOf(call)).code;

  it('G3: is sealed under the key of whom each column is about, and opens again', async () => {
    await messages().insert(letter(1, 1, 2));
    expect(await owners()).to.deep.equal([['user 1', 'user 2', 'clerk 1']]);
    expect(await messages().first()).to.deep.include({ body: 'Dear Bob', reply: 'Dear Ada', verdict: 'polite' });
    const read = await world.db.raw('select reply, body from messages where id = ?', [1]);
    expect(read.rows).to.deep.equal([{ reply: 'Dear Ada', body: 'Dear Bob' }]);
  });

  it('G3: pseudonyms are made under the key of whom the column is about', async () => {
    await messages().insert([letter(1, 1, 2), letter(2, 3, 2), letter(3, 2, 1)]);
    const [first, second, third] = await world.plain('messages').orderBy('id').pluck('reply_pen');
    expect(first)
      .to.match(/^psn1\./)
      .and.to.equal(second)
      .and.not.to.equal(third);
  });

  it('G3: many rows are written alike, by insert, batchInsert, insertMany', async () => {
    const rows = [
      letter(1, 1, 2),
      letter(2, 2, 1),
      letter(3, 3, 3, { reply: null }),
      letter(4, 2, 3, { verdict: null }),
    ];
    await messages().insert(rows);
    await world.db.batchInsert('messages', [letter(5, 1, 3), letter(6, 3, 1)], 1);
    await world.insertMany('messages', [letter(7, 2, 3), letter(8, 1, 1)], { chunkSize: 1 });
    expect(await owners()).to.deep.equal([
      ['user 1', 'user 2', 'clerk 1'],
      ['user 2', 'user 1', 'clerk 1'],
      ['user 3', 'null', 'clerk 1'],
      ['user 2', 'user 3', 'null'],
      ['user 1', 'user 3', 'clerk 1'],
      ['user 3', 'user 1', 'clerk 1'],
      ['user 2', 'user 3', 'clerk 1'],
      ['user 1', 'user 1', 'clerk 1'],
    ]);
    expect(await messages().orderBy('id').pluck('reply')).to.deep.equal([
      ...['Dear Ada', 'Dear Ada', null, 'Dear Ada', 'Dear Ada', 'Dear Ada', 'Dear Ada', 'Dear Ada'],
    ]);
  });

  it('G3: one derivation for a key in a row, also where sender and recipient are one; no salt and counter twice', async () => {
    await messages().insert([letter(1, 1, 1), letter(2, 1, 2)]);
    await messages().where({ id: 1 }).update({ body: 'again', reply: 'again' });
    const [same, two] = await world.plain('messages').orderBy('id').select('body', 'reply');
    const saltOf = (value: Buffer) => Buffer.from(parseEnvelope(value).salt).toString('hex');
    expect(saltOf(same.body).slice(0, 32), 'one row salt').to.equal(saltOf(same.reply).slice(0, 32));
    expect(saltOf(same.body), 'another counter').not.to.equal(saltOf(same.reply));
    expect(saltOf(two.body).slice(0, 32), 'two keys').not.to.equal(saltOf(two.reply).slice(0, 32));
  });

  it('G3: without the column’s subject it is refused, and nothing is written', async () => {
    const refusals = [
      { id: 1, sender_id: 1, reply: 'whose?' },
      { id: 1, sender_id: 1, recipient_id: null, reply: 'whose?' },
      { id: 1, sender_id: 1, recipient_id: world.db.raw('1'), reply: 'whose?' },
    ];
    for (const row of refusals) {
      const error = await refusalOf(() => messages().insert(row));
      expect(error.code).to.equal('SUBJECT_UNPINNED');
      expectFix(error, /recipient_id/, ['whose?']);
    }
    await messages().insert({ id: 2, sender_id: 1, body: 'to nobody yet' });
    await messages().insert({ id: 3, recipient_id: 2, reply: 'of nobody' });
    expect(await owners()).to.deep.equal([
      ['user 1', 'null', 'null'],
      ['null', 'user 2', 'null'],
    ]);
  });

  it('G3: an update seals for those whose columns it writes, whom it names or who are looked up', async () => {
    await messages().insert([letter(1, 1, 2), letter(2, 2, 1), letter(3, 1, 3)]);
    await messages().where({ id: 1, recipient_id: 2 }).update({ reply: 'named' });
    await messages().where({ sender_id: 1 }).update({ reply: 'looked up' });
    await messages().update({ body: 'all', reply: 'all', reply_pen: 'all', verdict: 'all' });
    expect(await owners()).to.deep.equal([
      ['user 1', 'user 2', 'clerk 1'],
      ['user 2', 'user 1', 'clerk 1'],
      ['user 1', 'user 3', 'clerk 1'],
    ]);
    expect(await messages().distinct('id', 'body', 'reply').where({ id: 3 })).to.deep.equal([
      { id: 3, body: 'all', reply: 'all' },
    ]);
    await messages().insert({ id: 4, sender_id: 1, body: 'to nobody' });
    const error = await refusalOf(() => messages().where({ id: 4 }).update({ reply: 'whose?' }));
    expect(error.code).to.equal('NOBODYS_ROW');
    expectFix(error, /recipient_id/, ['whose?']);
  });

  it('G3: a column’s person may be given with her values, and not otherwise', async () => {
    await messages().insert([letter(1, 1, 2), { id: 2, sender_id: 1, body: 'to nobody yet' }]);
    await messages().where({ id: 2 }).update({ recipient_id: 3 });
    await messages().where({ id: 2 }).update({ reply: 'handed over' });
    await messages().where({ id: 1 }).update({ recipient_id: 3, reply: 'mine now', reply_pen: 'c.' });
    expect(await owners()).to.deep.equal([
      ['user 1', 'user 3', 'clerk 1'],
      ['user 1', 'user 3', 'null'],
    ]);
    const moves = [{ recipient_id: 2 }, { recipient_id: 2, reply_pen: 'b.' }, { recipient_id: null }];
    for (const move of moves)
      expect(await codeOf(() => messages().where({ id: 1 }).update(move).then()), JSON.stringify(move)).to.equal(
        'OTHER_SUBJECT',
      );
    const unsaid = await refusalOf(() => messages().update({ recipient_id: world.db.ref('sender_id'), reply: 'x' }));
    expect(unsaid.code).to.equal('COLUMN_SUBJECT_MOVED');
    expectFix(unsaid, /recipient_id: 42.*reply/);
    const own = await refusalOf(() => messages().where({ id: 1 }).update({ sender_id: 2 }));
    expect(own.code).to.equal('SUBJECT_MOVED');
    expect((await owners())[0]).to.deep.equal(['user 1', 'user 3', 'clerk 1']);
  });

  it('G3: a merge writes for the people of the row it meets, and refuses other people', async () => {
    await messages().insert(letter(1, 1, 2));
    await messages()
      .insert(letter(1, 1, 2, { reply: 'merged' }))
      .onConflict('id')
      .merge();
    await messages()
      .insert(letter(1, 1, 2))
      .onConflict('id')
      .merge({ reply: 'merged too' });
    expect(await messages().pluck('reply')).to.deep.equal(['merged too']);
    expect(await owners()).to.deep.equal([['user 1', 'user 2', 'clerk 1']]);
    const other = await refusalOf(() =>
      messages()
        .insert(letter(1, 1, 3))
        .onConflict('id')
        .merge(['reply']),
    );
    expect(other.code).to.equal('SUBJECT_MOVED');
    expect(await messages().pluck('reply')).to.deep.equal(['merged too']);
  });

  it('G3: raw SQL stores a pinned value where it is hers, and is refused elsewhere', async () => {
    await messages().insert(letter(1, 1, 2));
    const [ada, bob] = [world.subject('user', 1), world.subject('user', 2)];
    await world.db.raw('update messages set reply = ?, body = ? where id = 1', [bob.value('raw'), ada.value('raw')]);
    expect(await messages().first('body', 'reply')).to.deep.equal({ body: 'raw', reply: 'raw' });
    const wrong = await refusalOf(() => world.db.raw('update messages set reply = ?', [ada.value('not hers')]));
    expect(wrong.code).to.equal('OTHER_SUBJECT');
    expectFix(wrong, /messages/, ['not hers']);
    expect(await owners()).to.deep.equal([['user 1', 'user 2', 'clerk 1']]);
  });

  it('G3: the keys of all people of a statement come in one query for each kind', async () => {
    const { db } = await world.another();
    await db('clerks').insert({ id: 2, name: 'Yves' });
    const rows = [letter(1, 1, 2), letter(2, 2, 3), letter(3, 3, 1)];
    const sent = await statementsOf(() => db('messages').insert(rows));
    const asked = sent.filter(({ text }) => text.includes('oubli.subject_link')).map(({ values }) => values[0]);
    expect(asked).to.deep.equal(['user', 'clerk']);
  });
});

describe('The guard of a table whose rows are several people’s', () => {
  let world: World;
  let rows: Record<string, Buffer | number>[];
  before(async () => {
    world = await createWorld({ migrate: migrateCorrespondence });
    await addCorrespondents(world.db);
    await world.db('messages').insert([letter(1, 1, 2), letter(2, 2, 1), letter(3, 3, 3)]);
    rows = await world.plain('messages').orderBy('id').select();
  });
  after(() => world.end());

  const codeOf = async (call: () => Promise<unknown>): Promise<unknown> => (await failureOf(call)).code;
  const stored = (id: number) => world.plain('messages').where({ id });

  it('G3: refuses a value of the row’s other person in a column, written by whatever client', async () => {
    const [first, second] = rows;
    expect(await codeOf(() => stored(1).update({ reply: second?.reply }).then())).to.equal('OU004');
    expect(await codeOf(() => stored(1).update({ recipient_id: 1 }).then())).to.equal('OU004');
    expect(await codeOf(() => stored(1).update({ recipient_id: null }).then())).to.equal('OU004');
    expect(await codeOf(() => stored(1).update({ sender_id: 2 }).then())).to.equal('OU004');
    expect(
      await codeOf(() =>
        world
          .plain('messages')
          .insert({ ...first, id: 9, recipient_id: 3 })
          .then(),
      ),
    ).to.equal('OU004');
    expect(
      await codeOf(() =>
        world
          .plain('messages')
          .insert({ ...first, id: 9, clerk_id: null })
          .then(),
      ),
    ).to.equal('OU004');
    const swapped = world
      .plain('messages')
      .whereIn('id', [1, 2])
      .update({ recipient_id: world.plain.ref('sender_id') });
    expect(await codeOf(() => swapped.then())).to.equal('OU004');
  });

  it('G3: refuses a pseudonym that goes over to another person', async () => {
    const row = { id: 20, sender_id: 1, recipient_id: 2, reply_pen: 'b.' };
    await world.db('messages').insert(row);
    expect(await codeOf(() => stored(20).update({ recipient_id: 3 }).then())).to.equal('OU004');
    await stored(20).update({ recipient_id: 3, reply_pen: null });
    await stored(20).delete();
  });

  it('G3: locks the keys of all people of a row in one order, as erasures do', async () => {
    const links = await world
      .plain('oubli.subject_link')
      .where({ kind: 'user' })
      .whereIn('subject_id', ['1', '2', '3'])
      .orderBy('key_id');
    const [least, greatest] = [links[0], links[2]];
    const held = await world.plain.transaction();
    await held.raw('select from oubli.subject_key where key_id = ? for update', [least.key_id]);
    // the table's own subject has the greatest key: one after the other, hers would be locked first
    const row = { ...letter(30, Number(greatest.subject_id), Number(least.subject_id)), clerk_id: null, verdict: null };
    const writing = world.db('messages').insert(row).then();
    await untilSomebodyWaits(world.plain);
    await world.plain.raw('select from oubli.subject_key where key_id = ? for update nowait', [greatest.key_id]);
    await held.rollback();
    await writing;
    await stored(30).delete();
  });

  it('G3: lets everybody’s values be written again where they are, and rows be copied', async () => {
    expect(await stored(1).update({ reply: rows[0]?.reply, body: rows[0]?.body })).to.equal(1);
    await world.plain('messages').insert({ ...rows[0], id: 10 });
    expect(await world.db('messages').where({ id: 10 }).first('body', 'reply')).to.deep.equal({
      body: 'Dear Bob',
      reply: 'Dear Ada',
    });
    await stored(10).delete();
  });

  it('G3: follows a renamed key, and lets go of a column that is dropped', async () => {
    const { db } = await world.another();
    await db.schema.alterTable('messages', (t) => t.renameColumn('recipient_id', 'receiver_id'));
    await db('messages').insert({ id: 11, sender_id: 1, receiver_id: 2, body: 'a', reply: 'b' });
    expect((await ownersIn(world.plain, 'messages', ['body', 'reply'])).at(-1)).to.deep.equal(['user 1', 'user 2']);
    expect(await codeOf(() => stored(11).update({ receiver_id: 3 }).then())).to.equal('OU004');
    await db.schema.alterTable('messages', (t) => t.dropColumns('reply', 'reply_pen', 'mood'));
    expect(await stored(11).update({ receiver_id: 3 })).to.equal(1);
    expect(await codeOf(() => stored(11).update({ sender_id: 3 }).then())).to.equal('OU004');
  });
});

describe('The backfill of a table whose rows are several people’s', () => {
  const installOnly = async (knex: Knex): Promise<void> => {
    await install(knex, { version: SCHEMA_VERSION });
  };

  it('G3: seals each column for whom it is about, and refuses what leads to nobody', async () => {
    const world = await createWorld({ migrate: installOnly });
    try {
      await world.plain.raw(TABLES);
      await world.plain('users').insert([{ id: 1 }, { id: 2 }]);
      await world.plain('clerks').insert({ id: 1 });
      await world
        .plain('messages')
        .insert([letter(1, 1, 2), letter(2, 1, 1), { id: 3, sender_id: 2, body: 'Dear all' }]);
      await world.plain('messages').insert({ id: 4, sender_id: 1, reply: 'of nobody' });
      const serve = { purpose: 'tests', basis: 'contract' } as const;
      for (const kind of ['user', 'clerk'])
        await annotate(world.plain, `${kind}s`, {
          subject: { kind, ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
          columns: {},
        });
      await declareMessages(world.plain);
      const { db, backfill } = await world.another();
      const error = await refusalOf(() => backfill('messages'));
      expect(error.code).to.equal('NOBODYS_ROWS');
      expect(error.message).to.contain('recipient_id').and.not.to.contain('of nobody');
      await world.plain('messages').where({ id: 4 }).delete();
      expect(await backfill('messages')).to.deep.include({ rows: 3 });
      expect(await ownersIn(world.plain, 'messages', SEALED)).to.deep.equal([
        ['user 1', 'user 2', 'clerk 1'],
        ['user 1', 'user 1', 'clerk 1'],
        ['user 2', 'null', 'null'],
      ]);
      expect(await db('messages').orderBy('id').pluck('reply')).to.deep.equal(['Dear Ada', 'Dear Ada', null]);
      const [body, reply] = Object.values(await world.plain('messages').where({ id: 2 }).first('body', 'reply'));
      const saltOf = (value: unknown) => Buffer.from(parseEnvelope(value as Buffer).salt).toString('hex');
      expect(saltOf(body).slice(0, 32)).to.equal(saltOf(reply).slice(0, 32));
      expect(saltOf(body)).not.to.equal(saltOf(reply));
    } finally {
      await world.end();
    }
  });
});
