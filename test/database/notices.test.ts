/** Notice, then grace, then purge (ERASURE.md D4): who is told what and when, and that nobody leaves out of the blue. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { PgBoss } from 'pg-boss';
import {
  AlreadyErasedError,
  annotate,
  ConfigurationError,
  install,
  type Notice,
  NoticeFailedError,
  type OubliError,
  SCHEMA_VERSION,
  type SweepReport,
} from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { NoticeStatements } from '../../src/lifecycle/notice-statements';
import { rulesOf } from '../../src/lifecycle/rule';
import { stopClock } from '../../src/testing';
import { failureOf, failureOfSweep, refusalOf } from '../support/refusals';
import { until, untilSomebodyWaits } from '../support/waiting';
import { COMPILED } from '../support/worker';
import { createWorld, type World } from '../support/world';

async function migrateNotices(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw('create table users (id serial primary key, name text, ended_on date)');
  await annotate(knex, 'users', {
    subject: {
      kind: 'user',
      purpose: 'serve',
      basis: 'contract',
      retention: {
        from: 'ended_on',
        keep: '6 months',
        then: 'erase',
        timeZone: 'Europe/Paris',
        notices: { before: ['7 days', '30 days', '1 day'], minimum: '7 days' },
      },
    },
    columns: {
      name: { category: 'identity.name', protect: 'encrypt' },
      ended_on: { notPersonal: 'the end of service' },
    },
  });
}

describe('D4: a rule that asks for notices', () => {
  let world: World;
  let told: Notice[];
  beforeEach(async () => {
    world = await createWorld({ migrate: migrateNotices });
    told = [];
  });
  afterEach(() => world.end());

  const add = async (endedOn: string | null, name = 'Ada'): Promise<string> => {
    const [row] = await world.db('users').insert({ name, ended_on: endedOn }).returning('id');
    return String(row.id);
  };
  const onNotice = (notice: Notice): void => {
    told.push(notice);
  };
  const sweepAt = async (moment: string, send = onNotice): Promise<SweepReport> => {
    await stopClock(world.plain, moment);
    return (await world.sweep({ onNotice: send, breaker: { people: 1 } }))[0] as SweepReport;
  };
  const toldAt = async (moment: string): Promise<string[]> => {
    told = [];
    await sweepAt(moment);
    return told.map(({ id, notice }) => `${id}: ${notice}`);
  };
  const users = (): Promise<string[]> =>
    world
      .plain('users')
      .orderBy('id')
      .pluck('id')
      .then((ids) => ids.map(String));

  it('A4: tells nobody when a script has everybody near her end: the breaker is for notices, too', async () => {
    for (let n = 0; n < 12; n++) await add('2026-01-01');
    await stopClock(world.plain, '2026-06-15T12:00:00Z'); // nobody is due, everybody would hear of it
    const error = await failureOfSweep(() => world.sweep({ onNotice, breaker: { people: 0.05, floor: 10 } }));
    expect(error).to.have.property('code', 'BREAKER');
    expect(told).to.deep.equal([]);
    await world.sweep({ onNotice, breaker: { people: 0.05, floor: 12 } });
    expect(told).to.have.length(12);
  });

  it('D4: tells each notice once, on its day, with the exact dates, and purges a minimum after the last', async () => {
    const ada = await add('2026-08-31'); // due on 28 February 2027, at midnight in Paris
    expect(await toldAt('2027-01-28T22:59:59Z')).to.deep.equal([]);
    expect(await toldAt('2027-01-28T23:00:00Z')).to.deep.equal([`${ada}: 30 days`]);
    expect(told[0]).to.deep.equal({
      kind: 'user',
      id: ada,
      rule: 'subject:user',
      notice: '30 days',
      dueOn: '2027-02-28',
      due: new Date('2027-02-27T23:00:00Z'),
      purgeOn: '2027-03-06', // a day before the due date the last notice, and seven days after it
      purge: new Date('2027-03-05T23:00:00Z'),
    });
    expect(await toldAt('2027-02-20T22:59:59Z')).to.deep.equal([]);
    expect(await toldAt('2027-02-20T23:00:00Z')).to.deep.equal([`${ada}: 7 days`]);
    expect(await toldAt('2027-02-27T12:00:00Z'), 'some hours late').to.deep.equal([`${ada}: 1 day`]);
    expect(told[0]).to.include({ dueOn: '2027-02-28', purgeOn: '2027-03-06' });
    expect(told[0]?.purge.toISOString()).to.equal('2027-03-06T12:00:00.000Z');
    expect(await toldAt('2027-03-06T11:59:59Z')).to.deep.equal([]);
    expect(await users(), 'not a second early').to.deep.equal([ada]);
    expect(await toldAt('2027-03-06T12:00:00Z')).to.deep.equal([]);
    expect(await users(), 'nor late').to.deep.equal([]);
    expect(await world.plain('oubli.notice'), 'nothing of hers stays behind').to.deep.equal([]);
  });

  it('D4: is not before the due date, however early the last notice was', async () => {
    await world.plain.raw(`update oubli.personal_table
      set spec = jsonb_set(spec, '{retention,notices}', '{"before": ["30 days"], "minimum": "7 days"}')`);
    const ada = await add('2026-08-31');
    expect(await toldAt('2027-01-29T00:00:00Z')).to.deep.equal([`${ada}: 30 days`]);
    expect(told[0]).to.include({ dueOn: '2027-02-28', purgeOn: '2027-02-28' });
    await sweepAt('2027-02-27T22:59:59Z');
    expect(await users()).to.deep.equal([ada]);
    await sweepAt('2027-02-27T23:00:00Z');
    expect(await users()).to.deep.equal([]);
  });

  it('D4: tells whoever is overdue by 60 days once, and leaves her the minimum', async () => {
    const ada = await add('2026-08-31');
    expect(await toldAt('2027-04-29T12:00:00Z'), 'the worker comes back').to.deep.equal([`${ada}: 1 day`]);
    expect(told[0]).to.include({ dueOn: '2027-02-28', purgeOn: '2027-05-06' });
    expect(await users()).to.deep.equal([ada]);
    await toldAt('2027-05-06T11:59:59Z');
    expect(await users()).to.deep.equal([ada]);
    expect(await toldAt('2027-05-06T12:00:00Z')).to.deep.equal([]);
    expect(await users()).to.deep.equal([]);
  });

  it('D4: stops when she returns, and a new end has notices of its own', async () => {
    const ada = await add('2026-08-31');
    expect(await toldAt('2027-02-27T12:00:00Z')).to.deep.equal([`${ada}: 1 day`]);
    await world.subject('user', ada).reactivated();
    expect((await world.plain('users'))[0].ended_on).to.equal(null);
    expect(await world.plain('oubli.notice')).to.deep.equal([]);
    expect(await toldAt('2028-01-01T12:00:00Z')).to.deep.equal([]);
    await world.subject('user', ada).serviceEnded({ on: '2026-08-31' });
    expect(await toldAt('2028-01-01T13:00:00Z'), 'the same day, and another end').to.deep.equal([`${ada}: 1 day`]);
    expect(await users()).to.deep.equal([ada]);
  });

  it('D4: has new notices also where the date is moved without a word', async () => {
    const ada = await add('2026-08-31');
    expect(await toldAt('2027-02-27T12:00:00Z')).to.deep.equal([`${ada}: 1 day`]);
    await world.plain('users').update({ ended_on: '2026-09-01' });
    expect(await toldAt('2027-03-20T12:00:00Z')).to.deep.equal([`${ada}: 1 day`]);
    expect(await users(), 'the notice of another end does not count').to.deep.equal([ada]);
  });

  it('D4: has new notices where the rule has another period now: nobody leaves on a day that was not announced', async () => {
    const ada = await add('2026-08-31');
    expect(await toldAt('2027-02-27T12:00:00Z')).to.deep.equal([`${ada}: 1 day`]);
    const keep = async (period: string): Promise<void> => {
      await world.plain.raw(`update oubli.personal_table set spec = jsonb_set(spec, '{retention,keep}', ?::jsonb)`, [
        JSON.stringify(period),
      ]);
      await world.close();
      Object.assign(world, await world.another());
    };
    await keep('12 months');
    expect(await toldAt('2027-08-30T12:00:00Z')).to.deep.equal([`${ada}: 1 day`]);
    expect(told[0]).to.include({ dueOn: '2027-08-31', purgeOn: '2027-09-06' });
    expect(await users(), 'the notice of another day does not count').to.deep.equal([ada]);
    await keep('6 months');
    expect(await toldAt('2027-09-05T12:00:00Z'), 'that day was announced').to.deep.equal([]);
    expect(await users()).to.deep.equal([]);
  });

  it('D4: does not tell whoever is held that she leaves, and gives her notice when nothing holds her any more', async () => {
    const ada = await add('2026-08-31');
    await stopClock(world.plain, '2027-01-01T00:00:00Z');
    await world.holds.open({ name: 'case 7', ground: 'a claim' });
    await world.holds.place('case 7', world.subject('user', ada));
    expect(await toldAt('2027-02-27T12:00:00Z')).to.deep.equal([]);
    await stopClock(world.plain, '2027-04-01T12:00:00Z');
    await world.holds.release('case 7', { because: 'settled' });
    expect(await toldAt('2027-04-01T12:00:00Z')).to.deep.equal([`${ada}: 1 day`]);
    expect(told[0]).to.include({ purgeOn: '2027-04-08' });
    await sweepAt('2027-04-08T12:00:00Z');
    expect(await users()).to.deep.equal([]);
  });

  it('A2: a return that is committed wins over a sweep that has begun', async () => {
    const ada = await add('2026-08-31');
    await sweepAt('2027-02-27T12:00:00Z');
    await stopClock(world.plain, '2027-04-01T00:00:00Z');
    const trx = await world.db.transaction();
    await world.subject('user', ada).reactivated({ trx });
    const [report] = await world.sweep({ onNotice, breaker: { people: 1 } });
    expect(report, 'her row is locked').to.include({ gone: 0 });
    await trx.commit();
    await world.sweep({ onNotice, breaker: { people: 1 } });
    expect(await users()).to.deep.equal([ada]);
  });

  it('A2: a return that comes while she is being erased waits, and hears that it is too late', async () => {
    const ada = await add('2026-08-31');
    await sweepAt('2027-02-27T12:00:00Z');
    await stopClock(world.plain, '2027-04-01T00:00:00Z');
    await world.plain.raw(`create function dawdle() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock(7); return old; end';
      create trigger dawdle before delete on users for each row execute function dawdle()`);
    const gate = await world.plain.transaction();
    await gate.raw('select pg_advisory_xact_lock(7)');
    const sweeping = world.sweep({ onNotice, breaker: { people: 1 } });
    await untilSomebodyWaits(world.plain, 1);
    const returning = failureOf(() => world.subject('user', ada).reactivated());
    await untilSomebodyWaits(world.plain, 2);
    await gate.rollback();
    expect((await sweeping)[0]).to.include({ gone: 1 });
    expect(await returning).to.be.instanceOf(AlreadyErasedError);
  });

  it('D4: is held back by a callback that fails, which is said, and tried again', async () => {
    const [ada, bob] = [await add('2026-08-31'), await add('2026-08-31', 'Bob')];
    const failing = (notice: Notice): void => {
      if (notice.id === ada) throw Object.assign(new Error('no mailbox ada@example.org'), { code: 'ENOTFOUND' });
      told.push(notice);
    };
    const error = await failureOfSweep(() => sweepAt('2027-02-27T12:00:00Z', failing));
    expect(error).to.be.instanceOf(NoticeFailedError).and.include({ code: 'NOTICE_FAILED' });
    expect(error.message).to.contain('1 notices of subject:user').and.to.contain('Error ENOTFOUND');
    expect(JSON.stringify([error, error.message, error.cause ?? '']), 'nothing personal').not.to.contain('ada@');
    expect(told.map(({ id }) => id)).to.deep.equal([bob]);
    await failureOf(() => sweepAt('2027-03-20T12:00:00Z', failing));
    expect(await users(), 'only he had notice').to.deep.equal([ada]);
    expect(await world.plain('oubli.notice').select('attempts', 'sent_at')).to.deep.equal([
      { attempts: 2, sent_at: null },
    ]);
    expect(await toldAt('2027-03-21T12:00:00Z')).to.deep.equal([`${ada}: 1 day`]);
    await sweepAt('2027-03-28T12:00:00Z');
    expect(await users()).to.deep.equal([]);
  });

  it('D4: gives up on a mail server that is down, and does not ask it ten thousand times', async () => {
    for (let i = 0; i < 15; i++) await add('2026-08-31', `somebody ${i}`);
    let asked = 0;
    await failureOf(() =>
      sweepAt('2027-02-27T12:00:00Z', () => {
        asked += 1;
        throw new Error('down');
      }),
    );
    expect(asked).to.equal(10);
  });

  it('D4: sends none twice, however many processes send', async () => {
    for (let i = 0; i < 20; i++) await add('2026-08-31', `somebody ${i}`);
    const other = await world.another();
    await stopClock(world.plain, '2027-02-27T12:00:00Z');
    const slowly = async (notice: Notice): Promise<void> => {
      told.push(notice);
      await new Promise(setImmediate);
    };
    await Promise.all([world.sweep({ onNotice: slowly }), other.sweep({ onNotice: slowly })]);
    expect(told.map(({ id }) => Number(id)).sort((a, b) => a - b)).to.deep.equal(
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  it('D4: sends a notice again that a process was killed over, when its claim has run out', async function () {
    this.timeout(60_000);
    const ada = await add('2026-08-31');
    await stopClock(world.plain, '2027-02-27T12:00:00Z');
    const script = path.join(__dirname, '../support/notice-process.ts');
    const child = spawn(process.execPath, [...COMPILED, script, world.url, world.keyFile], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = await once(child.stdout, 'data');
    expect(String(said)).to.equal(`told ${ada}\n`);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await toldAt('2027-02-27T12:14:59Z'), 'somebody may be sending it').to.deep.equal([]);
    expect(await toldAt('2027-02-27T12:15:00Z')).to.deep.equal([`${ada}: 1 day`]);
  });

  it('D4: cannot be swept without somebody who sends them, nor have jobs', async () => {
    await add('2026-08-31');
    await stopClock(world.plain, '2027-06-01T00:00:00Z');
    const swept = (await failureOfSweep(() => world.sweep())) as OubliError;
    expect(swept).to.be.instanceOf(ConfigurationError).and.include({ code: 'NO_ON_NOTICE' });
    expect(swept.fix).to.contain('await sweep({ onNotice');
    const boss = { schedule: () => Promise.reject(new Error('not yet')) };
    const started = await refusalOf(() => world.startJobs(boss as never));
    expect(started).to.include({ code: 'NO_ON_NOTICE' });
    expect(await users()).to.have.length(1);
  });

  it('D4: is part of the jobs, whose output says how many and nothing of whom', async () => {
    const ada = await add('2026-08-31', 'Ada Lovelace');
    await stopClock(world.plain, '2027-02-27T12:00:00Z');
    const boss = new PgBoss({ connectionString: world.url });
    const problems: unknown[] = [];
    boss.on('error', (error) => problems.push(error));
    await boss.start();
    try {
      const jobs = await world.startJobs(boss, { onNotice });
      await jobs.sweepNow();
      const outputs = async (): Promise<Record<string, unknown>[]> =>
        (await world.plain.raw(`select output from pgboss.job where name = 'oubli.sweep' and state = 'completed'`))
          .rows;
      await until('the sweep', async () => (await outputs()).length === 1);
      expect((await outputs())[0]?.output).to.include({ rule: 'subject:user', noticed: 1, gone: 0 });
      expect(told.map(({ id }) => id)).to.deep.equal([ada]);
      await jobs.stop();
    } finally {
      await boss.stop({ graceful: false, close: true });
    }
    expect(problems).to.deep.equal([]);
  });

  it('D4: finds whom to tell by a range of the anchor, among many', async function () {
    this.timeout(90_000);
    await world.plain.raw(`insert into users (ended_on) select date '2026-01-01' + n % 4000 from generate_series(1, 20000) n;
      insert into oubli.notice (rule, subject_id, due_on, notice, sent_at)
        select 'subject:user', n::text, date '2026-01-01' + n % 4000 + interval '6 months', '30 days', now() from generate_series(1, 20000) n;
      analyze users, oubli.notice`);
    await stopClock(world.plain, '2026-08-01T00:00:00Z');
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const [rule] = rulesOf(await loadCatalogue(client));
    const statements = new NoticeStatements(rule!);
    const plan = async (sql: string, params: unknown[]): Promise<string> =>
      (await client.query(`explain ${sql}`, params)).rows.map((row) => row['QUERY PLAN']).join('\n');
    const waiting = await plan(statements.waiting(500), [null, []]);
    expect(waiting, waiting).to.match(/Index Cond: \(ended_on <= /);
    expect(waiting).not.to.contain('Seq Scan');
    const claim = await plan(statements.claim(), ['7']);
    expect(claim, claim).to.match(/Index Scan using users_pkey/);
    await client.end();
  });
});
