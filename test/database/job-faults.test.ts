import { expect } from 'chai';
import { PgBoss, TestClock } from 'pg-boss';
import type { SweepReport } from '../../src';
import { stopClock } from '../../src/testing';
import { startJobProcess } from '../support/job-process';
import { addPeople } from '../support/people';
import { refusalOf } from '../support/refusals';
import { until, untilSomebodyWaits } from '../support/waiting';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const QUEUE = 'oubli.sweep';

describe('A3: the jobs of sweeps', function () {
  this.timeout(90_000);
  let world: World;
  let bosses: PgBoss[];
  beforeEach(async () => {
    world = await createWorld();
    bosses = [];
  });
  afterEach(async () => {
    for (const boss of bosses) await boss.stop({ graceful: false, close: true });
    await world.end();
  });

  async function startBoss(options: object = {}): Promise<PgBoss> {
    const boss = new PgBoss({ connectionString: world.url, ...options });
    boss.on('error', () => undefined);
    await boss.start();
    bosses.push(boss);
    return boss;
  }

  const jobs = async (queue = QUEUE): Promise<Record<string, unknown>[]> =>
    (
      await world.plain.raw(
        'select state::text, data, singleton_key, retry_count from pgboss.job where name = ? order by singleton_key',
        [queue],
      )
    ).rows;

  it('of a worker that was killed with -9 are taken over when it beats no more', async () => {
    const people = await addPeople(world.db, 6, '2020-01-01');
    const held = await world.plain.transaction();
    await held('visits').where({ user_id: people[3]!.id }).forUpdate();
    const dead = startJobProcess(world.url, world.keyFile);
    const clock = new TestClock(new Date());
    await until(
      'its queue',
      async () => (await world.plain.raw(`select to_regclass('pgboss.queue') as q`)).rows[0].q !== null,
      40,
    );
    await until('its queues', async () => (await world.plain('pgboss.queue').where({ name: QUEUE })).length > 0, 40);
    const boss = await startBoss({ clock, monitorIntervalSeconds: 1, superviseIntervalSeconds: 1 });
    await boss.send(QUEUE, { rule: 'subject:user' }, { singletonKey: 'subject:user' });
    await untilSomebodyWaits(world.plain);
    await dead.kill();
    await held.rollback();
    const { entries } = await receiptsPerPerson(world.plain);
    expect(entries, 'some were done').to.be.within(1, 5);
    expect((await jobs()).find(({ data }) => (data as { rule: string }).rule === 'subject:user')).to.include({
      state: 'active',
    });
    await world.startJobs(boss, { chunk: 1 });
    await until(
      'the others, half a minute after a minute without a beat',
      async () => {
        await clock.tick(5_000);
        return (await receiptsPerPerson(world.plain)).entries === 6;
      },
      60,
    );
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 6, people: 6 });
    expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: 0, erased: 6, between: [] });
  });

  it('catch up in one run what was due in the 60 days in which no worker lived', async () => {
    const start = '2026-09-01T10:00:00Z';
    const clock = new TestClock(start);
    await stopClock(world.plain, start);
    const boss = await startBoss({ clock, cronMonitorIntervalSeconds: 1 });
    const first = await world.startJobs(boss);
    await first.stop();
    await boss.stop({ graceful: false });
    for (let day = 0; day < 4; day++) await addPeople(world.db, 1, `2026-03-${day * 9 + 2}`, 100 + day);
    await addPeople(world.db, 1, '2026-06-01', 200);
    const later = '2026-10-31T10:00:00Z';
    await stopClock(world.plain, later);
    const told: SweepReport[] = [];
    const clockLater = new TestClock(later);
    const again = await startBoss({ clock: clockLater, cronMonitorIntervalSeconds: 1 });
    await world.startJobs(again, { onSweep: (report) => told.push(report) });
    await until(
      'one run of each rule',
      async () => {
        await clockLater.tick(1_000);
        return told.length >= 2;
      },
      40,
    );
    expect(told.find(({ rule }) => rule === 'subject:user')).to.include({ gone: 4, finished: true });
    expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: 1, erased: 4, between: [] });
    expect(await jobs(), 'one job a rule, not sixty').to.have.length(2);
  });

  it('go on with the next attempt when somebody was locked, and leave their names to the dead letters at last', async () => {
    const [ada] = await addPeople(world.db, 1, '2020-01-01');
    const boss = await startBoss();
    const told: SweepReport[] = [];
    const { deadLetters } = await world.startJobs(boss, { onSweep: (report) => told.push(report) });
    const held = await world.plain.transaction();
    await held('users').where({ id: ada!.id }).forUpdate();
    await boss.send(QUEUE, { rule: 'subject:user' }, { singletonKey: 'subject:user', retryLimit: 1, retryDelay: 1 });
    await until('two attempts', async () => (await jobs(deadLetters)).length === 1, 40);
    await held.rollback();
    expect(told.map(({ locked, stillDue, finished }) => ({ locked, stillDue, finished }))).to.deep.equal(
      Array(2).fill({ locked: 1, stillDue: 1, finished: true }),
    );
    expect((await jobs(deadLetters))[0]?.data).to.deep.equal({ rule: 'subject:user' });
  });

  it('have a place for each worker that a rule is to have, and share its people', async () => {
    await addPeople(world.db, 12, '2020-01-01');
    const [one, other] = [await startBoss(), await startBoss()];
    const started = await world.startJobs(one, { workers: 2, chunk: 1 });
    await (await world.another()).startJobs(other, { workers: 2, chunk: 1 });
    await started.sweepNow();
    const keys = ['rows:public.invoices', 'rows:public.invoices 2', 'subject:user', 'subject:user 2'];
    expect((await jobs()).map((job) => job.singleton_key).sort()).to.deep.equal(
      keys.map((key) => `${key} after run 0`).sort(),
    );
    expect((await one.getSchedules('oubli.sweep')).map(({ key }) => key).sort()).to.deep.equal([
      'rows/public.invoices',
      'rows/public.invoices-20-2',
      'subject/user',
      'subject/user-20-2',
    ]);
    await until('everybody', async () => (await receiptsPerPerson(world.plain)).entries === 12, 30);
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 12, people: 12 });
    expect(await refusalOf(() => world.startJobs(one, { workers: 0 }))).to.include({ code: 'BAD_WORKERS' });
  });
});

