/** Erasing one person touches only her columns of a row, and the row stays while it holds another's (ERASURE.md G3). */
import { expect } from 'chai';
import type { Knex } from 'knex';
import pg from 'pg';
import { annotate, HoldError, type Receipt } from '../../src';
import { assertNothingLeft, moveClock, resetClock } from '../../src/testing';
import { addCorrespondents, migrateCorrespondence, ownersIn } from '../support/correspondence';
import { failureOf, refusalOf } from '../support/refusals';
import { statementsOf } from '../support/sent-statements';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const SEALED = ['body', 'reply', 'verdict'];
const message = (id: number, sender_id: number, recipient_id: number | null, more: object = {}) => ({
  id,
  sender_id,
  recipient_id,
  body: `body ${id}`,
  ...(recipient_id === null ? {} : { reply: `reply ${id}`, reply_pen: 'pen', mood: `mood ${id}` }),
  ...more,
});
const pair = (id: number, a_id: number, b_id: number) => ({
  id,
  a_id,
  b_id,
  a_note: `note a ${id}`,
  b_note: `note b ${id}`,
  b_word: `word ${id}`,
});
const deal = (id: number, client_id: number, witness_id: number) => ({
  id,
  client_id,
  witness_id,
  client_name: `client ${id}`,
  witness_name: `witness ${id}`,
  issued_on: '2024-01-31',
});

