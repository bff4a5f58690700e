import { expect } from 'chai';
import fc from 'fast-check';
import { Client } from 'pg';
import { annotate, install, SCHEMA_VERSION } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import type { Catalogue } from '../../src/catalogue/model';
import { dueCondition } from '../../src/lifecycle/due';
import { DueRows } from '../../src/lifecycle/due-rows';
import { erasureStatement } from '../../src/lifecycle/erasure-statement';
import { planErasure } from '../../src/lifecycle/plan';
import { type Rule, rulesOf } from '../../src/lifecycle/rule';
import { type Period, toInterval } from '../../src/period';
import { moveClock, resetClock, stopClock } from '../../src/testing';
import { createEmpty } from '../support/empty';
import { createWorld, migrateWorld, type World } from '../support/world';

const ANCHORS = { date: 'date', timestamp: 'timestamp without time zone', timestamptz: 'timestamp with time zone' };
type Anchor = keyof typeof ANCHORS;

/** A rule over a table of one column, `a`. */
function ruleOver(type: Anchor, keep: Period, timeZone: string): Rule {
  const table = { columns: new Map([['a', { name: 'a', type: ANCHORS[type] }]]) } as never;
  return { name: 'a rule', table, kind: undefined, retention: { from: 'a', keep, then: 'delete', timeZone } };
}

interface Verdict {
  readonly prefilter: boolean | null;
  readonly exact: boolean | null;
  readonly day: string | null;
}

