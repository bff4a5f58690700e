/**
 * What oubli knows of a person by her name goes with the name (ERASURE.md D3): whoever bears it next inherits nothing, and whoever is
 * renamed keeps all of it. By whatever statement, for names are deleted, used again and changed past the library.
 */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { annotate, HoldError, install, type Journal, SCHEMA_VERSION } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { forgetEvents } from '../../src/lifecycle/outlived';
import { stopClock } from '../../src/testing';
import { type JournalFile, makeJournalFile } from '../support/journal-file';
import { failureOf, refusalOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const said = { purpose: 'serve', basis: 'contract' } as const;
const personal = { category: 'contact.handle', protect: 'clear', because: 'shown' } as const;

async function migrateLogins(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create table logins (login text primary key, nick text);
    create table guests (login text primary key, nick text) partition by hash (login);
    create table guests_0 partition of guests for values with (modulus 2, remainder 0);
    create table guests_1 partition of guests for values with (modulus 2, remainder 1);
    create table staff (login text primary key, nick text);
    create table interns (primary key (login)) inherits (staff);
    create table bills (id serial primary key, login text, address text)`);
  for (const [table, kind] of Object.entries({ logins: 'user', guests: 'guest', staff: 'staff' })) {
    await annotate(knex, table, {
      subject: {
        kind,
        id: 'login',
        ...said,
        retention: { from: { event: 'service_ended' }, keep: '1 month', then: 'erase' },
      },
      columns: { nick: personal },
    });
  }
  await annotate(knex, 'bills', {
    data: {
      purpose: 'invoicing',
      basis: 'legal_obligation',
      references: [{ columns: ['login'], to: 'logins' }],
      retention: {
        from: { event: 'service_ended' },
        keep: '1 year',
        then: 'delete',
        because: 'Code de commerce L123-22',
      },
    },
    columns: { address: { category: 'contact.address', protect: 'clear', because: 'printed' } },
  });
}

describe('A name that is used again', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateLogins });
    await stopClock(world.plain, '2026-08-31T12:00:00Z');
  });
  afterEach(() => world.end());

  const KINDS = { user: 'logins', guest: 'guests', staff: 'staff', intern: 'interns' };
  /** Whoever ended her service long ago. */
  const add = async (login: string, kind: keyof typeof KINDS = 'user', on = '2020-01-01'): Promise<void> => {
    await world.plain(KINDS[kind]).insert({ login, nick: login });
    await world.subject(kind === 'intern' ? 'staff' : kind, login).serviceEnded({ on });
  };
  const clocks = async (): Promise<string[]> =>
    (await world.plain('oubli.person_event').where({ left_behind: false }).orderBy('subject_id')).map(
      (event) => event.subject_id,
    );
  const clock = (): Promise<unknown> =>
    world.plain
      .raw('select look_on::text, count(*) from oubli.person_event group by look_on')
      .then(({ rows }: { rows: unknown }) => rows);
  /** Who is there still, and not only her row. */
  const living = (table: string): Promise<string[]> =>
    world.plain(table).whereNotNull('nick').orderBy('login').pluck('login');
  const acts = async (): Promise<string[]> =>
    (await world.plain('oubli.ledger').orderBy('entry').pluck('act')) as string[];

  it('D3: is looked for in one go, also by a session that has changed a single row before', async () => {
    await add('ada');
    await world.plain.raw(`insert into logins select 'guest ' || n, 'a nick' from generate_series(1, 10000) n`);
    await world.plain.transaction(async (trx) => {
      await trx.raw("set local statement_timeout = '10s'"); // it took a hundred
      await trx('logins').where({ login: 'ada' }).update({ nick: 'ada' });
      expect(await trx('logins').update({ nick: 'another' })).to.equal(10_001);
    });
    expect(await clocks()).to.deep.equal(['ada']);
  });

  it('A9: of the events of many only those are looked at of which rows may have left since', async () => {
    await world.plain.raw(`
      insert into oubli.person_event (kind, event, purpose, subject_id, happened_on, left_behind)
        select 'user', 'service_ended', '', 'gone ' || n, date '2026-08-01', true from generate_series(1, 5000) n;
      insert into bills (login, address) select 'gone ' || n, 'here' from generate_series(1, 4000) n;
      analyze bills, oubli.person_event`);
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const explained = async (): Promise<string> => {
      await client.query('begin');
      const sql = forgetEvents(await loadCatalogue(client));
      const { rows } = await client.query(`explain (analyze, costs off, timing off) ${sql}`);
      await client.query('rollback');
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    try {
      expect(await explained(), 'all once').to.match(/CTE looked\n +-> +LockRows \(actual rows=5000/);
      await world.sweep();
      expect(await clock()).to.deep.equal([{ look_on: '2026-09-30', count: '4000' }]);
      await world.plain.raw('analyze oubli.person_event');
      const plan = await explained();
      expect(plan).to.match(/CTE looked\n +-> +LockRows \(actual rows=0/);
      expect(plan).to.match(/Index Scan using person_event_look_on_idx/);
      await world.plain('bills').where({ login: 'gone 7' }).delete();
      await stopClock(world.plain, '2026-09-30T12:00:00Z');
      await world.sweep();
      expect(await clock(), 'what left past the life cycle').to.deep.equal([{ look_on: '2026-10-30', count: '3999' }]);
      await stopClock(world.plain, '2027-07-20T12:00:00Z');
      await world.sweep();
      expect(await clock(), 'the day before').to.deep.equal([{ look_on: '2027-07-31', count: '3999' }]);
      await stopClock(world.plain, '2027-08-01T12:00:00Z');
      await world.sweep();
      expect(await clock(), 'with the last of the rows').to.deep.equal([]);
    } finally {
      await client.end();
    }
  });

  for (const [kind, table] of Object.entries(KINDS) as [keyof typeof KINDS, string][]) {
    it(`D3: has no clock of who bore it before, in ${table}: a DELETE stops it, whatever the session's role`, async () => {
      await add('ada', kind);
      await add('bob', kind);
      await add('eva', kind);
      await world.plain(table).where({ login: 'ada' }).delete();
      await world.plain.transaction(async (trx) => {
        await trx.raw('set local session_replication_role = replica');
        await trx(table).where({ login: 'bob' }).delete();
      });
      expect(await clocks()).to.deep.equal(['eva']);
      await world.plain(table).insert([
        { login: 'ada', nick: 'a newcomer' },
        { login: 'bob', nick: 'a newcomer' },
      ]);
      await world.sweep();
      expect(await living(table)).to.deep.equal(['ada', 'bob']);
    });
  }

  it('D3: has none after a TRUNCATE either, of a table or of one partition', async () => {
    await add('ada');
    await add('bob', 'guest');
    await add('eva', 'guest');
    await world.plain.raw('truncate logins, bills');
    expect(await clocks()).to.deep.equal(['bob', 'eva']);
    const [bob] = (await world.plain.raw(`select tableoid::regclass::text as rel from guests where login = 'bob'`))
      .rows;
    await world.plain.raw(`truncate ${bob.rel}`);
    expect(await clocks()).to.deep.equal(await world.plain('guests').orderBy('login').pluck('login'));
    await world.plain.raw('truncate guests');
    expect(await clocks()).to.deep.equal([]);
  });

  it('D3: nor in a partition and a table that inherits that were made since', async () => {
    await world.plain.raw(`
      create table later (primary key (login)) inherits (staff);
      create table walks (login text primary key, nick text) partition by list (login);
      create table walks_ada partition of walks for values in ('ada')`);
    await annotate(world.plain, 'walks', {
      subject: {
        kind: 'walk',
        id: 'login',
        ...said,
        retention: { from: { event: 'service_ended' }, keep: '1 month', then: 'erase' },
      },
      columns: { nick: personal },
    });
    await world.plain.raw(`
      create table walks_bob partition of walks for values in ('bob');
      select oubli.refresh_guard('staff'::regclass), oubli.refresh_guard('walks'::regclass)`);
    const other = await world.another();
    await world.plain('later').insert({ login: 'eva', nick: 'e' });
    await world.plain('walks').insert({ login: 'bob', nick: 'b' });
    await other.subject('staff', 'eva').serviceEnded();
    await other.subject('walk', 'bob').serviceEnded();
    expect(await clocks()).to.deep.equal(['bob', 'eva']);
    await world.plain('walks_bob').delete();
    await world.plain('later').delete();
    expect(await clocks()).to.deep.equal([]);
  });

  it('D3: has no notice of who bore it before', async () => {
    await add('ada');
    await world
      .plain('oubli.notice')
      .insert({ rule: 'subject:user', subject_id: 'ada', due_on: '2026-10-01', notice: '1 day' });
    await world
      .plain('oubli.notice')
      .insert({ rule: 'subject:guest', subject_id: 'ada', due_on: '2026-10-01', notice: '1 day' });
    await world.plain('logins').delete();
    expect(await world.plain('oubli.notice').pluck('rule')).to.deep.equal(['subject:guest']);
  });

  it('L2: has no request of who bore it before: the ledger says that it was closed, and she may ask for herself', async () => {
    await add('ada', 'user', '2026-08-31');
    await world.holds.open({ name: 'case 1', ground: 'a claim' });
    await world.holds.place('case 1', world.subject('user', 'ada'));
    await failureOf(() => world.subject('user', 'ada').erase({ because: 'her letter' }));
    await world.holds.release('case 1', { because: 'settled' });
    const [{ key_id }] = await world.plain('oubli.ledger').where({ act: 'erasure deferred' });
    await world.plain('logins').where({ login: 'ada' }).delete();
    expect(await world.plain('oubli.deferred_request')).to.deep.equal([]);
    await world.plain('logins').insert({ login: 'ada', nick: 'a newcomer' });
    expect(await world.requests({ open: true })).to.have.length(1);
    await world.sweep();
    expect(await world.plain('logins').pluck('nick')).to.deep.equal(['a newcomer']);
    const [closed] = await world.plain('oubli.ledger').where({ act: 'erasure closed' });
    expect(closed).to.deep.include({ key_id, details: { kind: 'user' } });
    expect(await world.plain('oubli.unrecorded')).to.deep.equal([]);
    expect(await world.requests({ open: true })).to.deep.equal([]);
    expect(await world.requests()).to.have.length(1);
    await world.subject('user', 'ada').erase({ because: 'her letter' });
    expect(await world.requests(), 'the same words, and another request').to.have.length(2);
  });

  it('H1: has no restriction of who bore it before, and the ledger says when that ended', async () => {
    await add('ada', 'user', '2026-08-31');
    await world.subject('user', 'ada').restrict({ because: 'says her name is wrong' });
    await world.plain('logins').where({ login: 'ada' }).delete();
    await world.plain('logins').insert({ login: 'ada', nick: 'a newcomer' });
    await world.sweep();
    expect(await acts()).to.deep.equal(['restricted', 'restriction lifted']);
    await world.plain('logins').update({ nick: 'renamed' });
  });

  it('D3: leaves the rows that stayed of her their day, and starts no clock of the newcomer’s', async () => {
    await add('ada', 'user', '2026-01-01');
    await world.plain('bills').insert({ login: 'ada', address: 'of the first Ada' });
    await world.plain('logins').delete();
    await stopClock(world.plain, '2026-12-31T00:00:00Z');
    await world.sweep();
    expect(await world.plain('bills')).to.have.length(1);
    await world.plain('logins').insert({ login: 'ada', nick: 'a newcomer' });
    await world.plain('bills').insert({ login: 'ada', address: 'of the second Ada' });
    await stopClock(world.plain, '2027-01-02T00:00:00Z');
    await world.sweep();
    expect(await world.plain('bills'), 'hers now, as far as anybody can tell').to.have.length(2);
    await world.subject('user', 'ada').serviceEnded();
    expect(
      await world.plain
        .raw('select happened_on::text as day, left_behind from oubli.person_event')
        .then(({ rows }) => rows),
    ).to.deep.equal([{ day: '2027-01-02', left_behind: false }]);
    await world.plain('logins').delete();
    await stopClock(world.plain, '2028-01-02T00:00:00Z');
    await world.sweep();
    expect(await world.plain('bills')).to.deep.equal([]);
    expect(await world.plain('oubli.person_event'), 'and nothing stays of it').to.deep.equal([]);
  });

  it('A9: an event from which rows were kept goes with the last of them', async () => {
    await add('ada', 'user', '2026-08-01');
    await add('bob', 'user', '2026-08-01');
    await world.plain('bills').insert({ login: 'ada', address: 'here' });
    await stopClock(world.plain, '2026-10-01T00:00:00Z');
    await world.sweep();
    expect(await living('logins')).to.deep.equal([]);
    expect(await world.plain('oubli.person_event').pluck('subject_id'), 'of him nothing was kept').to.deep.equal([
      'ada',
    ]);
    await stopClock(world.plain, '2027-08-01T00:00:00Z');
    await world.sweep();
    expect(await world.plain('bills')).to.deep.equal([]);
    expect(await world.plain('oubli.person_event')).to.deep.equal([]);
  });

  for (const [kind, table] of Object.entries(KINDS) as [keyof typeof KINDS, string][]) {
    it(`D3: follows whoever is renamed, in ${table}, with her key and whatever her session's role`, async () => {
      for (const login of ['ada', 'bob', 'eva']) await add(login, kind);
      await world.plain(table).where({ login: 'ada' }).update({ login: 'lovelace' });
      await world.plain.transaction(async (trx) => {
        await trx.raw('set local session_replication_role = replica');
        await trx(table).where({ login: 'bob' }).update({ login: 'kahn' });
      });
      expect(await clocks()).to.deep.equal(['eva', 'kahn', 'lovelace']);
      await world.plain(table).insert({ login: 'ada', nick: 'a newcomer' });
      await world.sweep();
      expect(await living(table)).to.deep.equal(['ada']);
    });
  }

  it('D3: follows people who exchange their names in one statement', async () => {
    await world.plain.raw('alter table logins drop constraint logins_pkey, add primary key (login) deferrable');
    for (const [login, on] of [
      ['1', '2026-08-01'],
      ['2', '2026-08-02'],
      ['3', '2026-08-03'],
    ] as const)
      await add(login, 'user', on);
    await world.plain.raw(`update logins set login = (login::int % 3 + 1)::text`);
    const { rows } = await world.plain.raw(
      'select l.nick, e.happened_on::text as day from logins l join oubli.person_event e on e.subject_id = l.login order by 1',
    );
    expect(rows).to.deep.equal([
      { nick: '1', day: '2026-08-01' },
      { nick: '2', day: '2026-08-02' },
      { nick: '3', day: '2026-08-03' },
    ]);
  });

  it('D3: follows many who change names and partitions in one statement', async () => {
    const days = Array.from({ length: 40 }, (_, n) => `2026-07-${String((n % 31) + 1).padStart(2, '0')}`);
    for (const [n, day] of days.entries()) await add(`g${n}`, 'guest', day);
    const whose = `select g.nick, g.tableoid::regclass::text as part, e.happened_on::text as day
      from guests g join oubli.person_event e on e.subject_id = g.login order by g.nick`;
    const before = (await world.plain.raw(whose)).rows;
    await world.plain.raw(`update guests set login = 'g' || (substr(login, 2)::int + 40)`);
    const after = (await world.plain.raw(whose)).rows;
    const daysOf = (rows: { nick: string; day: string }[]): unknown => rows.map(({ nick, day }) => [nick, day]);
    expect(daysOf(after)).to.have.length(40).and.to.deep.equal(daysOf(before));
    const moved = after.filter((row: { part: string }, n: number) => row.part !== before[n].part);
    expect(moved, 'some changed their partition').not.to.have.length(0);
  });

  it('H1: follows her with a request that waits, under the same key', async () => {
    await add('ada', 'user', '2026-08-31');
    await world.holds.open({ name: 'case 1', ground: 'a claim' });
    await world.holds.place('case 1', world.subject('user', 'ada'));
    await failureOf(() => world.subject('user', 'ada').erase({ because: 'her letter' }));
    await world.holds.release('case 1', { because: 'settled' });
    await world.plain('logins').update({ login: 'lovelace' });
    await world.sweep();
    expect(await living('logins')).to.deep.equal([]);
    const keys = await world.plain('oubli.ledger').whereNotNull('key_id').distinct('key_id');
    expect(keys, 'one person to an auditor').to.have.length(1);
    expect(await world.requests({ open: true })).to.deep.equal([]);
  });

  it('A8: does not make somebody of a row whose person was erased: whatever it is called, it is not due again', async () => {
    await add('ada');
    await world.sweep();
    await world.plain('logins').update({ login: 'anonymous 1' });
    expect(await world.plain('oubli.subject_link').pluck('subject_id')).to.deep.equal(['anonymous 1']);
    await failureOf(() => world.plain('logins').update({ nick: 'ada again' }));
    expect((await acts()).filter((act) => act === 'erased')).to.have.length(1);
    await world.sweep();
    expect((await acts()).filter((act) => act === 'erased')).to.have.length(1);
  });

  it('D3: costs a kind of whom nothing is known no more than a look', async () => {
    await world.plain.raw(`insert into logins select n::text, 'x' from generate_series(1, 20000) n`);
    const { rows } = await world.plain.raw(`explain (analyze, format json) delete from logins`);
    const [trigger] = rows[0]['QUERY PLAN'][0].Triggers.filter(
      (each: { 'Trigger Name': string }) => each['Trigger Name'] === 'oubli_people_left',
    );
    expect(trigger.Calls).to.equal(1);
    expect(trigger.Time, 'ms').to.be.lessThan(20);
  });
});

