import { expect } from 'chai';
import type { Knex } from 'knex';
import { annotate, install, SCHEMA_VERSION, type SweepReport } from '../../src';
import { stopClock } from '../../src/testing';
import { addPeople, addPerson } from '../support/people';
import { refusalOf } from '../support/refusals';
import { startWorker } from '../support/sweep-process';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

function reportOf(reports: readonly SweepReport[], rule: string): SweepReport {
  const found = reports.find((each) => each.rule === rule);
  if (!found) throw new Error(`no report of ${rule}`);
  return found;
}

describe('A sweep', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(() => world.end());

  const sweepUsers = async (options?: Parameters<World['sweep']>[0]): Promise<SweepReport> =>
    reportOf(await world.sweep(options), 'subject:user');

  it('goes in chunks, each with its own commit, and reports what left', async () => {
    await addPeople(world.db, 7, '2020-01-01');
    await addPerson(world.db, 1);
    expect(await sweepUsers({ chunk: 3 })).to.deep.equal({
      rule: 'subject:user',
      gone: 7,
      chunks: 3,
      stillDue: 0,
      locked: 0,
      held: [],
      finished: true,
    });
    const { rows } = await world.plain.raw('select count(distinct at)::int as commits from oubli.ledger');
    expect(rows[0].commits).to.equal(3);
    expect(await sweepUsers()).to.include({ gone: 0, chunks: 0, stillDue: 0 });
  });

  it('stops between two chunks when it is told to, and says that it did not finish', async () => {
    await addPeople(world.db, 3, '2020-01-01');
    expect(await sweepUsers({ signal: AbortSignal.abort() })).to.include({ gone: 0, stillDue: 3, finished: false });
  });

  it('passes over whom somebody holds, says how many are still due, and takes them next time', async () => {
    const people = await addPeople(world.db, 5, '2020-01-01');
    const trx = await world.plain.transaction();
    await trx('users').where({ id: people[1]!.id }).forUpdate();
    expect(await sweepUsers({ chunk: 2 })).to.include({ gone: 4, stillDue: 1, finished: true });
    await trx.rollback();
    expect(await sweepUsers()).to.include({ gone: 1, stillDue: 0 });
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 5, people: 5 });
  });

  it('leaves a person whose contract somebody holds, and takes the others of her chunk', async function () {
    this.timeout(40_000);
    const people = await addPeople(world.db, 4, '2020-01-01');
    const trx = await world.plain.transaction();
    await trx('contracts').where({ user_id: people[2]!.id }).forUpdate();
    expect(await sweepUsers()).to.include({ gone: 3, stillDue: 1 });
    await trx.rollback();
    expect(await sweepUsers()).to.include({ gone: 1, stillDue: 0 });
  });

  it('is not held up by somebody who was erased before and stands there again', async () => {
    const [ada, bob] = await addPeople(world.db, 2, '2020-01-01');
    await world.plain('invoices').where({ user_id: ada!.id }).delete();
    const [stored] = await world.plain('users').where({ id: ada!.id });
    await world.subject('user', ada!.id).erase({ because: 'a test' });
    // As a restored backup or a stray import would do: past oubli, and with the link gone.
    await world
      .plain('oubli.subject_link')
      .where({ subject_id: String(ada!.id) })
      .delete();
    const tombstone = world.plain.raw(`oubli.tombstone((select id from oubli.element
      where domain = 'oubli."users.email"'::regtype), true, 'again')`);
    await world.plain('users').where({ id: ada!.id }).delete();
    await world.plain('users').insert({ id: ada!.id, email: tombstone, service_ended_on: stored.service_ended_on });
    expect(await sweepUsers({ chunk: 1 })).to.include({ gone: 1, stillDue: 1, finished: true });
    expect(
      (
        await world
          .plain('oubli.subject_link')
          .where({ subject_id: String(bob!.id) })
          .first()
      ).erased_at,
    ).not.to.equal(null);
  });

  it('erases somebody of whom nothing was ever sealed: her receipt has a name for her all the same', async () => {
    await world.plain.raw(`insert into users (email, service_ended_on) select oubli.tombstone(id, true, 'x'), '2020-01-01'
      from oubli.element where domain = 'oubli."users.email"'::regtype`);
    expect(await sweepUsers()).to.include({ gone: 1, stillDue: 0 });
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 1, people: 1 });
  });

  it('of two workers over the same people does nothing twice and loses nobody', async () => {
    await addPeople(world.db, 30, '2020-01-01');
    const second = await world.another();
    const reports = await Promise.all([world, second].map((each) => each.sweep({ chunk: 2 })));
    const gone = reports.map((each) => reportOf(each, 'subject:user').gone);
    expect(gone[0]! + gone[1]!).to.equal(30);
    expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: 0, erased: 30, between: [] });
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 30, people: 30 });
  });

  it('of two processes does nothing twice and loses nobody', async () => {
    await addPeople(world.db, 40, '2020-01-01');
    const workers = [1, 2].map(() => startWorker(world.url, world.keyFile, 1));
    const outputs = await Promise.all(workers.map(({ output }) => output));
    const gone = outputs.map((output) => reportOf(JSON.parse(output), 'subject:user').gone);
    expect(gone[0]! + gone[1]!).to.equal(40);
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 40, people: 40 });
  });
});