describe('What is due', () => {
  let world: World;
  let client: Client;
  before(async () => {
    world = await createWorld();
    client = new Client({ connectionString: world.url });
    await client.connect();
  });
  after(async () => {
    await client.end();
    await world.end();
  });

  /** What the conditions say of one anchor at one moment. */
  async function ask(type: Anchor, anchor: string | null, keep: Period, zone: string, now: string): Promise<Verdict> {
    const { prefilter, exact, day } = dueCondition(ruleOver(type, keep, zone), 't');
    const sql = `select ${prefilter} as prefilter, ${exact} as exact, (${day})::text as day from (values ($1::${type})) t(a)`;
    return (await client.query(sql.replaceAll('oubli.now()', `timestamptz '${now}'`), [anchor])).rows[0];
  }

  describe('on the calendar, filled in by hand', () => {
    const cases: [string, Anchor, string, Period, string, string][] = [
      ['31 August and 6 months: the last of February', 'date', '2026-08-31', '6 months', 'UTC', '2027-02-28T00:00:00Z'],
      ['31 August before a leap year', 'date', '2027-08-31', '6 months', 'UTC', '2028-02-29T00:00:00Z'],
      ['29 February and a year', 'date', '2028-02-29', '1 year', 'UTC', '2029-02-28T00:00:00Z'],
      ['29 February and four years', 'date', '2024-02-29', '4 years', 'UTC', '2028-02-29T00:00:00Z'],
      ['31 October and a month', 'date', '2026-10-31', '1 month', 'UTC', '2026-11-30T00:00:00Z'],
      ['31 January and a month', 'date', '2026-01-31', '1 month', 'UTC', '2026-02-28T00:00:00Z'],
      ['30 November and 3 months', 'date', '2026-11-30', '3 months', 'UTC', '2027-02-28T00:00:00Z'],
      [
        '28 February and 6 months: no later than the 28th',
        'date',
        '2027-02-28',
        '6 months',
        'UTC',
        '2027-08-28T00:00:00Z',
      ],
      ['an invoice and 10 years', 'date', '2026-03-31', '10 years', 'Europe/Paris', '2036-03-30T22:00:00Z'],
      ['Paris, in winter', 'date', '2026-08-31', '6 months', 'Europe/Paris', '2027-02-27T23:00:00Z'],
      ['Auckland, before Greenwich', 'date', '2026-08-31', '6 months', 'Pacific/Auckland', '2027-02-27T11:00:00Z'],
      ['Kolkata, half an hour off', 'date', '2026-08-31', '6 months', 'Asia/Kolkata', '2027-02-27T18:30:00Z'],
      ['Los Angeles, after Greenwich', 'date', '2026-08-31', '6 months', 'America/Los_Angeles', '2027-02-28T08:00:00Z'],
      ['the day after summer time began', 'date', '2026-09-29', '6 months', 'Europe/Paris', '2027-03-28T22:00:00Z'],
      ['the day on which it ends', 'date', '2026-04-25', '6 months', 'Europe/Paris', '2026-10-24T22:00:00Z'],
      [
        '14 days over that day: days of the calendar',
        'date',
        '2027-03-20',
        '14 days',
        'Europe/Paris',
        '2027-04-02T22:00:00Z',
      ],
      ['2 weeks', 'date', '2027-01-01', '2 weeks', 'UTC', '2027-01-15T00:00:00Z'],
      [
        'an hour that does not exist',
        'timestamptz',
        '2026-09-28T02:30+02',
        '6 months',
        'Europe/Paris',
        '2027-03-28T01:30:00Z',
      ],
      [
        'an hour that exists twice',
        'timestamptz',
        '2026-04-25T02:30+02',
        '6 months',
        'Europe/Paris',
        '2026-10-25T01:30:00Z',
      ],
      [
        'a moment of September in Paris',
        'timestamptz',
        '2026-08-31T23:30Z',
        '6 months',
        'Europe/Paris',
        '2027-03-01T00:30:00Z',
      ],
      [
        'the same, of August in New York',
        'timestamptz',
        '2026-08-31T23:30Z',
        '6 months',
        'America/New_York',
        '2027-03-01T00:30:00Z',
      ],
      ['a moment without a zone', 'timestamp', '2026-08-31 18:00', '6 months', 'Europe/Paris', '2027-02-28T17:00:00Z'],
    ];
    for (const [title, type, anchor, keep, zone, due] of cases) {
      it(`${title}: ${type} ${anchor} + ${keep} in ${zone}`, async () => {
        const before = new Date(new Date(due).getTime() - 1).toISOString();
        expect(await ask(type, anchor, keep, zone, before), 'a millisecond early').to.include({ exact: false });
        expect(await ask(type, anchor, keep, zone, due), 'on time').to.include({ exact: true, prefilter: true });
      });
    }

    it('has not started where the anchor is NULL', async () => {
      for (const type of ['date', 'timestamp', 'timestamptz'] as const) {
        expect(await ask(type, null, '6 months', 'UTC', '9999-01-01Z')).to.deep.equal({
          prefilter: null,
          exact: null,
          day: null,
        });
      }
    });

    it('never comes where the anchor is infinity, and has come where it is minus infinity', async () => {
      for (const type of ['date', 'timestamp', 'timestamptz'] as const) {
        const never = await ask(type, 'infinity', '6 months', 'Europe/Paris', '9999-01-01Z');
        expect(never).to.deep.equal({ prefilter: false, exact: false, day: 'infinity' });
        expect(await ask(type, '-infinity', '6 months', 'Europe/Paris', '1970-01-01Z')).to.include({ exact: true });
      }
    });
  });

  it("agrees with PostgreSQL's own arithmetic in the zone's session, to the microsecond", async () => {
    const zones = [
      'UTC',
      'Europe/Paris',
      'Europe/Dublin',
      'America/St_Johns',
      'Australia/Lord_Howe',
      'Pacific/Apia',
      'Africa/Casablanca',
      'America/Havana',
    ];
    const arbitrary = fc.record({
      type: fc.constantFrom<Anchor>('date', 'timestamp', 'timestamptz'),
      zone: fc.constantFrom(...zones),
      keep: fc.constantFrom<Period>(
        '1 day',
        '14 days',
        '8 weeks',
        '1 month',
        '6 months',
        '13 months',
        '1 year',
        '10 years',
      ),
      from: fc.date({ min: new Date('1999-01-01'), max: new Date('2036-12-31'), noInvalidDate: true }),
      micros: fc.constantFrom(
        -1,
        0,
        1,
        -3_600_000_000,
        3_600_000_000,
        -86_400_000_000,
        86_400_000_000,
        259_200_000_000,
      ),
    });
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ type, zone, keep, from, micros }) => {
        // Stated without AT TIME ZONE: the session's own zone does the work.
        await client.query(`set timezone = '${zone}'`);
        const { rows } = await client.query(
          `select ($1::${type} + interval '${toInterval(keep)}')::timestamptz + $2 * interval '1 microsecond' as now,
            (($1::${type} + interval '${toInterval(keep)}')::timestamptz + $2 * interval '1 microsecond')::text as text`,
          [from.toISOString(), micros],
        );
        const { exact, prefilter } = await ask(type, from.toISOString(), keep, zone, rows[0].text);
        expect(exact).to.equal(micros >= 0);
        if (exact) expect(prefilter, 'the prefilter lets nobody out').to.equal(true);
      }),
      { numRuns: 400 },
    );
    await client.query('reset timezone');
  });

  describe('is found by an index', () => {
    const catalogue = (): Promise<Catalogue> => loadCatalogue({ query: (sql, params) => client.query(sql, params) });

    async function explained(sql: string, params: unknown[]): Promise<string> {
      const { rows } = await client.query(`explain ${sql}`, params);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    }

    async function planOfChoosing(rule: Rule): Promise<string> {
      let plan = '';
      const read = async (sql: string, params: unknown[] = []) => {
        plan = await explained(sql, params);
        return { rows: [] };
      };
      const { table, kind } = rule;
      const steps = { root: table, rootColumn: 'id', kind, steps: [], reviews: [] };
      await new DueRows(rule, steps, await catalogue()).choose({ query: read }, 500);
      return plan;
    }

    before(async function () {
      this.timeout(90_000);
      await client.query(`
        insert into users (email, service_ended_on)
        select oubli.tombstone(e.id, true, n::text), case when n % 10 = 0 then date '2020-01-01' + n % 4000 end
        from oubli.element e, generate_series(1, 40000) n where e.domain = 'oubli."users.email"'::regtype;
        insert into contracts (user_id, plan) select n, 'basic' from generate_series(1, 40000) n;
        insert into notes (contract_id) select n from generate_series(1, 40000) n;
        insert into visits (user_id, at) select n % 40000 + 1, now() from generate_series(1, 80000) n;
        insert into invoices (user_id, total, issued_on) select n, 1, date '2020-01-01' + n % 4000 from generate_series(1, 40000) n;
        analyze users, contracts, notes, visits, invoices`);
      await stopClock(world.plain, '2021-01-01T00:00:00Z');
    });

    it('that the declaration made, of the rows whose clock has started', async () => {
      const { rows } = await client.query(`select indexdef from pg_indexes where indexdef like '%service_ended_on%'`);
      expect(rows).to.have.length(1);
      expect(rows[0].indexdef).to.contain('(service_ended_on) WHERE (service_ended_on IS NOT NULL)');
    });

    for (const name of ['subject:user', 'rows:public.invoices']) {
      it(`by a range of the anchor, and the exact test on what it finds (${name})`, async () => {
        const rule = rulesOf(await catalogue()).find((each) => each.name === name) as Rule;
        const plan = await planOfChoosing(rule);
        const anchor = String(rule.retention.from);
        expect(plan, plan).to.match(new RegExp(`Index Scan (using|on) \\w+${anchor}_idx`));
        expect(plan).to.match(new RegExp(`Index Cond: \\(${anchor} <= `));
        expect(plan).to.match(/Filter:.*at time zone|Filter:.*AT TIME ZONE/i);
        expect(plan).not.to.match(/Seq Scan on (users|invoices)/);
      });
    }

    it('and so are the rows of those who leave, in every table', async () => {
      const known = await catalogue();
      const plan = planErasure(known, known.subjectTable('user')!);
      const ids = Array.from({ length: 20 }, (_, i) => String(i * 1000 + 1));
      const tags = ids.map((id) => Buffer.from(id.padStart(16, '0')));
      const none = ids.map(() => null);
      const parameters = [ids, tags, tags, 'erased', 'a test', 'salt', none, none];
      const text = await explained(erasureStatement(known, plan, []), parameters);
      for (const table of ['users', 'contracts', 'notes', 'visits', 'invoices']) {
        expect(text, text).to.match(new RegExp(`(Index Scan using|Bitmap Heap Scan on) .*${table}`));
        expect(text).not.to.match(new RegExp(`Seq Scan on ${table}`));
      }
    });
  });

  it('follows the database clock, which a test moves for every process', async () => {
    const asked = async (): Promise<number> => {
      const { rows } = await client.query('select extract(epoch from oubli.now() - pg_catalog.now())::float8 as ahead');
      return rows[0].ahead / 86_400;
    };
    await moveClock(world.plain, '6 months');
    expect(await asked()).to.be.within(181, 184);
    await stopClock(world.plain, '2030-02-03T04:05:06+07:00');
    const { rows } = await client.query('select oubli.now() as now');
    expect(rows[0].now.toISOString()).to.equal('2030-02-02T21:05:06.000Z');
    await resetClock(world.plain);
    expect(await asked()).to.equal(0);
  });
});

