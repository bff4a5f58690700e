import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import {
  annotate,
  install,
  type OubliError,
  SCHEMA_VERSION,
  type SweepReport,
  type SweepsFailedError,
} from '../../src';
import { endingPartitions } from '../../src/checks/ending-partitions';
import type { Finding } from '../../src/checks/finding';
import { stopClock } from '../../src/testing';
import { failureOfSweep, refusalOf } from '../support/refusals';
import { startWorker } from '../support/sweep-process';
import { until, untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const DUE = '2020-01-15T12:00:00Z';
const LATER = '2020-02-15T12:00:00Z';
const RECENT = '2021-11-15T12:00:00Z';

/** Visits by month, kept for 13 months; one of the months has partitions of its own. */
async function migratePartitions(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`
    create table users (id int primary key, ended_on date);
    create table visits (id int, at timestamptz not null, user_id int not null references users, page text, primary key (id, at))
      partition by range (at);
    create table visits_2020_01 partition of visits for values from ('2020-01-01') to ('2020-02-01');
    create table visits_2020_02 partition of visits for values from ('2020-02-01') to ('2020-03-01') partition by hash (id);
    create table visits_2020_02_a partition of visits_2020_02 for values with (modulus 2, remainder 0);
    create table visits_2020_02_b partition of visits_2020_02 for values with (modulus 2, remainder 1);
    create table visits_2021_11 partition of visits for values from ('2021-11-01') to (maxvalue);
    create table clicks (id int primary key, button text, visit_id int, visit_at timestamptz, foreign key (visit_id, visit_at) references visits);
    create index on clicks (visit_id, visit_at);
    create index on visits (user_id)`);
  const serve = { purpose: 'serve', basis: 'contract' } as const;
  const at = { notPersonal: 'starts the clock' } as const;
  await annotate(knex, 'users', {
    subject: { kind: 'user', ...serve, retention: { from: 'ended_on', keep: '6 months', then: 'erase' } },
    columns: { ended_on: at },
  });
  await annotate(knex, 'visits', {
    data: { ...serve, retention: { from: 'at', keep: '13 months', then: 'delete' } },
    columns: { at, page: { category: 'activity.content', protect: 'clear', because: 'a test reads it' } },
  });
  await annotate(knex, 'clicks', { columns: { button: { notPersonal: 'a name of the page' } } });
}

