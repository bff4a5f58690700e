/** What would be erased on a day, under the rules as they are or under a proposed one (ERASURE.md D5); and nothing is written. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { AnnotationError, annotate, ConfigurationError, install, SCHEMA_VERSION } from '../../src';
import { stopClock } from '../../src/testing';
import { type Outcome, runOubli } from '../support/cli';
import { refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

async function migrateForesight(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  await knex.raw(`create table users (id serial primary key, name text, ended_on date, seen_at timestamptz, "first order" date);
    create table invoices (id serial primary key, user_id integer references users, address text, issued_on date);
    create index on invoices (user_id);
    create table visits (id serial primary key, user_id integer references users, page text, at timestamptz);
    create index on visits (user_id); create index on visits (at)`);
  const serve = { purpose: 'serve', basis: 'contract' } as const;
  await annotate(knex, 'users', {
    subject: {
      kind: 'user',
      ...serve,
      retention: { from: 'ended_on', keep: '6 months', then: 'erase', timeZone: 'Europe/Paris' },
    },
    columns: {
      name: { category: 'identity.name', protect: 'encrypt' },
      ended_on: { notPersonal: 'the end of service' },
      seen_at: { notPersonal: 'the last visit' },
      'first order': { notPersonal: 'a date' },
    },
  });
  await annotate(knex, 'invoices', {
    data: {
      purpose: 'invoicing',
      basis: 'legal_obligation',
      retention: { from: 'issued_on', keep: '10 years', then: 'delete', because: 'Code de commerce L123-22' },
    },
    columns: {
      address: { category: 'contact.address', protect: 'encrypt' },
      issued_on: { notPersonal: 'the fiscal date' },
    },
  });
  await annotate(knex, 'visits', {
    data: serve,
    columns: {
      page: { category: 'navigation.page', protect: 'clear', because: 'a path' },
      at: { notPersonal: 'a moment' },
    },
  });
}

describe('D5: what would leave before a day', function () {
  this.timeout(120_000);
  let world: World;
  let folder: string;
  before(async () => {
    world = await createWorld({ migrate: migrateForesight });
    folder = await mkdtemp(path.join(tmpdir(), 'oubli-due-'));
    await stopClock(world.plain, '2026-09-01T00:00:00Z');
    const ends = ['2026-03-01', '2026-08-30', '2026-08-31', '2026-09-01', null, 'infinity'];
    await world
      .db('users')
      .insert(ends.map((ended_on) => ({ name: 'Ada', ended_on, seen_at: '2026-05-31T22:30:00Z' })));
    await world.db('invoices').insert([
      { user_id: 1, address: 'here', issued_on: '2017-02-28' },
      { user_id: 2, address: 'there', issued_on: '2018-01-01' },
    ]);
    await world.plain('visits').insert({ user_id: 3, page: '/', at: '2026-01-31T23:30:00Z' });
    await world.subject('user', 1).erase({ because: 'anonymised, and in the table still' });
  });
  after(async () => {
    await rm(folder, { recursive: true });
    await world.end();
  });

  const due = (...args: string[]): Promise<Outcome> => runOubli(['due', '--url', world.url, ...args]);

  it('D5: is counted rule by rule, to the day on each calendar, whoever was erased already left out', async () => {
    const users = { rule: 'subject:user', from: 'users.ended_on' };
    const invoices = { rule: 'rows:public.invoices', from: 'invoices.issued_on' };
    expect(await world.due({ before: '2027-02-28' })).to.have.deep.members([
      { ...users, count: 0 },
      { ...invoices, count: 0 },
    ]);
    expect(await world.due({ before: '2027-03-01' })).to.have.deep.members([
      { ...users, count: 2, first: '2027-02-28', last: '2027-02-28' }, // 30 and 31 August
      { ...invoices, count: 1, first: '2027-02-28', last: '2027-02-28' },
    ]);
    expect(await world.due({ before: '2027-03-02', rule: 'subject:user' })).to.deep.equal([
      { ...users, count: 3, first: '2027-02-28', last: '2027-03-01' },
    ]);
  });

  it('D5: agrees with the sweep of that day', async () => {
    const copy = await createWorld({ migrate: migrateForesight });
    try {
      for (let day = 1; day <= 28; day++) {
        await copy.db('users').insert({ name: 'Bob', ended_on: `2026-02-${String(day).padStart(2, '0')}` });
      }
      const [report] = await copy.due({ before: '2026-08-15', rule: 'subject:user' });
      await stopClock(copy.plain, '2026-08-14T21:59:59Z');
      const [swept] = await copy.sweep({ rule: 'subject:user', breaker: { people: 1 } });
      expect([report?.count, swept?.gone]).to.deep.equal([14, 14]);
    } finally {
      await copy.end();
    }
  });

  it('D5: is listed page by page, oldest first', async () => {
    const copy = await createWorld({ migrate: migrateForesight });
    try {
      await copy.plain.raw(
        `insert into users (ended_on) select date '2026-08-01' - n % 3 from generate_series(1, 2500) n`,
      );
      const pages: string[][] = [];
      const reports = await copy.due({
        before: '2027-03-01',
        rule: 'subject:user',
        onIds: (_, ids) => void pages.push([...ids]),
      });
      expect(reports[0]?.count).to.equal(2500);
      expect(pages.map((page) => page.length)).to.deep.equal([1000, 1000, 500]);
      expect(new Set(pages.flat()).size, 'each of them once').to.equal(2500);
      const oldest = await copy.plain('users').orderBy('ended_on').first();
      const first = await copy.plain('users').where({ id: pages[0]?.[0] }).first();
      expect(first.ended_on).to.deep.equal(oldest.ended_on);
    } finally {
      await copy.end();
    }
  });

  it('D5: is known of a rule that is only proposed', async () => {
    const [shorter] = await world.due({ before: '2026-12-01', rule: 'subject:user', proposed: { keep: '3 months' } });
    expect(shorter).to.include({ count: 2, first: '2026-11-30', last: '2026-11-30' });
    const [elsewhere] = await world.due({
      before: '2026-12-01',
      rule: 'subject:user',
      proposed: { keep: '3 months', timeZone: 'Pacific/Kiritimati' },
    });
    expect(elsewhere).to.include({ count: 2 });
    const [visits] = await world.due({
      before: '2026-03-02',
      rule: 'rows:public.visits',
      proposed: { from: 'at', keep: '1 month', timeZone: 'Europe/Paris' },
    });
    expect(visits, 'the first of February, there').to.include({ count: 1, first: '2026-03-01', from: 'visits.at' });
  });

  it('D5: refuses a proposal as the declaration would be refused, with its correction', async () => {
    const proposed = (change: object, rule = 'subject:user') =>
      refusalOf(() => world.due({ before: '2027-01-01', rule, proposed: change as never }));
    const period = await proposed({ keep: '3 monts' });
    expect(period).to.be.instanceOf(AnnotationError).and.include({ code: 'BAD_PERIOD' });
    expect(period.fix).to.contain("keep: '3 months'").and.to.contain("t.dataSubject('user'");
    expect(await proposed({ from: 'endet_on' })).to.include({ code: 'UNKNOWN_ANCHOR' });
    expect(await proposed({ kep: '3 months' })).to.include({ code: 'UNKNOWN_OPTION' });
    expect(await proposed({ then: 'erase', from: 'at', keep: '1 year' }, 'rows:public.visits')).to.include({
      code: 'BAD_OPTION',
    });
    expect(await proposed({ keep: '1 year' }, 'rows:public.visit')).to.include({ code: 'UNKNOWN_RULE' });
    const whose = await refusalOf(() => world.due({ before: '2027-01-01', proposed: { keep: '3 months' } }));
    expect(whose).to.be.instanceOf(ConfigurationError).and.include({ code: 'PROPOSED_WITHOUT_RULE' });
    for (const before of ['2027-02-30', '1 January', '', '2027-1-1']) {
      expect(await refusalOf(() => world.due({ before })), before).to.include({ code: 'BAD_DAY' });
    }
  });

  it('D5: does not read ten million rows where no index finds them, unless it is told to', async () => {
    const options = { before: '2027-01-01', rule: 'subject:user', proposed: { from: 'seen_at' } };
    const error = await refusalOf(() => world.due(options));
    expect(error).to.be.instanceOf(ConfigurationError).and.include({ code: 'PROPOSED_UNINDEXED' });
    expect(error.fix).to.match(/^create index concurrently on public.users \("seen_at"\) {2}--/);
    expect((await world.due({ ...options, scan: true }))[0]).to.include({ count: 5 });
    for (const [from, create] of [
      ['seen_at', error.fix],
      ['first order', undefined],
      [{ latestOf: ['ended_on', 'first order'] }, undefined],
      [{ endOfFiscalYear: 'first order' }, 'found by now'],
    ] as const) {
      const asked = { ...options, proposed: { from } } as never;
      if (create !== 'found by now') {
        const refused = await refusalOf(() => world.due(asked));
        await world.plain.raw(refused.fix.replace(/ {2}--.*/, '').replace(' concurrently', ''));
      }
      expect(await world.due(asked), JSON.stringify(from)).to.have.length(1);
    }
  });

  it('D5: does not say that nobody is due where nobody wrote down what happened', async () => {
    for (const [rule, from] of [
      ['subject:user', { event: 'last_activity' }],
      ['rows:public.visits', { event: 'consent_ended', purpose: 'audience' }],
    ] as const) {
      const error = await refusalOf(() =>
        world.due({ before: '2027-01-01', rule, proposed: { from, keep: '1 year' } }),
      );
      expect(error).to.be.instanceOf(ConfigurationError).and.include({ code: 'PROPOSED_UNRECORDED' });
    }
  });

  it('D5: writes nothing at all', async () => {
    const everything = async (): Promise<unknown[]> => {
      const { rows } = await world.plain.raw(`select c.oid::regclass::text as name, c.relkind from pg_class c
        join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'S') and n.nspname in ('public', 'oubli') order by 1`);
      const found: unknown[] = [];
      for (const { name, relkind } of rows) {
        const what =
          relkind === 'S' ? "last_value || ' ' || log_cnt" : "ctid || ' ' || xmin || ' ' || xmax || ' ' || t";
        const read = await world.plain.raw(
          `select md5(string_agg(x, ',' order by x)) as sum from (select ${what} as x from ${name} t) v`,
        );
        found.push([name, read.rows[0].sum]);
      }
      expect(found).to.have.length.greaterThan(15);
      return found;
    };
    const before = await everything();
    await world.due({ before: '2030-01-01', onIds: () => undefined });
    await world.due({ before: '2030-01-01', rule: 'subject:user', proposed: { keep: '1 day' } });
    expect((await due('--before', '2030-01-01', '--list')).code).to.equal(0);
    expect(await everything()).to.deep.equal(before);
    let inside: unknown;
    await world.due({
      before: '2030-01-01',
      rule: 'subject:user',
      onIds: async () => {
        const { rows } = await world.plain.raw(
          `select count(*)::int as n from pg_stat_activity where state = 'idle in transaction' and backend_xid is not null and datname = current_database()`,
        );
        inside = rows[0].n;
      },
    });
    expect(inside, 'no transaction that could write').to.equal(0);
  });

  describe('on the command line', () => {
    it('D5: names the rules, the numbers and the days', async () => {
      const { code, stdout, stderr } = await due('--before', '2027-03-01');
      expect([code, stderr]).to.deep.equal([0, '']);
      expect(stdout.split('\n')).to.include.members([
        'subject:user: 2 due on 2027-02-28 (users.ended_on)',
        'rows:public.invoices: 1 due on 2027-02-28 (invoices.issued_on)',
      ]);
      const none = await due('--before', '2027-01-01', '--rule', 'subject:user');
      expect(none.stdout).to.equal('subject:user: nobody before 2027-01-01 (users.ended_on)\n');
    });

    it('D5: lists the ids, and takes a proposal from a file or from options', async () => {
      const list = await due('--before', '2027-03-01', '--rule', 'subject:user', '--list');
      expect(list.stdout.split('\n').slice(0, 2)).to.deep.equal(['subject:user\t2', 'subject:user\t3']);
      const file = path.join(folder, 'proposed.json');
      await writeFile(file, JSON.stringify({ keep: '3 months' }));
      const fromFile = await due('--before', '2026-12-01', '--rule', 'subject:user', '--proposed', file);
      const fromOptions = await due('--before', '2026-12-01', '--rule', 'subject:user', '--keep', '3 months');
      expect(fromFile.stdout)
        .to.equal('subject:user: 2 due on 2026-11-30 (users.ended_on)\n')
        .and.to.equal(fromOptions.stdout);
      const anchor = ['--from', '{"endOfFiscalYear":"ended_on"}', '--time-zone', 'UTC'];
      const year = await due('--before', '2027-08-01', '--rule', 'subject:user', ...anchor);
      expect(year.stdout).to.equal(
        'subject:user: 3 due on 2027-07-01 (the end of the fiscal year of users.ended_on)\n',
      );
    });

    it('D5: refuses with a way out', async () => {
      const file = path.join(folder, 'broken.json');
      await writeFile(file, '{');
      for (const [args, says] of [
        [['--proposed', file], 'is no JSON'],
        [['--proposed', path.join(folder, 'nothing.json')], 'ENOENT'],
        [['--from', '{"'], '--from is no JSON'],
        [['--keep', '3 monts'], "did you mean '3 months'"],
      ] as const) {
        const { code, stdout, stderr } = await due('--before', '2027-01-01', '--rule', 'subject:user', ...args);
        expect([code, stdout]).to.deep.equal([1, '']);
        expect(stderr).to.contain(says).and.to.contain('fix: ');
      }
    });
  });
});