describe('Erasing one of the people of a row', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateCorrespondence });
    await addCorrespondents(world.db);
  });
  afterEach(() => world.end());

  const erase = (id: number, kind = 'user'): Promise<Receipt> => world.subject(kind, id).erase({ because: 'a test' });
  const stored = (table = 'messages') => world.plain(table).orderBy('id');
  const owners = () => ownersIn(world.plain, 'messages', SEALED);
  const add = (table: string, ...rows: object[]) => world.db(table).insert(rows).then();
  const lines = ({ removed, anonymised, detached, kept }: Receipt, table = 'messages') =>
    Object.entries({ removed, anonymised, detached, kept }).flatMap(([what, found]) =>
      found.filter((line) => line.table === table).map(({ rows }) => `${what} ${rows}`),
    );

  it('G3: who is only the column’s subject loses her columns; the row and everything else in it stays', async () => {
    await add('messages', message(1, 1, 2), message(2, 1, 3));
    const [before, untouched] = await stored();
    const receipt = await erase(2);
    expect(lines(receipt)).to.deep.equal(['anonymised 1']);
    const [after, other] = await stored();
    expect(after).to.deep.equal({ ...before, recipient_id: null, reply: null, reply_pen: null, mood: null });
    expect(other).to.deep.equal(untouched);
    expect(await world.db('messages').where({ id: 1 }).first('body', 'reply')).to.deep.equal({
      body: 'body 1',
      reply: null,
    });
    await assertNothingLeft(world.plain, ['mood 1', 'Bob']);
  });

  it('G3: her own row can leave, since the rows that stay let go of her', async () => {
    const { db, subject } = await world.another();
    await db.schema.dropTable('pairs').dropTable('deals');
    await add('messages', message(1, 1, 2), message(2, 2, 3));
    const receipts = [
      await subject('user', 1).erase({ because: 'a test' }),
      await subject('user', 2).erase({ because: 'a test' }),
    ];
    for (const { removed } of receipts) expect(removed).to.deep.include({ table: 'users', rows: 1 });
    expect(await stored().select('id', 'sender_id', 'recipient_id')).to.deep.equal([
      { id: 2, sender_id: null, recipient_id: 3 },
    ]);
  });

  it('G3: who is the table’s own subject leaves the row to those whose data is in it', async () => {
    await add(
      'messages',
      message(1, 1, 2),
      message(2, 1, null),
      message(3, 1, 3, { reply: null, reply_pen: null, mood: null }),
    );
    const [before] = await stored();
    const receipt = await erase(1);
    expect(lines(receipt)).to.deep.equal(['removed 2', 'anonymised 1']);
    expect(await stored()).to.deep.equal([{ ...before, sender_id: null, body: null }]);
    expect(await owners()).to.deep.equal([['null', 'user 2', 'null']]);
    expect(await world.db('messages').pluck('reply')).to.deep.equal(['reply 1']);
    await refusalOf(() => world.db('messages').where({ id: 1 }).update({ body: 'whose?' }));
  });

  it('G3: a row in which everybody’s columns are gone leaves with the last of them', async () => {
    await add('messages', message(1, 1, 2, { clerk_id: 1, verdict: 'polite' }));
    expect(lines(await erase(1))).to.deep.equal(['anonymised 1']);
    expect(lines(await erase(2))).to.deep.equal(['anonymised 1']);
    expect(await owners()).to.deep.equal([['null', 'null', 'clerk 1']]);
    expect(lines(await erase(1, 'clerk'))).to.deep.equal(['removed 1']);
    expect(await stored()).to.deep.equal([]);
  });

  it('G3: a living sender keeps her row, although nothing is left in it', async () => {
    await add('messages', message(1, 1, 2, { body: null }));
    expect(lines(await erase(2))).to.deep.equal(['anonymised 1']);
    expect(await stored().pluck('sender_id')).to.deep.equal([1]);
  });

  it('G3: who is both people of a row takes it along, and is counted once', async () => {
    await add(
      'messages',
      message(1, 1, 1),
      message(2, 1, 1, { clerk_id: 1, verdict: 'odd' }),
      message(3, 2, 1),
      message(4, 1, 2),
    );
    const receipt = await erase(1);
    expect(lines(receipt)).to.deep.equal(['removed 1', 'anonymised 3']);
    expect(await owners()).to.deep.equal([
      ['null', 'null', 'clerk 1'],
      ['user 2', 'null', 'null'],
      ['null', 'user 2', 'null'],
    ]);
  });

  it('G3: people of another kind than the table’s own subject are erased alike', async () => {
    await add('messages', message(1, 1, 2, { clerk_id: 1, verdict: 'polite' }));
    expect(lines(await erase(1, 'clerk'))).to.deep.equal(['anonymised 1']);
    expect(await owners()).to.deep.equal([['user 1', 'user 2', 'null']]);
    expect(await stored().pluck('clerk_id')).to.deep.equal([null]);
  });

  it('G3: two people of one chunk in the same row: each row is written once, each of them counts it', async () => {
    await add(
      'messages',
      message(1, 1, 2),
      message(2, 2, 3),
      message(3, 1, 1, { clerk_id: 1, verdict: 'v' }),
      message(4, 3, 2),
    );
    await world.db('users').whereIn('id', [1, 2]).update({ ended_on: '2020-01-01' });
    await world.plain.raw(`create table writes (id int, op text);
      create function note_write() returns trigger language plpgsql as $$ begin
        insert into public.writes values (coalesce(new.id, old.id), tg_op); return null; end $$;
      create trigger noted after update or delete on messages for each row execute function note_write()`);
    await annotate(world.plain, 'writes', {
      columns: { id: { notPersonal: 'the number of a letter' }, op: { notPersonal: 'a verb' } },
    });
    await world.sweep({ chunk: 10 });
    expect(await world.plain('writes').orderBy('id').select()).to.deep.equal([
      { id: 1, op: 'DELETE' },
      { id: 2, op: 'UPDATE' },
      { id: 3, op: 'UPDATE' },
      { id: 4, op: 'UPDATE' },
    ]);
    const receipts = await world.receipts();
    expect(receipts.map((receipt) => lines(receipt))).to.have.deep.members([
      ['removed 1', 'anonymised 1'],
      ['removed 1', 'anonymised 2'],
    ]);
    expect(await owners()).to.deep.equal([
      ['null', 'user 3', 'null'],
      ['null', 'null', 'clerk 1'],
      ['user 3', 'null', 'null'],
    ]);
  });

  it('G3: where nothing may be NULL a tombstone stands, the link stays, and so does the anonymised person', async () => {
    await add('pairs', pair(1, 1, 2), pair(2, 2, 1), pair(3, 2, 3));
    const receipt = await erase(1);
    expect(lines(receipt, 'pairs')).to.deep.equal(['anonymised 2']);
    const person = receipt.anonymised.find(({ table }) => table === 'users');
    expect(person).to.include({ rows: 1, because: 'rows of pairs that stay refer to it' });
    expect(await ownersIn(world.plain, 'pairs', ['a_note', 'b_note'])).to.deep.equal([
      ['nobody', 'user 2'],
      ['user 2', 'nobody'],
      ['user 2', 'user 3'],
    ]);
    expect(await world.db('pairs').orderBy('id').pluck('a_note')).to.deep.equal([null, 'note a 2', 'note a 3']);
    expect((await stored('pairs').pluck('b_word'))[1]).to.match(/^erased-[0-9a-f]{32}$/);
    expect(lines(await erase(2), 'pairs')).to.deep.equal(['removed 2', 'anonymised 1']);
    expect(await stored('pairs').pluck('id')).to.deep.equal([3]);
  });

  it('G3: what the law keeps is sealed anew for her alone, whoever else stands in the row', async () => {
    await add('deals', deal(1, 1, 2), deal(2, 2, 1), deal(3, 1, 1), deal(4, 2, 3));
    const before = await stored('deals');
    const receipt = await erase(1);
    expect(lines(receipt, 'deals')).to.deep.equal(['kept 3']);
    const after = await stored('deals');
    expect(await ownersIn(world.plain, 'deals', ['client_name', 'witness_name'])).to.deep.equal([
      ['kept of user 1', 'user 2'],
      ['user 2', 'kept of user 1'],
      ['kept of user 1', 'kept of user 1'],
      ['user 2', 'user 3'],
    ]);
    expect(after[0].witness_name, 'not a byte of another’s').to.deep.equal(before[0].witness_name);
    expect(after[1].client_name).to.deep.equal(before[1].client_name);
    expect(after[3]).to.deep.equal(before[3]);
    const opened = await world.db('deals').orderBy('id').select('client_name', 'witness_name');
    expect(opened).to.deep.equal(
      [1, 2, 3, 4].map((id) => ({ client_name: `client ${id}`, witness_name: `witness ${id}` })),
    );
    expect(lines(await erase(2), 'deals')).to.deep.equal(['kept 3']);
    expect(await ownersIn(world.plain, 'deals', ['client_name', 'witness_name'])).to.deep.equal([
      ['kept of user 1', 'kept of user 2'],
      ['kept of user 2', 'kept of user 1'],
      ['kept of user 1', 'kept of user 1'],
      ['kept of user 2', 'user 3'],
    ]);
  });

  it('G3: keys of what is kept of both end when its rows have left', async () => {
    await add('deals', deal(1, 1, 2));
    await world.db('users').whereIn('id', [1, 2]).update({ ended_on: '2020-01-01' });
    await world.sweep();
    expect(await ownersIn(world.plain, 'deals', ['client_name', 'witness_name'])).to.deep.equal([
      ['kept of user 1', 'kept of user 2'],
    ]);
    await moveClock(world.plain, '11 years');
    try {
      await world.sweep();
    } finally {
      await resetClock(world.plain);
    }
    expect(await stored('deals')).to.deep.equal([]);
    expect(await world.plain('oubli.subject_key').whereNotNull('keep_until')).to.deep.equal([]);
  });

  it('G3: what hangs on such a row is its own subject’s, and leaves with her', async () => {
    const { db, subject } = await world.another();
    await db.schema.createTable('files', (t) => {
      t.increments('id');
      t.integer('message_id').notNullable().references('messages.id').index();
      t.text('content').personal({ category: 'activity.content', protect: 'encrypt' });
      t.personalData({ purpose: 'provide the service', basis: 'contract' });
    });
    await add('messages', message(1, 1, 2), message(2, 2, 1));
    await db('files').insert([
      { message_id: 1, content: 'of Ada' },
      { message_id: 2, content: 'of Bob' },
    ]);
    expect(await ownersIn(world.plain, 'files', ['content'])).to.deep.equal([['user 1'], ['user 2']]);
    const moved = await failureOf(() =>
      world.plain('messages').where({ id: 1 }).update({ sender_id: 2, body: null }).then(),
    );
    expect(moved.code, 'the guard knows the same way').to.equal('OU004');
    const receipt = await subject('user', 1).erase({ because: 'a test' });
    expect([...lines(receipt), ...lines(receipt, 'files')]).to.deep.equal(['anonymised 2', 'removed 1']);
    expect(await ownersIn(world.plain, 'files', ['content'])).to.deep.equal([['user 2']]);
    expect(await owners()).to.deep.equal([
      ['null', 'user 2', 'null'],
      ['user 2', 'null', 'null'],
    ]);
    expect(lines(await subject('user', 2).erase({ because: 'a test' }))).to.deep.equal(['removed 2']);
  });

  it('G3: a row that is held for one of its people is held against the other’s erasure too', async () => {
    await add('messages', message(1, 1, 2), message(2, 3, 2, { clerk_id: 1, verdict: 'v' }));
    const before = await stored();
    await world.holds.open({ name: 'case 1', ground: 'a lawsuit' });
    await world.holds.place('case 1', { kind: 'user', id: 1 });
    const held = await refusalOf(() => erase(2));
    expect(held).to.be.instanceOf(HoldError);
    await world.db('users').where({ id: 2 }).update({ ended_on: '2020-01-01' });
    await world.sweep();
    expect(await stored()).to.deep.equal(before);
    expect(lines(await erase(1, 'clerk')), 'who is in none of them').to.deep.equal(['anonymised 1']);
    await world.holds.release('case 1', { because: 'settled' });
    await world.sweep();
    expect((await owners()).map((row) => row.slice(0, 2))).to.deep.equal([
      ['user 1', 'null'],
      ['user 3', 'null'],
    ]);
  });

  it('G3: the plan says what becomes of such rows', () => {
    const { steps, reviews } = world.subject('user', 1).plan();
    expect(reviews).to.deep.equal([]);
    const columns = ['body', 'reply', 'reply_pen', 'mood'].map((column) => ({
      column,
      strategy: 'null',
      effect: 'erases',
    }));
    expect(steps.filter(({ table }) => table === 'messages')).to.deep.equal([
      { table: 'messages', action: 'anonymise', because: 'its rows hold data of others too', columns },
      { table: 'messages', action: 'delete', because: 'nobody else has data in these rows' },
    ]);
    expect(
      world
        .subject('clerk', 1)
        .plan()
        .steps.map(({ table, action }) => `${table} ${action}`),
    ).to.deep.equal(['clerks delete', 'messages anonymise', 'messages delete']);
  });

  it('G3: the two people of a row are erased at once, by two processes, and both are gone from it', async () => {
    const other = await world.another();
    for (const [place, [a, b]] of [
      [1, 2],
      [2, 1],
    ].entries())
      await add('messages', message(place + 1, a as number, b as number));
    await add('pairs', pair(1, 1, 2), pair(2, 2, 1));
    await add('messages', message(3, 1, 2, { clerk_id: 1, verdict: 'v' }));
    const held = await world.plain.transaction();
    await held('messages').where({ id: 2 }).forUpdate();
    const both = [erase(1), other.subject('user', 2).erase({ because: 'a test' })];
    await untilSomebodyWaits(world.plain, 2);
    await held.rollback();
    await Promise.all(both);
    expect(await owners()).to.deep.equal([['null', 'null', 'clerk 1']]);
    expect(await stored().select('id', 'sender_id', 'recipient_id', 'mood')).to.deep.equal([
      { id: 3, sender_id: null, recipient_id: null, mood: null },
    ]);
    expect(await stored('pairs')).to.deep.equal([]);
    expect(await world.plain('oubli.ledger').where({ act: 'erased' })).to.have.length(2);
  });

  it('G3: a row that is written while it is looked for is found again where it stands', async () => {
    await add('messages', message(1, 1, 2));
    const trx = await (await world.another()).db.transaction();
    await trx('messages').where({ id: 1, sender_id: 1 }).update({ body: 'written meanwhile' });
    const erasing = erase(2);
    await untilSomebodyWaits(world.plain);
    await trx.commit();
    expect(lines(await erasing)).to.deep.equal(['anonymised 1']);
    expect(await owners()).to.deep.equal([['user 1', 'null', 'null']]);
    expect(await world.db('messages').pluck('body')).to.deep.equal(['written meanwhile']);
  });

  it('G3: finds the rows by the indexes of their links, whatever the size of the table', async () => {
    await add('messages', message(1, 1, 2), message(2, 3, 1, { clerk_id: 1, verdict: 'v' }));
    await world.plain.raw(`insert into users select i from generate_series(10, 5000) i;
      insert into messages (id, sender_id, recipient_id) select i, 10 + i % 4990, 10 + i % 4989 from generate_series(10, 30000) i;
      analyze users, messages`);
    const sent = await statementsOf(() => erase(1));
    const about = sent.filter(({ text }) => /^\s*with root as .*messages/s.test(text));
    expect(
      about.map(({ text }) => /for update of t/.test(text)),
      'locked first, then written',
    ).to.deep.equal([true, false]);
    const client = new pg.Client({ connectionString: world.url });
    await client.connect();
    for (const { text, values } of about) {
      const { rows } = await client.query(`explain ${text}`, values);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).to.contain('messages_sender_id_idx').and.to.contain('messages_recipient_id_idx');
      expect(plan).not.to.match(/Seq Scan on messages/);
    }
    await client.end();
  });

  it('G3: an erasure that is cut leaves the row whole, with everybody’s values in it', async () => {
    await add('messages', message(1, 1, 2), message(2, 2, 1));
    await add('pairs', pair(1, 1, 2));
    const before = [await stored(), await stored('pairs')];
    const held = await world.plain.transaction();
    await held('pairs').where({ id: 1 }).forUpdate();
    const cut = failureOf(() => erase(2));
    await untilSomebodyWaits(world.plain);
    await cutWaiting(world.plain);
    await cut;
    await held.rollback();
    expect([await stored(), await stored('pairs')]).to.deep.equal(before);
    expect(lines(await erase(2))).to.deep.equal(['anonymised 2']);
  });
});

/** Ends the connections that wait for a lock, as a network or a server that goes down would. */
async function cutWaiting(plain: Knex): Promise<void> {
  await plain.raw(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`);
}