/** Tables whose rows end by a rule of their own, in the shapes that have no single primary key. */
async function migrateLogs(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create table users (id int primary key, ended_on date);
    create table pairs (user_id int not null references users, seq int, at timestamptz, text text, primary key (user_id, seq));
    create table heaps (user_id int references users, at timestamptz, text text);
    create table parts (user_id int not null references users, seq int, at timestamptz not null, text text, primary key (seq, at))
      partition by range (at);
    create table parts_1 partition of parts for values from ('2020-01-01') to ('2021-01-01');
    create table parts_2 partition of parts for values from ('2021-01-01') to ('2022-01-01');
    create table lines (id int primary key, amount int, seq int not null, at timestamptz not null, foreign key (seq, at) references parts);
    create table traces (id int primary key, user_id int not null references users, at date, text text, code text not null, secret text not null);
    create table stubborn (id int primary key, user_id int not null references users, at date, text text);
    create index on heaps (user_id);
    create index on parts (user_id);
    create index on lines (seq, at);
    create index on traces (user_id);
    create index on stubborn (user_id);
    create function stay() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger stay before delete on stubborn for each row execute function stay();`);
  const serve = { purpose: 'serve', basis: 'contract' } as const;
  const text = { category: 'activity.content', protect: 'clear', because: 'a test reads it' } as const;
  const at = { notPersonal: 'starts the clock' } as const;
  const rule = (then: 'delete' | 'anonymise') =>
    ({ ...serve, retention: { from: 'at', keep: '13 months', then } }) as const;
  await annotate(knex, 'users', {
    subject: { kind: 'user', ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
    columns: { ended_on: at },
  });
  for (const table of ['pairs', 'heaps', 'parts', 'stubborn']) {
    await annotate(knex, table, { data: rule('delete'), columns: { text, at } });
  }
  await annotate(knex, 'lines', { columns: { amount: { notPersonal: 'an amount' } } });
  await annotate(knex, 'traces', {
    data: rule('anonymise'),
    columns: { text, at, code: text, secret: { category: 'activity.content', protect: 'encrypt' } },
  });
}

describe('A rule for rows', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateLogs });
    await stopClock(world.plain, '2021-12-15T00:00:00Z');
    await world.plain('users').insert([{ id: 1 }, { id: 2 }]);
  });
  after(() => world.end());

  const sweep = async (rule: string): Promise<SweepReport> =>
    reportOf(await world.sweep({ chunk: 2 }), `rows:public.${rule}`);
  const texts = (table: string): Promise<unknown[]> => world.plain(table).orderBy('text').pluck('text');
  const due = '2020-03-01T00:00:00Z';
  const notDue = '2021-03-01T00:00:00Z';

  it('takes single rows of a table with a key of two columns, not all that share the first', async () => {
    await world
      .plain('pairs')
      .insert([
        ...[1, 2, 3].map((seq) => ({ user_id: 1, seq, at: due, text: `due ${seq}` })),
        { user_id: 1, seq: 4, at: notDue, text: 'not due' },
        { user_id: 2, seq: 1, at: null, text: 'not started' },
      ]);
    expect(await sweep('pairs')).to.include({ gone: 3, chunks: 2, stillDue: 0 });
    expect(await texts('pairs')).to.deep.equal(['not due', 'not started']);
  });

  it('takes single rows of a table without any key', async () => {
    await world.plain('heaps').insert([due, due, notDue, due].map((at) => ({ user_id: 1, at, text: `${at === due}` })));
    expect(await sweep('heaps')).to.include({ gone: 3, stillDue: 0 });
    expect(await texts('heaps')).to.deep.equal(['false']);
  });

  it('takes the rows of one partition, not those that stand at the same place of another', async () => {
    const rows = [1, 2, 3].flatMap((seq) => [
      { user_id: 1, seq, at: due, text: `due ${seq}` },
      { user_id: 1, seq, at: notDue, text: `stays ${seq}` },
    ]);
    await world.plain('parts').insert(rows);
    await world.plain('lines').insert(rows.map(({ seq, at }, id) => ({ id, seq, at, amount: 1 })));
    expect(await sweep('parts')).to.include({ gone: 3, stillDue: 0 });
    expect(await texts('parts')).to.deep.equal(['stays 1', 'stays 2', 'stays 3']);
    expect(await world.plain('lines').orderBy('id').pluck('id'), 'and what hangs on them').to.deep.equal([1, 3, 5]);
  });

  it('anonymises rows once, and not at every sweep again', async () => {
    const row = { user_id: 1, text: 'hers', code: 'hers', secret: 'hers' };
    await world.db('traces').insert([
      { ...row, id: 1, at: '2020-03-01' },
      { ...row, id: 2, at: '2020-03-02' },
      { ...row, id: 3, at: '2020-03-03' },
      { ...row, id: 4, at: '2021-03-01' },
    ]);
    expect(await sweep('traces')).to.include({ gone: 3, stillDue: 0, finished: true });
    expect(await sweep('traces')).to.include({ gone: 0, stillDue: 0 });
    const rows = await world.db('traces').orderBy('id').select('text', 'secret');
    expect(rows.slice(0, 3)).to.deep.equal(Array(3).fill({ text: null, secret: null }));
    expect(rows[3]).to.deep.equal({ text: 'hers', secret: 'hers' });
  });

  it('ends although a trigger of the team keeps the rows, and says which', async () => {
    await world.plain('stubborn').insert([1, 2, 3].map((id) => ({ id, user_id: 1, at: '2020-03-01', text: 'x' })));
    const error = await refusalOf(() => world.sweep({ rule: 'rows:public.stubborn' }));
    expect(error).to.include({ name: 'PlanBlockedError', code: 'TRIGGER_KEPT', table: 'stubborn' });
    expect(error.fix).to.contain('stay on stubborn');
    const state = await world.plain('oubli.sweep_state').where({ rule: 'rows:public.stubborn' }).first();
    expect(state).to.include({ last_failure: 'TRIGGER_KEPT', still_due: '3' });
  });

  it('has one line in the ledger for each chunk, naming the rule and no person', async () => {
    const entries = await world.plain('oubli.ledger').where({ act: 'expired' });
    expect(entries.length).to.be.greaterThan(4);
    for (const { key_id, because, details } of entries) {
      expect(key_id).to.equal(null);
      expect(because).to.match(/^retention: 13 months after \w+\.at$/);
      expect(details.tables[0].table).to.equal(details.rule);
    }
  });
});

describe('What the law obliges to keep', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(() => world.end());

  it('goes when its years are over, whoever it was of; her key goes with the last of it and is refused for ever', async () => {
    const ada = await addPerson(world.db, 1);
    const bob = await addPerson(world.db, 2);
    await world.subject('user', ada.id).erase({ because: 'a test' });
    const [key] = await world.plain('oubli.subject_key').whereNotNull('keep_until');
    await stopClock(world.plain, '2034-06-01T00:00:00Z');
    await world.sweep();
    expect(await world.plain('invoices').orderBy('user_id').pluck('user_id')).to.deep.equal([ada.id, bob.id]);
    expect(await world.db('invoices').where({ user_id: ada.id }).pluck('billing_address')).not.to.deep.equal([null]);
    await stopClock(world.plain, '2035-06-30T00:00:00Z');
    await world.sweep();
    expect(await world.plain('invoices')).to.have.length(0);
    expect(await world.plain('oubli.fence').where({ key_id: key.key_id })).to.have.length(1);
    const again = await world
      .plain('oubli.subject_key')
      .insert(key)
      .then(
        () => 'taken',
        (error) => error.code,
      );
    expect(again).to.equal('OU002');
    const last = await world.plain('oubli.ledger').orderBy('entry', 'desc').first();
    expect(last).to.include({ act: 'shredded' });
  });

  it('stays readable when its date was put off after her erasure', async () => {
    const ada = await addPerson(world.db, 1);
    await world.subject('user', ada.id).erase({ because: 'a test' });
    await world.plain('invoices').where({ issued_on: '2025-06-30' }).update({ issued_on: '2026-06-30' });
    await stopClock(world.plain, '2035-12-31T00:00:00Z');
    await world.sweep();
    const [address] = await world.db('invoices').pluck('billing_address');
    expect(address).to.be.a('string');
    await stopClock(world.plain, '2036-06-30T00:00:00Z');
    await world.sweep();
    expect(await world.plain('oubli.subject_key').whereNotNull('keep_until')).to.have.length(0);
  });

  it('keeps its key while the clock of a row has not started, and loses it when that row leaves at last', async () => {
    const ada = await addPerson(world.db, 1);
    await world.plain('invoices').update({ issued_on: null });
    const receipt = await world.subject('user', ada.id).erase({ because: 'a test' });
    expect(receipt.kept).to.deep.equal([{ table: 'invoices', rows: 2, because: 'Code de commerce L123-22' }]);
    await stopClock(world.plain, '2090-01-01T00:00:00Z');
    await world.sweep();
    expect((await world.db('invoices').pluck('billing_address'))[0]).to.be.a('string');
    await world.plain('invoices').update({ issued_on: '2026-01-01' });
    await world.sweep();
    expect(await world.plain('invoices')).to.have.length(0);
    expect(await world.plain('oubli.subject_key').whereNotNull('keep_until')).to.have.length(0);
  });
});
