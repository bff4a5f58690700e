/**
 * A rule of rows ends rows of people of whom something stands already: a restriction (GDPR Art. 18), a hold (ERASURE.md H1), or that
 * they were erased (A8). What leaves, what stays as it is, and what the reports say of it.
 */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, HoldError, install, SCHEMA_VERSION, type SweepReport } from '../../src';
import { moveClock, resetClock } from '../../src/testing';
import { ownerOf } from '../support/correspondence';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const serve = { purpose: 'serve', basis: 'contract' } as const;
const law = { purpose: 'accounts', basis: 'legal_obligation' } as const;
const content = { category: 'activity.content', protect: 'encrypt' } as const;
const clear = { category: 'activity.content', protect: 'clear', because: 'a test reads it' } as const;
const day = { notPersonal: 'starts the clock' } as const;

async function migrateRules(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create table users (id int primary key, name text, ended_on date);
    create table visits (id int primary key, user_id int not null references users, page text not null, at date);
    create table notes (id int primary key, visit_id int not null references visits, body text);
    create table marks (id int primary key, visit_id int references visits, author_id int references users,
      about_id int references visits, word text);
    create table letters (id int primary key, user_id int references users, body text, place text not null, ip text, at date);
    create table bills (id int primary key, user_id int not null references users, address text not null, town text, at date);
    create table slips (id int primary key, user_id int not null references users, address text, at date);
    create table chats (id int primary key, a_id int references users, b_id int references users, a_word text, b_word text not null, at date);
    create index on visits (user_id); create index on notes (visit_id); create index on marks (visit_id);
    create index on marks (author_id);
    create index on marks (about_id); create index on letters (user_id); create index on bills (user_id);
    create index on slips (user_id); create index on chats (a_id); create index on chats (b_id)`);
  const person = { kind: 'user', ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } } as const;
  await annotate(knex, 'users', {
    subject: person,
    columns: { name: { category: 'identity.name', protect: 'encrypt' }, ended_on: day },
  });
  await annotate(knex, 'visits', {
    data: { ...serve, retention: { from: 'at', keep: '1 year', then: 'delete' } },
    columns: { page: clear, at: day },
  });
  await annotate(knex, 'notes', { data: serve, columns: { body: content } });
  await annotate(knex, 'marks', {
    data: { ...serve, subject: { via: 'author_id' } },
    columns: { word: content, about_id: { notPersonal: 'anybody may change it' } },
  });
  await annotate(knex, 'letters', {
    data: { ...serve, retention: { from: 'at', keep: '1 year', then: 'anonymise' } },
    columns: {
      body: content,
      place: clear,
      ip: { category: 'connection.ip', protect: 'truncate-ip', origin: 'observed' },
      at: day,
    },
  });
  await annotate(knex, 'bills', {
    data: { ...law, retention: { from: 'at', keep: '10 years', then: 'anonymise', because: 'a law' } },
    columns: { address: content, town: clear, at: day },
  });
  await annotate(knex, 'slips', {
    data: { ...law, retention: { from: 'at', keep: '10 years', then: 'delete', because: 'a law' } },
    columns: { address: content, at: day },
  });
  await annotate(knex, 'chats', {
    data: { ...serve, subject: { via: 'a_id' }, retention: { from: 'at', keep: '1 year', then: 'anonymise' } },
    columns: { a_word: content, b_word: { ...content, subject: { via: 'b_id' } }, at: day },
  });
}

const [ADA, BOB, CLEO, DAN, EVE] = [1, 2, 3, 4, 5] as const;
const OLD = '2015-01-01';

describe('A rule of rows', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateRules });
    const ids = [ADA, BOB, CLEO, DAN, EVE];
    await world.db('users').insert(ids.map((id) => ({ id, name: `person ${id}` })));
    await world.db('visits').insert(ids.map((id) => ({ id, user_id: id, page: `/${id}`, at: OLD })));
    await world.db('notes').insert(ids.map((id) => ({ id, visit_id: id, body: `note ${id}` })));
    const letter = (id: number) => ({ body: `letter ${id}`, place: `place ${id}`, ip: '203.0.113.7', at: OLD });
    await world.db('letters').insert(ids.map((id) => ({ id, user_id: id, ...letter(id) })));
    const bill = (id: number) => ({ id, user_id: id, address: `street ${id}`, at: OLD });
    await world.db('bills').insert(ids.map((id) => ({ ...bill(id), town: `town ${id}` })));
    await world.db('slips').insert(ids.map(bill));
  });
  afterEach(() => world.end());

  type Stored = Record<string, unknown> & { id: number };
  const rows = (table: string): Promise<Stored[]> => world.plain(table).orderBy('id').then();
  const of = <R extends { id: number }>(all: readonly R[], ...ids: number[]): R[] =>
    all.filter(({ id }) => ids.includes(id));
  const sweepOf = async (table: string): Promise<SweepReport> => {
    const [report] = (await world.sweep({ rule: `rows:public.${table}` })) as [SweepReport];
    return report;
  };
  const restrict = (id: number, ground: 'accuracy' | 'unlawful' | 'claims' | 'objection') =>
    world.subject('user', id).restrict({ because: 'says so', ground });
  const hold = async (id: number) => {
    await world.holds.open({ name: 'case 1', ground: 'a lawsuit' });
    await world.holds.place('case 1', { kind: 'user', id });
  };
  const isAnonymised = (row: Stored) => {
    expect(row).to.include({ body: null, ip: null });
    expect(row.place).to.match(/^erased-[0-9a-f]{32}$/);
  };
  /** Of how many rows of each table the ledger says that they left, or let go. */
  const expired = async () => {
    const found: Record<string, number> = {};
    for (const { details } of await world.plain('oubli.ledger').where({ act: 'expired' }))
      for (const line of details.tables) found[line.table] = (found[line.table] ?? 0) + line.rows;
    return found;
  };

  const RESTRICTED = [
    { because: 'restriction (GDPR Art. 18(1)(b))', count: 1 },
    { because: 'restriction (GDPR Art. 18(1)(c))', count: 1 },
  ];
  const restrictEach = async (): Promise<void> => {
    await restrict(ADA, 'accuracy');
    await restrict(BOB, 'unlawful');
    await restrict(CLEO, 'claims');
    await restrict(DAN, 'objection');
  };

  it('Art. 18: deletes rows of whom is restricted, but of nobody who opposes it or needs them', async () => {
    await restrictEach();
    const before = [await rows('visits'), await rows('notes')];
    expect(await sweepOf('visits')).to.deep.include({ gone: 3, stillDue: 0, locked: 0, held: RESTRICTED });
    expect([await rows('visits'), await rows('notes')]).to.deep.equal(before.map((all) => of(all, BOB, CLEO)));
    expect(await expired()).to.deep.equal({ visits: 3, notes: 3, marks: 0 });
    await world.subject('user', BOB).liftRestriction({ because: 'settled', inform: () => undefined });
    expect(await sweepOf('visits')).to.deep.include({ gone: 1, held: RESTRICTED.slice(1) });
    expect(await rows('visits')).to.deep.equal(of(before[0] as Stored[], CLEO));
  });

  it('Art. 18: anonymises rows of whom is restricted, but of nobody who opposes it or needs them, and each once', async () => {
    await restrictEach();
    const before = await rows('letters');
    expect(await sweepOf('letters')).to.deep.include({ gone: 3, stillDue: 0, locked: 0, held: RESTRICTED });
    const after = await rows('letters');
    expect(of(after, BOB, CLEO)).to.deep.equal(of(before, BOB, CLEO));
    for (const row of of(after, ADA, DAN, EVE)) isAnonymised(row);
    expect(await world.plain('oubli.restriction').orderBy('subject_id').pluck('ground')).to.deep.equal([
      'accuracy',
      'unlawful',
      'claims',
      'objection',
    ]);
    expect(await sweepOf('letters')).to.deep.include({ gone: 0, stillDue: 0, held: RESTRICTED });
    expect(await rows('letters'), 'what is anonymised is not written again').to.deep.equal(after);
  });

  for (const [table, gone] of [
    ['visits', (all: Stored[]) => of(all, CLEO)],
    ['letters', undefined],
  ] as const) {
    it(`H1: leaves rows of ${table} of whom is held as they are, counts them, and takes them when she is free`, async () => {
      await hold(CLEO);
      const before = await rows(table);
      const held = [{ because: 'case 1', count: 1 }];
      expect(await sweepOf(table)).to.deep.include({ gone: 4, stillDue: 0, locked: 0, held });
      const after = await rows(table);
      expect(of(after, CLEO)).to.deep.equal(of(before, CLEO));
      if (gone) expect(after).to.deep.equal(gone(before));
      else for (const row of of(after, ADA, BOB, DAN, EVE)) isAnonymised(row);
      const { redriven } = await world.holds.release('case 1', { because: 'settled' });
      expect(redriven.rules).to.deep.equal([`rows:public.${table}`]);
      expect(await sweepOf(table)).to.deep.include({ gone: 1, stillDue: 0, held: [] });
      if (gone) expect(await rows(table)).to.deep.equal([]);
      else for (const row of of(await rows(table), CLEO)) isAnonymised(row);
    });
  }

  it('H1: says which case keeps a row because of what another who is held has below it', async () => {
    await world.db('marks').insert({ id: 1, visit_id: EVE, author_id: CLEO, word: 'seen' });
    await hold(CLEO);
    const before = [await rows('marks'), await rows('visits')];
    const report = await sweepOf('visits');
    expect(await rows('marks')).to.deep.equal(before[0]);
    expect(await rows('visits')).to.deep.equal(of(before[1] as Stored[], CLEO, EVE));
    expect(report).to.deep.include({ gone: 3, stillDue: 0, locked: 0, held: [{ because: 'case 1', count: 2 }] });
    const { redriven } = await world.holds.release('case 1', { because: 'settled' });
    expect(redriven.rules).to.deep.equal(['rows:public.visits']);
    expect(await sweepOf('visits')).to.deep.include({ gone: 2, held: [] });
    expect(await rows('marks').then(([mark]) => mark)).to.include({ visit_id: null, author_id: CLEO });
  });

  it('H1: writes down that a rule waits for such a case, so that its release sweeps it again', async () => {
    await world.plain('visits').whereNot({ id: EVE }).update({ at: null });
    await world.db('marks').insert({ id: 1, visit_id: EVE, author_id: CLEO, word: 'seen' });
    await restrict(CLEO, 'claims');
    const held = [{ because: 'restriction (GDPR Art. 18(1)(c))', count: 1 }];
    expect(await sweepOf('visits')).to.deep.include({ gone: 0, chunks: 0, stillDue: 0, locked: 0, held });
    expect(await world.plain('oubli.deferred_sweep').select('rule', 'due')).to.deep.equal([
      { rule: 'rows:public.visits', due: '1' },
    ]);
    await world.subject('user', CLEO).liftRestriction({ because: 'settled', inform: () => undefined });
    expect(await sweepOf('visits')).to.deep.include({ gone: 1, held: [] });
  });

  it('H1: is not kept by a reference that holds let anybody change', async () => {
    await world.db('marks').insert({ id: 1, about_id: EVE, author_id: CLEO, word: 'seen' });
    await hold(CLEO);
    const [before] = await rows('marks');
    expect(await sweepOf('visits')).to.deep.include({ gone: 4, stillDue: 0, held: [{ because: 'case 1', count: 1 }] });
    expect(await rows('marks')).to.deep.equal([{ ...before, about_id: null }]);
  });

  it('H1: a person is held like her rows, by what another who is held has below them', async () => {
    await world.db('marks').insert({ id: 1, visit_id: EVE, author_id: CLEO, word: 'seen' });
    await hold(CLEO);
    const before = [await rows('marks'), await rows('visits')];
    await world.plain('users').where({ id: EVE }).update({ ended_on: OLD });
    const [report] = await world.sweep({ rule: 'subject:user' });
    expect(report).to.deep.include({ gone: 0, stillDue: 0, locked: 0, held: [{ because: 'case 1', count: 1 }] });
    const error = await failureOf(() => world.subject('user', EVE).erase({ because: 'her request' }));
    expect(error).to.be.instanceOf(HoldError);
    expect([await rows('marks'), await rows('visits')]).to.deep.equal(before);
    const { redriven } = await world.holds.release('case 1', { because: 'settled' });
    expect(redriven).to.deep.equal({ rules: ['subject:user'], requests: 1 });
    expect((await world.sweep({ rule: 'subject:user' }))[0]).to.deep.include({ gone: 1, held: [] });
    expect(await rows('marks').then(([mark]) => mark)).to.include({ visit_id: null, author_id: CLEO });
  });

  it('H1, G3: leaves a row of two as it is while either of them is held', async () => {
    const chat = (id: number, a_id: number, b_id: number) => ({ id, a_id, b_id, a_word: 'a', b_word: 'b', at: OLD });
    await world.db('chats').insert([chat(1, ADA, CLEO), chat(2, CLEO, ADA), chat(3, ADA, EVE)]);
    await hold(CLEO);
    const before = await rows('chats');
    const held = [{ because: 'case 1', count: 2 }];
    expect(await sweepOf('chats')).to.deep.include({ gone: 1, stillDue: 0, locked: 0, held });
    const after = await rows('chats');
    expect(of(after, 1, 2)).to.deep.equal(of(before, 1, 2));
    const [last] = of(after, 3);
    expect(last?.a_word).to.equal(null);
    expect(await ownerOf(world.plain, last?.b_word)).to.equal('nobody');
    await world.holds.release('case 1', { because: 'settled' });
    await restrict(EVE, 'claims');
    await restrict(CLEO, 'accuracy');
    expect(await sweepOf('chats')).to.deep.include({ gone: 2, stillDue: 0, held: [] });
  });

  it('A8: ends what the law kept of whom was erased, once, and the key with it, and brings nothing back', async () => {
    for (const id of [DAN, EVE]) await world.subject('user', id).erase({ because: 'her request' });
    const kept = await rows('bills');
    expect(await ownerOf(world.plain, kept[3]?.address)).to.equal('kept of user 4');
    expect(await world.plain('oubli.subject_key').whereNotNull('keep_until')).to.have.length(2);
    await world.holds.open({ name: 'case 1', ground: 'a lawsuit' });
    await world.holds.place('case 1', { table: 'bills', rows: [EVE] });
    const held = [{ because: 'case 1', count: 1 }];
    expect(await sweepOf('bills')).to.deep.include({ gone: 4, stillDue: 0, locked: 0, held });
    const ended = await rows('bills');
    expect(of(ended, EVE)).to.deep.equal(of(kept, EVE));
    for (const row of of(ended, ADA, DAN)) {
      expect(await ownerOf(world.plain, row.address)).to.equal('nobody');
      expect(row.town).to.equal(null);
    }
    expect(await sweepOf('bills')).to.deep.include({ gone: 0, stillDue: 0, held });
    expect(await rows('bills'), 'what is anonymised is not written again').to.deep.equal(ended);
    expect(await sweepOf('slips')).to.deep.include({ gone: 5, stillDue: 0, held: [] });
    expect(await rows('slips')).to.deep.equal([]);
    await world.sweep();
    const keys = await world.plain('oubli.subject_key').whereNotNull('keep_until').pluck('key_id');
    const links = await world.plain('oubli.subject_link').whereIn('retained_key_id', keys).pluck('subject_id');
    expect(links, 'a key ends with the last row that it opens').to.deep.equal([String(EVE)]);
    expect(await world.db('bills').where({ id: EVE }).pluck('address')).to.deep.equal(['street 5']);
    const back = await failureOf(() => world.plain('bills').where({ id: DAN }).update({ town: 'again' }));
    expect(back.code).to.equal('OU036');
    await world.holds.release('case 1', { because: 'settled' });
    expect(await sweepOf('bills')).to.deep.include({ gone: 1, stillDue: 0, held: [] });
  });

  it('A8: of whom was erased, what was anonymised with her is due no more, and what comes to its end later leaves then', async () => {
    await world.plain('bills').update({ at: world.plain.raw(`oubli.now()::date - interval '9 years'`) });
    await world.plain('slips').update({ at: world.plain.raw(`oubli.now()::date - interval '9 years'`) });
    await world.subject('user', DAN).erase({ because: 'her request' });
    const before = [await rows('bills'), await rows('slips'), await rows('users')];
    for (const table of ['bills', 'slips', 'letters', 'visits']) await sweepOf(table);
    expect([await rows('bills'), await rows('slips'), await rows('users')]).to.deep.equal(before);
    await moveClock(world.plain, '2 years');
    try {
      for (const table of ['bills', 'slips'])
        expect(await sweepOf(table)).to.deep.include({ gone: 5, stillDue: 0, held: [] });
      await world.sweep();
    } finally {
      await resetClock(world.plain);
    }
    const shredded = await world.plain('oubli.ledger').where({ act: 'shredded' });
    expect(shredded).to.have.length(1);
    expect(await world.plain('oubli.subject_key').whereNotNull('keep_until')).to.deep.equal([]);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  });
});