describe('A5: a partition that lies wholly past its date', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld({ migrate: migratePartitions });
    await stopClock(world.plain, '2021-12-15T00:00:00Z');
    await world.plain('users').insert([{ id: 1 }, { id: 2 }]);
  });
  afterEach(() => world.end());

  let id = 0;
  const visit = (at: string): object => ({ id: ++id, user_id: 1, page: 'home', at });
  const sweep = async (): Promise<SweepReport> => (await world.sweep({ rule: 'rows:public.visits' }))[0] as SweepReport;
  const partitions = async (): Promise<string[]> =>
    (
      await world.plain.raw(`select inhrelid::regclass::text as name from pg_inherits
        where inhparent = 'visits'::regclass order by 1`)
    ).rows.map(({ name }: { name: string }) => name);
  const exists = async (name: string): Promise<boolean> =>
    (await world.plain.raw('select to_regclass(?) is not null as there', [name])).rows[0].there;
  const entries = () => world.plain('oubli.ledger').where({ act: 'expired' }).orderBy('entry');

  it('is detached and dropped, with its rows counted in one entry of the ledger', async () => {
    await world.plain('visits').insert([visit(DUE), visit(DUE), visit(LATER), visit(RECENT)]);
    expect(await sweep()).to.include({ gone: 3, chunks: 2, stillDue: 0, locked: 0, finished: true });
    expect(await partitions(), 'also the one with partitions of its own').to.deep.equal(['visits_2021_11']);
    expect(await exists('visits_2020_02_a')).to.equal(false);
    const found = await entries();
    expect(found.map(({ details }) => details)).to.have.deep.members([
      {
        rule: 'visits',
        partition: 'public.visits_2020_01',
        tables: [{ table: 'visits', action: 'delete', rows: 2 }],
      },
      {
        rule: 'visits',
        partition: 'public.visits_2020_02',
        tables: [{ table: 'visits', action: 'delete', rows: 1 }],
      },
    ]);
    expect(found[0].because).to.equal('retention: 13 months after visits.at');
    expect(await world.plain('visits')).to.have.length(1);
    expect(await world.plain('oubli.ending_partition')).to.have.length(0);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  });

  it('stays for another day or month when its last day is not over by the rule’s calendar', async () => {
    await world.plain('visits').insert([visit(LATER)]);
    await stopClock(world.plain, '2021-03-31T00:00:00Z');
    await sweep();
    expect(await partitions()).to.contain('visits_2020_02');
    expect(await world.plain('visits'), 'its rows that are due leave one by one').to.have.length(0);
    await stopClock(world.plain, '2021-04-02T00:00:00Z');
    await sweep();
    expect(await partitions()).to.deep.equal(['visits_2021_11']);
  });

  it('beside a default partition goes all the same, and what stands in the default one leaves row by row', async () => {
    await world.plain.raw('create table visits_else partition of visits default');
    await world.plain('visits').insert([visit(DUE), visit('2019-06-01T00:00:00Z')]);
    expect(await sweep()).to.include({ gone: 2, stillDue: 0 });
    expect(await partitions()).to.deep.equal(['visits_2021_11', 'visits_else']);
  });

  it('stays where something refers to its rows, or a trigger would hear of each, and they leave row by row', async () => {
    await world.plain('visits').insert([visit(DUE), visit(LATER)]);
    const [first] = await world.plain('visits').orderBy('at');
    await world.plain('clicks').insert({ id: 1, visit_id: first.id, visit_at: first.at });
    expect(await sweep()).to.include({ gone: 2, stillDue: 0 });
    expect(await partitions()).to.deep.equal(['visits_2020_01', 'visits_2021_11']);
    expect(await world.plain('clicks').first()).to.include({ visit_id: null });
    await world.plain.raw(`create function heard() returns trigger language plpgsql as $$ begin return old; end $$;
      create trigger heard before delete on visits for each row execute function heard()`);
    await world.plain('visits').insert([visit(DUE)]);
    expect(await sweep()).to.include({ gone: 1 });
    expect(await partitions()).to.deep.equal(['visits_2020_01', 'visits_2021_11']);
    await world.plain.raw('drop trigger heard on visits');
    expect(await sweep(), 'an empty one is no one’s loss').to.include({ gone: 0, chunks: 1 });
    expect(await partitions()).to.deep.equal(['visits_2021_11']);
  });

  it('H1: stays with everything that a case holds in it', async () => {
    await world.plain('visits').insert([visit(DUE), { ...visit(DUE), user_id: 2 }]);
    await world.holds.open({ name: 'case 7', ground: 'GDPR Art. 17(3)(e): lawsuit', until: '2028-12-31' });
    await world.holds.place('case 7', world.subject('user', 1));
    const report = await sweep();
    expect(report).to.include({ gone: 1 });
    expect(await partitions()).to.contain('visits_2020_01');
    expect(await world.plain('visits').pluck('user_id')).to.deep.equal([1]);
  });

  it('that a killed process left half detached is finished by the next run', async function () {
    this.timeout(60_000);
    await world.plain('visits').insert([visit(DUE), visit(RECENT)]);
    const reader = await world.plain.transaction();
    await reader('visits').first();
    const dead = startWorker(world.url, world.keyFile, 10);
    await untilSomebodyWaits(world.plain);
    await until('a detach that is pending', async () => {
      const { rows } = await world.plain.raw('select 1 from pg_inherits where inhdetachpending');
      return rows.length > 0;
    });
    await dead.kill();
    await world.plain.raw(`select pg_terminate_backend(pid) from pg_stat_activity
      where query like 'alter table%concurrently' and datname = current_database()`);
    await reader.rollback();
    expect(await world.plain('oubli.ending_partition')).to.have.length(1);
    const report = await sweep();
    expect(report.stillDue).to.equal(0);
    expect(await exists('visits_2020_01')).to.equal(false);
    expect(await world.plain('oubli.ending_partition')).to.have.length(0);
    expect((await entries()).filter(({ details }) => details.tables[0].rows === 1)).to.have.length(1);
  });

  const detachedByHand = async (): Promise<void> => {
    await world.plain('oubli.ending_partition').insert({
      rel: world.plain.raw(`'visits_2020_01'::regclass`),
      rule: 'rows:public.visits',
      parent: world.plain.raw(`'visits'::regclass`),
      bound: `FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')`,
    });
    await world.plain.raw('alter table visits detach partition visits_2020_01');
  };

  it('that was detached when its process was killed is dropped by the next run, with its entry', async () => {
    await world.plain('visits').insert([visit(DUE), visit(DUE)]);
    await detachedByHand();
    expect(await sweep()).to.include({ gone: 2, stillDue: 0 });
    expect(await exists('visits_2020_01')).to.equal(false);
    expect((await entries())[0].details.tables[0]).to.include({ rows: 2 });
  });

  it('into which something was written that must stay is attached again, and loses what is due', async () => {
    await world.plain('visits').insert([visit(DUE)]);
    await detachedByHand();
    const [{ at, id: visitId }] = await world.plain('visits_2020_01');
    await world.plain.raw('create view january as select * from visits_2020_01');
    expect(await sweep()).to.include({ gone: 1, stillDue: 0 });
    expect(await partitions()).to.contain('visits_2020_01');
    expect(await world.plain('visits').where({ at, id: visitId })).to.have.length(0);
    expect(await world.plain('oubli.ending_partition')).to.have.length(0);
  });

  it('that somebody reads is waited for, alarms, and goes with the next run', async () => {
    await world.plain('visits').insert([visit(DUE)]);
    await detachedByHand();
    const reader = await world.plain.transaction();
    await reader('visits_2020_01').first();
    const alarms: unknown[] = [];
    const [waiting] = await world.sweep({ rule: 'rows:public.visits', onAlarm: (alarm) => alarms.push(alarm) });
    expect(waiting).to.include({ gone: 0, stillDue: 1, locked: 1 });
    expect(alarms).to.deep.equal([{ what: 'left', rule: 'rows:public.visits', count: 1 }]);
    await reader.rollback();
    expect(await sweep()).to.include({ gone: 1, stillDue: 0, locked: 0 });
  });

  const onItsWayOut = async (): Promise<Finding[]> => {
    const client = new Client(world.url);
    await client.connect();
    return endingPartitions(client).finally(() => client.end());
  };

  it('beside another one that is half detached is waited for, and the rows of the others leave', async function () {
    this.timeout(60_000);
    await world.plain.raw(`create table visits_2020_03 partition of visits for values from ('2020-03-01') to ('2020-04-01');
      create table visits_2020_04 partition of visits for values from ('2020-04-01') to ('2021-11-01')`);
    await world.plain('visits').insert([visit(DUE), visit('2020-03-10T00:00:00Z'), visit('2020-05-01T00:00:00Z')]);
    const reader = await world.plain.transaction();
    await reader('visits').first();
    const first = await sweep();
    expect(first, 'one of them is half detached, and one after the other is not begun').to.include({ locked: 3 });
    const second = await sweep();
    expect(second, 'and so again').to.include({ finished: true, locked: 3 });
    expect(await world.plain('visits'), 'what is in no partition past its date leaves row by row').to.have.length(0);
    await reader.rollback();
    expect(await sweep()).to.include({ stillDue: 0, locked: 0 });
    expect(await partitions()).to.deep.equal(['visits_2020_04', 'visits_2021_11']);
    expect(await world.plain('oubli.ending_partition')).to.have.length(0);
  });

  it('that was detached is dropped under its rule’s new name, when the table has another', async () => {
    await world.plain('visits').insert([visit(DUE)]);
    await detachedByHand();
    await world.plain.raw('alter table visits rename to page_views');
    expect((await world.sweep({ rule: 'rows:public.page_views' }))[0]).to.include({ gone: 1, stillDue: 0 });
    expect(await exists('visits_2020_01')).to.equal(false);
    expect((await entries())[0].details).to.include({ rule: 'page_views' });
  });

  it('that was detached, and whose rule is gone, is attached again, whole, by whichever sweep', async () => {
    await world.plain('visits').insert([visit(DUE), visit(DUE)]);
    await detachedByHand();
    await annotate(world.plain, 'visits', { data: { purpose: 'serve', basis: 'contract' }, columns: {} });
    expect((await failureOfSweep(() => world.sweep())).message, 'it was in the way').to.contain('visits_2020_01');
    expect(await partitions()).to.contain('visits_2020_01');
    expect(await world.plain('visits')).to.have.length(2);
    await world.sweep();
    expect(await world.plain('oubli.ending_partition')).to.have.length(0);
  });

  it('that can neither be dropped nor attached again is named, by the sweep and by the check', async () => {
    await world.plain('visits').insert([visit(DUE)]);
    await detachedByHand();
    await annotate(world.plain, 'visits', { data: { purpose: 'serve', basis: 'contract' }, columns: {} });
    await world.plain.raw(`create table january partition of visits for values from ('2020-01-10') to ('2020-01-20')`);
    const { failures } = (await refusalOf(() => world.sweep())) as SweepsFailedError;
    const error = failures.find(({ rule }) => rule === undefined)?.error as OubliError;
    expect(error).to.include({ code: 'PARTITION_STRANDED', table: 'visits_2020_01' });
    expect(await world.plain('visits_2020_01')).to.have.length(1);
    const [finding] = await onItsWayOut();
    expect(finding).to.include({ check: 'partitions', table: 'visits_2020_01', fix: 'npx oubli sweep' });
    await world.plain.raw('alter table visits detach partition january; drop table january');
    await world.plain.raw(error.fix.split(';')[0] as string);
    await world.sweep();
    expect(await onItsWayOut()).to.deep.equal([]);
  });
});