describe('A return', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateLogins });
    await world.plain('logins').insert({ login: 'ada', nick: 'a' });
    await world.holds.open({ name: 'case 1', ground: 'a claim' });
    await world.holds.place('case 1', world.subject('user', 'ada'));
    await failureOf(() => world.subject('user', 'ada').erase({ because: 'her letter' }));
    await world.holds.release('case 1', { because: 'settled' });
  });
  afterEach(() => world.end());

  it('L2: does not withdraw a request of hers that waits: it is refused, and the request carried out', async () => {
    const error = await refusalOf(() => world.subject('user', 'ada').reactivated());
    expect(error).to.be.instanceOf(HoldError).and.include({ code: 'REQUEST_WAITS' });
    expect(error.fix).to.contain("subject('user', id).reactivated({ withdraws: ");
    expect(await world.plain('oubli.deferred_request')).to.have.length(1);
    await world.sweep();
    expect(await world.plain('logins').pluck('nick')).to.deep.equal([null]);
  });

  it('L2: withdraws it where somebody says why, in the ledger, with the commit or not at all', async () => {
    const trx = await world.db.transaction();
    await world.subject('user', 'ada').reactivated({ trx, withdraws: 'her call of 4 May' });
    await trx.rollback();
    expect(await world.plain('oubli.deferred_request')).to.have.length(1);
    await world.subject('user', 'ada').reactivated({ withdraws: 'her call of 4 May' });
    expect(await world.plain('oubli.deferred_request')).to.deep.equal([]);
    await world.sweep();
    expect(await world.plain('logins').pluck('login')).to.deep.equal(['ada']);
    const entries = await world.plain('oubli.ledger').orderBy('entry');
    const [asked, withdrawn] = [entries.find(({ act }) => act === 'requested'), entries.at(-1)];
    expect(withdrawn).to.deep.include({ act: 'erasure withdrawn', because: 'her call of 4 May', key_id: asked.key_id });
    expect(await world.requests({ open: true })).to.deep.equal([]);
    expect((await world.requests())[0]).to.include({ doneBy: Number(withdrawn.entry) });
    expect(await refusalOf(() => world.subject('user', 'ada').reactivated({ withdraws: ' ' }))).to.include({
      code: 'NO_BECAUSE',
    });
  });

  /** What an application may make of what PostgreSQL answers: every type another, every row's names others. */
  const reading = (): Partial<Knex.Config> => {
    const getTypeParser = (oid: number) => (text: string) => (oid === OF_TEXT ? text : `read as ${text}`);
    const renamed = (row: object): object =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [`their ${name}`, value]));
    return {
      connection: { connectionString: world.url, types: { getTypeParser } } as never,
      postProcessResponse: (answer) => (answer?.rows ? { ...answer, rows: answer.rows.map(renamed) } : answer),
    };
  };
  const OF_TEXT = 25;

  for (const whose of ['of its own', 'of the caller']) {
    it(`L2: withdraws it in a transaction ${whose}, whatever type parsers and row mappers the application has`, async () => {
      const theirs = await world.another({ config: reading() });
      const ada = theirs.subject('user', 'ada');
      if (whose === 'of its own') await ada.reactivated({ withdraws: 'her call' });
      else await theirs.db.transaction(async (trx) => ada.reactivated({ trx, withdraws: 'her call' }));
      const entries = await world.plain('oubli.ledger').orderBy('entry');
      const key = entries.find(({ act }) => act === 'requested').key_id;
      expect(key).to.be.instanceOf(Uint8Array);
      expect(entries.at(-1)).to.deep.include({ act: 'erasure withdrawn', because: 'her call', key_id: key });
      await world.holds.open({ name: 'case 2', ground: 'the chain goes on' });
      expect((await world.verifyLedger()).broken).to.deep.equal([]);
    });
  }

  it('D3: says the same of a clock: an activity to come is refused, and nothing of it stands', async () => {
    await annotateActivity(world.plain);
    const theirs = await world.another({ config: reading() });
    const db = { trx: await theirs.db.transaction() };
    const active = (options: { trx?: Knex.Transaction }) =>
      refusalOf(() => theirs.subject('user', 'ada').active({ on: '2999-01-01', ...options }));
    expect(await active({})).to.include({ code: 'ACTIVE_LATER' });
    expect(await active(db)).to.include({ code: 'ACTIVE_LATER' });
    await db.trx.rollback();
    expect(await world.plain('oubli.person_event').where({ event: 'last_activity' })).to.deep.equal([]);
  });

  describe('beside a journal', () => {
    let outside: JournalFile;
    beforeEach(async () => {
      outside = await makeJournalFile();
    });
    afterEach(() => outside.remove());

    const told = async (): Promise<string[]> => {
      const acts: string[] = [];
      for await (const line of outside.journal.read())
        acts.push(...(JSON.parse(line).act ? [JSON.parse(line).act] : []));
      return acts;
    };

    it('S1: is in the journal before anybody hears that she took it back', async () => {
      const mine = await world.another({ journal: outside.journal });
      await mine.subject('user', 'ada').reactivated({ withdraws: 'her call' });
      expect((await told()).at(-1)).to.equal('erasure withdrawn');
    });

    it('S1: is in it as soon as the caller’s transaction is committed, and not before, nor if it is not', async () => {
      const mine = await world.another({ journal: outside.journal });
      const ada = mine.subject('user', 'ada');
      const undone = await mine.db.transaction();
      await undone.transaction((inner) => ada.reactivated({ trx: inner, withdraws: 'her call' }));
      await undone.rollback();
      const trx = await mine.db.transaction();
      await trx.transaction((inner) => ada.reactivated({ trx: inner, withdraws: 'her second call' }));
      expect(await told()).not.to.include('erasure withdrawn');
      await trx.commit();
      await mine.close(); // waits for what is being told
      expect((await told()).filter((act) => act === 'erasure withdrawn')).to.have.length(1);
    });

    it('S1: is told with the next entry where the journal fails then, and the process is warned', async () => {
      const { journal } = outside;
      let isDown = false;
      const failing: Journal = {
        ...journal,
        append: async (lines) => {
          if (isDown) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
          await journal.append(lines);
        },
      };
      const mine = await world.another({ journal: failing });
      isDown = true;
      const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
      await mine.db.transaction((trx) => mine.subject('user', 'ada').reactivated({ trx, withdraws: 'her call' }));
      expect(await warned).to.include({ code: 'JOURNAL_NOT_WRITTEN' });
      isDown = false;
      await mine.holds.open({ name: 'case 2', ground: 'the next entry' });
      expect((await told()).slice(-2)).to.deep.equal(['erasure withdrawn', 'hold opened']);
    });
  });

  it('A2: waits for nobody who writes to the ledger while its own rows are locked: the chain’s end comes last', async () => {
    await world.subject('user', 'ada').serviceEnded({ on: '2026-08-01' });
    const gate = await world.plain.transaction();
    await gate('oubli.person_event').where({ subject_id: 'ada' }).forUpdate();
    const returning = world.subject('user', 'ada').reactivated({ withdraws: 'her call' });
    await untilSomebodyWaits(world.plain, 1);
    await world.holds.open({ name: 'case 2', ground: 'an entry' });
    await gate.rollback();
    await returning;
    expect((await world.plain('oubli.ledger').orderBy('entry').pluck('act')).slice(-2)).to.deep.equal([
      'hold opened',
      'erasure withdrawn',
    ]);
  });

  it('A2: takes no Knex instance for a transaction', async () => {
    const error = await refusalOf(() => world.subject('user', 'ada').serviceEnded({ trx: world.db as never }));
    expect(error).to.include({ code: 'NO_TRX' });
    expect(await world.plain('oubli.person_event')).to.deep.equal([]);
  });
});

/** A rule of rows that starts with the last activity. */
async function annotateActivity(knex: Knex): Promise<void> {
  await knex.raw('create table sightings (id serial primary key, login text references logins, place text)');
  await knex.raw('create index on sightings (login)');
  await annotate(knex, 'sightings', {
    data: { ...said, retention: { from: { event: 'last_activity' }, keep: '1 year', then: 'delete' } },
    columns: { place: personal },
  });
}