describe('A sweep', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(() => world.end());
  const rule = 'subject:user';

  it('A3: tries who was locked again at the end of its run, and alarms when they still are', async () => {
    const [ada] = await addPeople(world.db, 2, '2020-01-01');
    const held = await world.plain.transaction();
    await held('users').where({ id: ada!.id }).forUpdate();
    const alarms: unknown[] = [];
    const sweeping = world.sweep({ rule, onAlarm: (alarm) => alarms.push(alarm) });
    await until('the other one', async () => (await receiptsPerPerson(world.plain)).entries === 1);
    await held.rollback();
    expect((await sweeping)[0]).to.include({ gone: 2, stillDue: 0, locked: 0 });
    expect(alarms).to.deep.equal([]);
    const [eve] = await addPeople(world.db, 1, '2020-01-01', 900);
    const lasting = await world.plain.transaction();
    await lasting('users').where({ id: eve!.id }).forUpdate();
    const [report] = await world.sweep({ rule, onAlarm: (alarm) => alarms.push(alarm) });
    await lasting.rollback();
    expect(report).to.include({ gone: 0, stillDue: 1, locked: 1, finished: true });
    expect(alarms).to.deep.equal([{ what: 'left', rule, count: 1 }]);
    expect(await world.plain('oubli.sweep_state').where({ rule }).first()).to.include({
      alarm: 'left',
      still_due: '1',
    });
  });

  it('A5: ends with its time, and a pause with its signal', async () => {
    await addPeople(world.db, 3, '2020-01-01');
    const [short] = await world.sweep({ rule, chunk: 1, seconds: 0 });
    expect(short).to.include({ finished: false });
    const stop = new AbortController();
    const blocked = await world.plain.transaction();
    await blocked.raw('select pg_current_xact_id()');
    const started = performance.now();
    const sweeping = world.sweep({ rule, chunk: 1, signal: stop.signal, pace: { oldTransaction: 0 } });
    await until('a chunk', async () => (await receiptsPerPerson(world.plain)).entries > 0);
    stop.abort();
    expect((await sweeping)[0]).to.include({ finished: false });
    await blocked.rollback();
    expect(performance.now() - started, 'not the ten minutes of its patience').to.be.lessThan(10_000);
    expect((await receiptsPerPerson(world.plain)).entries, 'it waited after its first chunk').to.be.lessThan(3);
  });

  it('A5: waits no longer than its patience, for a date is a promise', async () => {
    await addPeople(world.db, 3, '2020-01-01');
    const blocked = await world.plain.transaction();
    await blocked.raw('select pg_current_xact_id()');
    const [report] = await world.sweep({ rule, chunk: 1, pace: { oldTransaction: 0, patience: 0.5 } });
    await blocked.rollback();
    expect(report).to.include({ gone: 3, finished: true });
  });

  it('D2: asks the clock of the database, whatever the clock of its process says', async () => {
    await addPeople(world.db, 1, '2026-03-01');
    await stopClock(world.plain, '2026-08-31T23:59:59Z');
    const RealDate = Date;
    const off = (days: number): void => {
      globalThis.Date = class extends RealDate {
        constructor(...args: [] | [number]) {
          super(...((args.length === 0 ? [RealDate.now() + days * 86_400_000] : args) as [number]));
        }
        static override now(): number {
          return RealDate.now() + days * 86_400_000;
        }
      } as DateConstructor;
    };
    try {
      off(400);
      expect((await world.sweep({ rule }))[0]).to.include({ gone: 0, stillDue: 0 });
      await stopClock(world.plain, '2026-09-01T00:00:00Z');
      off(-400);
      expect((await world.sweep({ rule }))[0]).to.include({ gone: 1 });
    } finally {
      globalThis.Date = RealDate;
    }
  });
});