describe('The index of an anchor', () => {
  const person = (from: string) =>
    ({
      kind: 'user',
      purpose: 'serve',
      basis: 'contract',
      retention: { from, keep: '6 months', then: 'erase' },
    }) as const;

  it('is made by the declaration only where no index begins with the column, and only once', async () => {
    const empty = await createEmpty();
    try {
      await empty.knex.transaction((trx) => install(trx, { version: SCHEMA_VERSION }));
      await empty.psql.query(`create table "Us ers" (id int primary key, "ended ?" date, left_at timestamptz, other int);
        create index mine on "Us ers" (left_at, other); create index not_first on "Us ers" (other, "ended ?")`);
      const indexes = async () =>
        (await empty.rows(`select indexname from pg_indexes where tablename = 'Us ers' order by 1`)).map(
          (row) => row.indexname,
        );
      const before = await indexes();
      await annotate(empty.knex, 'Us ers', { subject: person('left_at'), columns: {} });
      expect(await indexes(), 'one of the team serves').to.deep.equal(before);
      await annotate(empty.knex, 'Us ers', { subject: person('ended ?'), columns: {} });
      await annotate(empty.knex, 'Us ers', { subject: person('ended ?'), columns: {} });
      expect(await indexes()).to.have.length(before.length + 1);
    } finally {
      await empty.end();
    }
  });

  it('comes with a table that is created with its declaration', async () => {
    const world = await createWorld({ migrate: migrateWorld });
    const { rows } = await world.plain.raw(`select tablename from pg_indexes where indexdef like '%issued_on%'`);
    expect(rows).to.deep.equal([{ tablename: 'invoices' }]);
    await world.end();
  });
});
