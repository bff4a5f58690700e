import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { PgBoss, TestClock } from 'pg-boss';
import { annotate, ConfigurationError, fileJournal, type Jobs, type SweepReport } from '../../src';
import { stopClock } from '../../src/testing';
import { addPeople, addPerson } from '../support/people';
import { refusalOf } from '../support/refusals';
import { until, untilSomebodyWaits } from '../support/waiting';
import { receiptsPerPerson } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const RULES = ['rows:public.invoices', 'subject:user'];

describe('Sweeps as pg-boss jobs', () => {
  let world: World;
  let bosses: PgBoss[];
  let problems: unknown[];
  beforeEach(async () => {
    world = await createWorld();
    bosses = [];
    problems = [];
  });
  afterEach(async () => {
    for (const boss of bosses) await boss.stop({ graceful: false, close: true });
    await world.end();
    expect(problems).to.deep.equal([]);
  });

  async function startBoss(options: object = {}): Promise<PgBoss> {
    const boss = new PgBoss({ connectionString: world.url, ...options });
    boss.on('error', (error) => problems.push(error));
    await boss.start();
    bosses.push(boss);
    return boss;
  }

  interface StoredJob {
    readonly state: string;
    readonly data: Record<string, unknown>;
    readonly output: Record<string, unknown> | null;
  }

  async function storedJobs(): Promise<StoredJob[]> {
    const { rows } = await world.plain.raw(
      `select state::text, data, output from pgboss.job where name = 'oubli.sweep' order by data ->> 'rule', created_on`,
    );
    return rows;
  }

  const finished = (count: number) => async (): Promise<boolean> =>
    (await storedJobs()).filter(({ state }) => state === 'completed').length >= count;

  it('run when they are asked for, and tell of each finished sweep', async () => {
    await addPeople(world.db, 3, '2020-01-01');
    const told: SweepReport[] = [];
    const jobs = await world.startJobs(await startBoss(), { chunk: 2, onSweep: (report) => told.push(report) });
    await jobs.sweepNow();
    await until('both sweeps', finished(2));
    expect(told.map(({ rule }) => rule)).to.have.members(RULES);
    expect(told.find(({ rule }) => rule === 'subject:user')).to.include({ gone: 3, chunks: 2, stillDue: 0 });
    await jobs.stop();
  });

  it('hold names of rules and numbers, and nothing of anybody', async () => {
    const people = await addPeople(world.db, 2, '2020-01-01');
    const jobs = await world.startJobs(await startBoss());
    await jobs.sweepNow();
    await until('both sweeps', finished(2));
    const stored = await storedJobs();
    expect(stored.map(({ data }) => data)).to.deep.equal(RULES.map((rule) => ({ rule })));
    for (const { output } of stored) {
      expect(Object.keys(output ?? {})).to.have.members([
        'rule',
        'gone',
        'chunks',
        'stillDue',
        'locked',
        'held',
        'finished',
      ]);
    }
    const text = JSON.stringify(stored);
    for (const { name, email } of people) expect(text).not.to.contain(name).and.not.to.contain(email);
  });

  it('of a failed sweep keep the SQLSTATE and names, never a value', async () => {
    await addPeople(world.db, 1, '2020-01-01');
    await world.plain.raw(`create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'cannot touch %', 'Ada Lovelace' using errcode = 'P0001', detail = 'Ada Lovelace'; end $$;
      create trigger refuse before delete on visits for each row execute function refuse()`);
    const boss = await startBoss();
    await world.startJobs(boss);
    await boss.send('oubli.sweep', { rule: 'subject:user' }, { retryLimit: 0 });
    await until('the failure', async () => (await storedJobs()).some(({ state }) => state === 'failed'));
    const [job] = await storedJobs();
    expect(job?.output).to.include({ name: 'SweepFailure', message: 'the sweep of subject:user failed: P0001' });
    expect(JSON.stringify(job)).not.to.contain('Ada');
  });

  it('come back with the clock: six months later, everybody due has left, and nobody else', async function () {
    this.timeout(60_000);
    const start = '2026-08-31T10:00:00Z';
    const clock = new TestClock(start);
    await stopClock(world.plain, start);
    const ada = await addPerson(world.db, 1);
    const bob = await addPerson(world.db, 2);
    await world.subject('user', ada.id).serviceEnded();
    const boss = await startBoss({ clock, cronMonitorIntervalSeconds: 1 });
    const told: SweepReport[] = [];
    await world.startJobs(boss, { onSweep: (report) => told.push(report) });
    const names = async (): Promise<unknown[]> => (await world.db('users').orderBy('id')).map(({ name }) => name);

    // Not by counting reports: pg-boss may deliver one night's sweeps twice, when a minute of the server's own clock
    // ends meanwhile, and the second delivery would count for the next night.
    const goTo = async (moment: string, done: () => boolean | Promise<boolean>): Promise<void> => {
      await stopClock(world.plain, moment);
      await clock.setTime(moment);
      await until(
        'the sweeps of the night',
        async () => {
          await clock.tick(1000);
          return done();
        },
        30,
      );
    };
    await goTo('2027-02-27T02:59:50Z', () => RULES.every((each) => told.some(({ rule }) => rule === each)));
    expect(await names(), 'the night before').to.deep.equal([ada.name, bob.name]);
    await goTo('2027-02-28T02:59:50Z', async () => told.some(({ gone }) => gone > 0));
    expect(await names(), 'the night itself').to.deep.equal([null, bob.name]);
  });

  it('delivered twice do nothing twice', async () => {
    await addPeople(world.db, 6, '2020-01-01');
    const [one, other] = [await startBoss(), await startBoss()];
    await world.startJobs(one, { chunk: 1 });
    const second = await world.another();
    await second.startJobs(other, { chunk: 1 });
    // Without the key that makes it one: as an expired job is delivered while the first still runs.
    for (let i = 0; i < 3; i++) await one.send('oubli.sweep', { rule: 'subject:user' }, { singletonKey: `${i}` });
    await until('all deliveries', finished(3));
    const gone = (await storedJobs()).map(({ output }) => Number(output?.gone));
    expect(gone.reduce((sum, each) => sum + each, 0)).to.equal(6);
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 6, people: 6 });
  });

  it('L1: sign the last entries of a quiet day: a checkpoint job stands beside them where there is a journal', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'oubli-journal-'));
    const file = path.join(folder, 'journal');
    const signed = async (): Promise<number[]> =>
      (await readFile(file, 'utf8'))
        .split('\n')
        .flatMap((line) => (line.startsWith('{"checkpoint"') ? [JSON.parse(line).checkpoint.position] : []));
    const start = '2026-08-31T12:00:00Z';
    await stopClock(world.plain, start);
    const clock = new TestClock(start);
    const journaled = await world.another({ journal: fileJournal({ file }) });
    for (const name of ['one', 'another']) await journaled.holds.open({ name, ground: 'lawsuit' });
    expect(await signed()).to.deep.equal([1]);

    const jobs = await journaled.startJobs(await startBoss({ clock, cronMonitorIntervalSeconds: 1 }));
    await stopClock(world.plain, '2026-08-31T12:05:00Z');
    await clock.setTime('2026-08-31T12:05:00Z');
    const tick = async (): Promise<boolean> => {
      await clock.tick(1000);
      return (await signed()).length > 1;
    };
    await until('the checkpoint', tick, 30);
    expect(await signed()).to.deep.equal([1, 2]);
    await jobs.stop();
    await rm(folder, { recursive: true });
  });

  it('asked for again while they wait or run are one', async () => {
    const boss = await startBoss();
    const jobs = await world.startJobs(boss);
    await jobs.stop();
    for (let i = 0; i < 3; i++) await jobs.sweepNow();
    expect(await storedJobs()).to.have.length(2);
  });

  it('asked for while one runs are one more, for who runs may have looked already; whoever listens fails none', async () => {
    await addPeople(world.db, 2, '2020-01-01');
    const open = await world.plain.transaction();
    await open.raw('select pg_current_xact_id()'); // so old already that the sweep waits for its end
    const told: string[] = [];
    const jobs = await world.startJobs(await startBoss(), {
      chunk: 1,
      pace: { oldTransaction: 0 },
      onSweep: ({ rule }) => {
        told.push(rule);
        throw new Error('nobody listens');
      },
    });
    await jobs.sweepNow(['subject:user']);
    await until('the first chunk', async () => (await world.plain('oubli.ledger')).length > 0);
    await jobs.sweepNow(['subject:user']);
    await jobs.sweepNow(['subject:user']);
    expect((await storedJobs()).map(({ state }) => state).sort()).to.deep.equal(['active', 'created']);
    await open.rollback();
    await until('both', finished(2));
    expect(told).to.deep.equal(['subject:user', 'subject:user']);
    await jobs.stop();
  });

  it('are set up again by every process that starts, with one queue and one schedule a rule', async () => {
    const [one, other] = [await startBoss(), await startBoss()];
    const started: Jobs[] = [];
    for (const boss of [one, other, one])
      started.push(await world.startJobs(boss, { cron: '15 4 * * *', timeZone: 'Europe/Paris' }));
    const schedules = await one.getSchedules('oubli.sweep');
    expect(schedules.map(({ key, cron, timezone }) => `${key} ${cron} ${timezone}`).sort()).to.deep.equal(
      ['rows/public.invoices', 'subject/user'].map((key) => `${key} 15 4 * * * Europe/Paris`),
    );
    expect((await one.getQueues()).filter(({ name }) => name === 'oubli.sweep')).to.have.length(1);
    for (const each of started) await each.stop();
  });

  it('stop after the chunk under way, and another process finishes', async function () {
    this.timeout(60_000);
    const people = await addPeople(world.db, 10, '2020-01-01');
    const boss = await startBoss();
    const jobs = await world.startJobs(boss, { chunk: 1 });
    const held = await world.plain.transaction();
    await held('visits').where({ user_id: people[4]!.id }).forUpdate();
    await boss.send('oubli.sweep', { rule: 'subject:user' }, { singletonKey: 'subject:user', retryDelay: 1 });
    await untilSomebodyWaits(world.plain);
    const stopped = jobs.stop();
    await held.rollback();
    await stopped;
    const { entries } = await receiptsPerPerson(world.plain);
    expect(entries).to.be.within(4, 5);
    await wait(200);
    expect((await receiptsPerPerson(world.plain)).entries, 'nothing goes on afterwards').to.equal(entries);
    expect((await storedJobs())[0]).to.include({ state: 'retry' });
    await (await world.another()).startJobs(boss, { chunk: 4 });
    await until('the rest', finished(1), 30);
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 10, people: 10 });
  });

  it('of a rule that is gone since are no failure', async () => {
    const boss = await startBoss();
    await world.startJobs(boss);
    await boss.send('oubli.sweep', { rule: 'subject:forgotten' });
    await until('the job', finished(1));
  });

  it('have a schedule whatever a table is called', async () => {
    await world.plain.raw(
      `create table "Ordner für Ärzte" (id int primary key, user_id int not null references users, at date);
       create index on "Ordner für Ärzte" (user_id)`,
    );
    const retention = { from: 'at', keep: '1 year', then: 'delete' } as const;
    await annotate(world.plain, 'Ordner für Ärzte', {
      data: { purpose: 'serve', basis: 'contract', retention },
      columns: { at: { notPersonal: 'a date' } },
    });
    const boss = await startBoss();
    const jobs = await (await world.another()).startJobs(boss);
    await jobs.sweepNow();
    await until('all sweeps', finished(3));
    expect((await boss.getSchedules()).map(({ key }) => key)).to.include('rows/public.Ordner-20-f-fc-r-20--c4-rzte');
  });

  it('need a pg-boss', async () => {
    for (const nothing of [undefined, null, {}, 'boss']) {
      const error = await refusalOf(() => world.startJobs(nothing as never));
      expect(error).to.be.instanceOf(ConfigurationError).and.include({ code: 'NO_BOSS' });
    }
  });
});
