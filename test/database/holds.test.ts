/** Holds (ERASURE.md H1): a case, many per person and per row, asked by every destructive path, defended against raw SQL. */
import { expect } from 'chai';
import { Client } from 'pg';
import { AlreadyErasedError, ConfigurationError, HoldError, SubjectUnknownError, type SweepReport } from '../../src';
import { moveClock, resetClock } from '../../src/testing';
import { addPerson, type Person } from '../support/people';
import { expectFix, failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const GROUND = 'GDPR Art. 17(3)(e): lawsuit';

describe('A hold', () => {
  let world: World;
  let ada: Person;
  beforeEach(async () => {
    world = await createWorld();
    ada = await addPerson(world.db, 1);
    await world.holds.open({ name: 'case 1', ground: GROUND });
  });
  afterEach(() => world.end());

  const noteOf = async ({ id }: Person): Promise<number> =>
    (
      await world
        .plain('notes')
        .join('contracts', 'contracts.id', 'contract_id')
        .where({ user_id: id })
        .first('notes.id')
    ).id;
  const sweepOf = async (rule: string): Promise<SweepReport> => {
    const [report] = await world.sweep({ rule });
    return report as SweepReport;
  };
  const triggers = async (): Promise<string[]> =>
    (
      await world.plain.raw(`select tgrelid::regclass || ' ' || tgname as name from pg_trigger
        where tgname like 'oubli\\_hold%' or tgname like 'oubli\\_restricted%' order by 1`)
    ).rows.map(({ name }: { name: string }) => name);

  it('H1: is a case with a name, a ground and a last day, many per person; each step is a line of the ledger', async () => {
    await world.holds.open({ name: 'case 2', ground: 'audit', until: '2999-12-31' });
    expect(await world.holds.place('case 1', world.subject('user', ada.id))).to.deep.equal({
      case: 'case 1',
      placed: 1,
    });
    expect(await world.holds.place('case 1', world.subject('user', ada.id))).to.include({ placed: 0 });
    await world.holds.place('case 2', { kind: 'user', id: ada.id });
    await world.holds.place('case 2', { table: 'notes', rows: [await noteOf(ada)] });
    const list = await world.holds.list();
    expect(list.map(({ openedAt: _, ...each }) => each)).to.deep.equal([
      { name: 'case 1', ground: GROUND, holds: true, people: 1, rows: 0 },
      { name: 'case 2', ground: 'audit', until: '2999-12-31', holds: true, people: 1, rows: 1 },
    ]);
    await world.holds.release('case 2', { because: 'audit passed' });
    expect((await world.holds.list()).map(({ name }) => name)).to.deep.equal(['case 1']);
    const key = await world
      .plain('oubli.subject_link')
      .where({ subject_id: String(ada.id) })
      .first();
    const entries = await world.plain('oubli.ledger').orderBy('entry').select('act', 'key_id', 'because', 'details');
    expect(entries).to.deep.equal([
      { act: 'hold opened', key_id: null, because: GROUND, details: { case: 'case 1' } },
      { act: 'hold opened', key_id: null, because: 'audit', details: { case: 'case 2', until: '2999-12-31' } },
      { act: 'hold placed', key_id: key.key_id, because: 'case 1', details: { case: 'case 1', kind: 'user' } },
      { act: 'hold placed', key_id: key.key_id, because: 'case 2', details: { case: 'case 2', kind: 'user' } },
      { act: 'hold placed', key_id: null, because: 'case 2', details: { case: 'case 2', table: 'notes', rows: 1 } },
      { act: 'hold released', key_id: null, because: 'audit passed', details: { case: 'case 2', people: 1, rows: 1 } },
    ]);
  });

  it('H1: says what is wrong with a case, a person or a row, and how to write it', async () => {
    const { holds } = world;
    const wrong: [() => Promise<unknown>, string, RegExp][] = [
      [() => holds.open({ name: ' ', ground: 'x' }), 'BAD_HOLD', /holds\.open/],
      [() => holds.open({ name: 'a', ground: '' }), 'BAD_HOLD', /ground/],
      [() => holds.open({ name: 'a', ground: 'x', until: '31.12.2028' }), 'BAD_HOLD', /2028-12-31/],
      [() => holds.open({ name: 'a', ground: 'x', until: '2028-13-41' }), 'BAD_HOLD', /2028-12-31/],
      [() => holds.open({ name: 'case 1', ground: 'x' }), 'HOLD_OPEN', /holds\.place\('case 1'/],
      [() => holds.place('case l', world.subject('user', ada.id)), 'HOLD_UNKNOWN', /'case 1'/],
      [() => holds.place('case 1', { table: 'notes', rows: [] }), 'BAD_HOLD', /rows: \[id\]/],
      [() => holds.place('case 1', { table: 'notes', rows: [999] }), 'HOLD_ROWS_GONE', /final/],
      [() => holds.place('case 1', { kind: 'usr', id: 1 }), 'UNKNOWN_KIND', /user/],
      [() => holds.release('case 9', { because: 'x' }), 'HOLD_UNKNOWN', /holds\.open/],
      [() => holds.release('case 1', { because: '' }), 'HOLD_NO_BECAUSE', /because/],
    ];
    for (const [call, code, fix] of wrong) {
      const error = await refusalOf(call);
      expect(error).to.be.instanceOf(ConfigurationError).and.to.have.property('code', code);
      expectFix(error, fix);
    }
    const nobody = await failureOf(() => holds.place('case 1', world.subject('user', 9999)));
    expect(nobody).to.be.instanceOf(SubjectUnknownError);
    await world.subject('user', ada.id).erase({ because: 'a test' });
    const gone = await failureOf(() => holds.place('case 1', world.subject('user', ada.id)));
    expect(gone).to.be.instanceOf(AlreadyErasedError);
    expect(await world.plain('oubli.held_person')).to.deep.equal([]);
  });

  it('H1: of a person defers her request, which is carried out when the last case is released', async () => {
    await world.holds.open({ name: 'case 2', ground: 'audit' });
    await world.holds.place('case 1', world.subject('user', ada.id));
    await world.holds.place('case 2', world.subject('user', ada.id));
    const before = await everything();
    const error = await refusalOf(() => world.subject('user', ada.id).erase({ because: 'her request of 3 March' }));
    expect(error).to.be.instanceOf(HoldError).and.to.have.property('code', 'HELD');
    expectFix(error, /holds\.release\('case [12]'/, [ada.name, ada.email]);
    expect(await everything()).to.deep.equal(before);
    expect(await world.holds.release('case 1', { because: 'settled' })).to.deep.equal({
      case: 'case 1',
      people: 1,
      rows: 0,
      redriven: { rules: ['subject:user'], requests: 1 },
    });
    expect(await sweepOf('subject:user')).to.include({ gone: 0 });
    await world.holds.release('case 2', { because: 'audit passed' });
    expect(await sweepOf('subject:user')).to.include({ gone: 1, stillDue: 0 });
    const [receipt] = await world.receipts();
    expect(receipt).to.include({ because: 'her request of 3 March' });
    expect(await world.plain('oubli.deferred_request')).to.deep.equal([]);
    expect(await triggers()).to.deep.equal([]);
  });

  async function everything(): Promise<unknown> {
    const tables = ['users', 'contracts', 'notes', 'visits', 'invoices', 'oubli.subject_key', 'oubli.fence'];
    return Promise.all(
      tables.map((table) =>
        world
          .plain(table)
          .select()
          .orderBy(1 as never),
      ),
    );
  }

  for (const table of ['notes', 'contracts', 'visits', 'invoices', 'users'] as const) {
    it(`H1: of a row of ${table} somewhere in her graph defers the whole of her, by request and by sweep`, async () => {
      const bob = await addPerson(world.db, 2);
      await world.db('users').update({ service_ended_on: '2020-01-01' });
      const row =
        table === 'notes'
          ? await noteOf(ada)
          : (
              await world
                .plain(table)
                .where(table === 'users' ? { id: ada.id } : { user_id: ada.id })
                .first('id')
            ).id;
      await world.holds.place('case 1', { table, rows: [row] });
      const error = await failureOf(() => world.subject('user', ada.id).erase({ because: 'a test' }));
      expect(error).to.be.instanceOf(HoldError);
      expect(await sweepOf('subject:user')).to.deep.include({
        gone: 1,
        stillDue: 0,
        locked: 0,
        held: [{ because: 'case 1', count: 1 }],
      });
      expect(await world.db('users').where({ id: ada.id }).first('name')).to.deep.equal({ name: ada.name });
      expect(await world.db('users').where({ id: bob.id }).first('name')).to.deep.equal({ name: null });
      expect(await world.plain('oubli.deferred_sweep').select('rule', 'held_by', 'due')).to.deep.equal([
        { rule: 'subject:user', held_by: 'case 1', due: '1' },
      ]);
      const released = await world.holds.release('case 1', { because: 'settled' });
      expect(released).to.deep.include({ rows: 1, redriven: { rules: ['subject:user'], requests: 1 } });
      expect(await sweepOf('subject:user')).to.deep.include({ gone: 1, held: [] });
      expect(await world.plain('oubli.deferred_sweep')).to.deep.equal([]);
      expect((await world.receipts()).map(({ because }) => because)).to.include('a test');
    });
  }

  it('H1: skips held rows of a rule of rows, and rows of held people, and counts them', async () => {
    const [bob, cleo] = [await addPerson(world.db, 2), await addPerson(world.db, 3)];
    await world.plain('invoices').update({ issued_on: '2010-01-01' });
    const [first] = await world.plain('invoices').where({ user_id: bob.id }).orderBy('id').pluck('id');
    await world.holds.place('case 1', { table: 'invoices', rows: [first] });
    await world.holds.open({ name: 'case 2', ground: 'audit' });
    await world.holds.place('case 2', world.subject('user', cleo.id));
    expect(await sweepOf('rows:public.invoices')).to.deep.include({
      gone: 3,
      stillDue: 0,
      held: [
        { because: 'case 1', count: 1 },
        { because: 'case 2', count: 2 },
      ],
    });
    expect(await world.plain('invoices').orderBy('id').pluck('user_id')).to.deep.equal([bob.id, cleo.id, cleo.id]);
    const { redriven } = await world.holds.release('case 2', { because: 'passed' });
    expect(redriven.rules).to.deep.equal(['rows:public.invoices']);
    expect(await sweepOf('rows:public.invoices')).to.deep.include({ gone: 2, held: [{ because: 'case 1', count: 1 }] });
  });

  it('H1: ends with its last day by the database’s clock, and not before', async () => {
    const { rows } = await world.plain.raw(
      `select to_char(now() at time zone 'UTC' + interval '10 days', 'YYYY-MM-DD') as day`,
    );
    await world.holds.open({ name: 'case 2', ground: 'audit', until: rows[0].day });
    await world.holds.place('case 2', world.subject('user', ada.id));
    await moveClock(world.plain, '10 days');
    expect(await failureOf(() => world.subject('user', ada.id).erase({ because: 'x' }))).to.be.instanceOf(HoldError);
    expect((await failureOf(() => world.plain('notes').delete())) as { code?: string }).to.have.property(
      'code',
      'OU035',
    );
    await moveClock(world.plain, '11 days');
    expect((await world.holds.list()).at(-1)).to.include({ name: 'case 2', holds: false });
    const late = await refusalOf(() => world.holds.place('case 2', world.subject('user', ada.id)));
    expect(late.code).to.equal('HOLD_LAPSED');
    await world.plain('notes').delete();
    expect(await sweepOf('subject:user')).to.include({ gone: 1 }); // her deferred request
    expect(await triggers()).to.deep.equal([]);
    await resetClock(world.plain);
  });

  it('H1: costs nothing where nothing is held: no trigger stands before the first hold nor after the last', async () => {
    expect(await triggers()).to.deep.equal([]);
    await world.holds.place('case 1', { table: 'notes', rows: [await noteOf(ada)] });
    expect(await triggers()).to.deep.equal([
      'notes oubli_hold_delete',
      'notes oubli_hold_truncate',
      'notes oubli_hold_update',
    ]);
    await world.holds.release('case 1', { because: 'settled' });
    expect(await triggers()).to.deep.equal([]);
    const { rows } = await world.plain.raw(`select proname from pg_proc where proname like 'hold %'`);
    expect(rows).to.deep.equal([]);
  });

  describe('against raw SQL', () => {
    let bob: Person;
    let owner: Client;
    let other: Client;
    const codeOf = async (client: Client, sql: string): Promise<string | undefined> => {
      await client.query('begin');
      const code = await client.query(sql).then(
        () => undefined,
        (error: { code: string }) => error.code,
      );
      await client.query('rollback');
      return code;
    };
    beforeEach(async () => {
      bob = await addPerson(world.db, 2);
      [owner, other] = [new Client({ connectionString: world.url }), new Client({ connectionString: world.url })];
      await owner.connect();
      await other.connect();
      await other.query(`do $$ begin create role plain_writer; exception when duplicate_object then null; end $$;
        grant select, insert, update, delete, truncate on all tables in schema public to plain_writer;
        grant usage on schema oubli to plain_writer; set role plain_writer`);
    });
    afterEach(async () => {
      await owner.end();
      await other.end();
    });

    it('H1: DELETE, TRUNCATE and UPDATE of a held row are refused to everybody, whatever replicates', async () => {
      const note = await noteOf(ada);
      await world.holds.place('case 1', { table: 'notes', rows: [note] });
      await owner.query(`set session_replication_role = replica`);
      for (const client of [owner, other]) {
        expect(await codeOf(client, `delete from notes where id = ${note}`)).to.equal('OU035');
        expect(await codeOf(client, 'delete from notes')).to.equal('OU035');
        expect(await codeOf(client, 'truncate notes')).to.equal('OU035');
        expect(await codeOf(client, 'truncate contracts cascade')).to.equal('OU035');
        expect(await codeOf(client, `update notes set body = null where id = ${note}`)).to.equal('OU035');
        expect(await codeOf(client, `update notes set id = 999 where id = ${note}`)).to.equal('OU035');
        expect(await codeOf(client, `delete from notes where id <> ${note}`)).to.equal(undefined);
        expect(await codeOf(client, 'update notes set contract_id = contract_id')).to.equal(undefined);
      }
      const { rows } = await owner.query('show server_version_num');
      if (Number(rows[0].server_version_num) >= 150000) {
        const merge = `merge into notes n using (select ${note} as id) w on n.id = w.id when matched then delete`;
        expect(await codeOf(owner, merge)).to.equal('OU035');
      }
    });

    it('H1: a held person is held with the rows of her graph, and may still log in', async () => {
      await world.holds.place('case 1', world.subject('user', ada.id));
      const hers = [
        `delete from notes using contracts c where c.id = contract_id and user_id = ${ada.id}`,
        `delete from contracts where user_id = ${ada.id}`,
        `delete from visits where user_id = ${ada.id}`,
        `update visits set ip = null where user_id = ${ada.id}`,
        `update visits set user_id = ${bob.id} where user_id = ${ada.id}`,
        `update users set name = null where id = ${ada.id}`,
        `update visits set id = 999 where user_id = ${ada.id} and id = (select min(id) from visits)`,
        'truncate visits',
      ];
      for (const sql of hers)
        for (const client of [owner, other]) expect(await codeOf(client, sql), sql).to.equal('OU035');
      const allowed = [
        `update users set locale = 'de', service_ended_on = '2020-01-01' where id = ${ada.id}`,
        `update visits set at = now() where user_id = ${ada.id}`,
        `delete from visits where user_id = ${bob.id}`,
        `update visits set ip = null where user_id = ${bob.id}`,
      ];
      for (const sql of allowed)
        for (const client of [owner, other]) expect(await codeOf(client, sql), sql).to.equal(undefined);
    });

    it('H1: the seam says it with the case’s name and what to do', async () => {
      await world.holds.place('case 1', world.subject('user', ada.id));
      const error = await refusalOf(() => world.db('visits').where({ user_id: ada.id }).delete());
      expect(error).to.be.instanceOf(HoldError).and.to.include({ code: 'ROW_HELD', table: 'visits' });
      expectFix(error, /holds\.release\('case 1'/, [ada.name]);
    });

    it('H1: cascades stop at it, and so does what sets its reference to null', async () => {
      await owner.query(`create table letters (id int primary key, visit_id int references visits on delete cascade,
        contract_id int references contracts on delete set null, body text)`);
      const visit = (await owner.query(`select min(id) as id from visits where user_id = ${ada.id}`)).rows[0].id;
      const contract = (await owner.query(`insert into contracts (user_id) values (${ada.id}) returning id`)).rows[0]
        .id;
      await owner.query(`insert into letters values (1, ${visit}, null), (2, null, ${contract})`);
      await world.holds.place('case 1', { table: 'letters', rows: [1, 2] });
      expect(await codeOf(owner, `delete from visits where id = ${visit}`)).to.equal('OU035');
      expect(await codeOf(owner, `delete from contracts where id = ${contract}`)).to.equal('OU035');
    });
  });

  describe('against raw SQL on partitions and inheritance', () => {
    const codeOf = async (sql: string): Promise<unknown> =>
      (
        await world.plain.raw(sql).then(
          () => ({ code: undefined }),
          (error) => error,
        )
      ).code;
    beforeEach(async () => {
      await world.plain.raw(`
        create table events (id int, day date, said text, primary key (id, day)) partition by range (day);
        create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
        create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01') partition by range (day);
        create table events_2026_1 partition of events_2026 for values from ('2026-01-01') to ('2026-07-01');
        insert into events values (1, '2025-02-03', 'a'), (2, '2025-02-03', 'b'), (1, '2026-02-03', 'c'), (2, '2026-02-03', 'd');
        create table old_events (id int primary key, said text); create table older_events () inherits (old_events);
        insert into older_events values (1, 'a'), (2, 'b')`);
    });

    it('H1: a statement that names a partition meets the same triggers, also of one made later', async () => {
      const rows = [
        { id: 1, day: '2025-02-03' },
        { id: 1, day: '2026-02-03' },
      ];
      await world.holds.place('case 1', { table: 'events', rows });
      for (const table of ['events', 'events_2025', 'events_2026', 'events_2026_1']) {
        expect(await codeOf(`delete from ${table} where id = 1`), table).to.equal('OU035');
        expect(await codeOf(`truncate ${table}`), table).to.equal('OU035');
        expect(await codeOf(`update ${table} set said = 'x' where id = 1`), table).to.equal('OU035');
      }
      expect(await codeOf(`update events set day = '2026-05-05' where id = 1 and day = '2025-02-03'`)).to.equal(
        'OU035',
      );
      expect(await codeOf('delete from events where id = 2')).to.equal(undefined);
      await world.plain.raw(`create table events_2027 partition of events for values from ('2027-01-01') to ('2028-01-01');
        insert into events values (9, '2027-01-01', 'z')`);
      await world.holds.place('case 1', { table: 'events_2027', rows: [{ id: 9, day: '2027-01-01' }] });
      await world.plain.raw('set session_replication_role = replica').catch(() => undefined);
      for (const sql of ['delete from events_2027', 'truncate events_2027', `update events_2027 set said = 'x'`])
        expect(
          await codeOf(`set session_replication_role = replica; ${sql}; set session_replication_role = origin`),
          sql,
        ).to.equal('OU035');
      await world.holds.release('case 1', { because: 'over' });
      expect(await triggers()).to.deep.equal([]);
      expect(await codeOf('truncate events')).to.equal(undefined);
    });

    it('H1: rows of a table that inherits are held by its own triggers', async () => {
      await world.holds.place('case 1', { table: 'old_events', rows: [1] });
      for (const table of ['old_events', 'older_events']) {
        expect(await codeOf(`delete from ${table} where id = 1`), table).to.equal('OU035');
        expect(await codeOf(`update ${table} set said = 'x'`), table).to.equal('OU035');
        expect(await codeOf(`truncate ${table}`), table).to.equal('OU035');
        expect(await codeOf(`delete from ${table} where id = 2`), table).to.equal(undefined);
      }
    });
  });
});
