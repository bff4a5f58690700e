/** Due, to the second (ERASURE.md D1, D2): a table filled in by hand, and a property against a calendar that knows no SQL. */
import { expect } from 'chai';
import fc from 'fast-check';
import { Client } from 'pg';
import type { Anchor } from '../../src/catalogue/anchor-spec';
import { dueCondition } from '../../src/lifecycle/due';
import type { Rule } from '../../src/lifecycle/rule';
import { type Period, parsePeriod } from '../../src/period';
import { fiscalYearEnd, instantOf, plus, wallAt } from '../support/calendar';
import { createWorld, type World } from '../support/world';

const TYPES = { date: 'date', timestamp: 'timestamp without time zone', timestamptz: 'timestamp with time zone' };
type Type = keyof typeof TYPES;

/** A rule over a table of two columns, `a` and `b`. */
function ruleOver(type: Type, from: Anchor, keep: Period, timeZone: string): Rule {
  const columns = new Map(['a', 'b'].map((name) => [name, { name, type: TYPES[type] }]));
  const table = { name: 't', columns } as never;
  return { name: 'a rule', table, kind: undefined, retention: { from, keep, then: 'delete', timeZone } };
}

interface Verdict {
  readonly prefilter: boolean | null;
  readonly exact: boolean | null;
}

describe('D2: due', () => {
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

  async function ask(rule: Rule, type: Type, a: string | null, now: string, lead?: Period): Promise<Verdict> {
    const { prefilter, exact } = dueCondition(rule, 't', { at: `timestamptz '${now}'`, ...(lead ? { lead } : {}) });
    const sql = `select ${prefilter} as prefilter, ${exact} as exact from (values ($1::${type}, null::${type})) t(a, b)`;
    return (await client.query(sql, [a])).rows[0];
  }

  const april = { endOfFiscalYear: 'a', startsOn: '04-01' } as const;
  const cases: [title: string, type: Type, anchor: string, keep: Period, zone: string, due: string, from?: Anchor][] = [
    // month ends and leap years
    ['31 August and 6 months', 'date', '2026-08-31', '6 months', 'UTC', '2027-02-28T00:00:00Z'],
    ['31 August and 6 months, before a leap year', 'date', '2027-08-31', '6 months', 'UTC', '2028-02-29T00:00:00Z'],
    ['30 and 31 August end together', 'date', '2026-08-30', '6 months', 'UTC', '2027-02-28T00:00:00Z'],
    ['29 February and a year', 'date', '2028-02-29', '1 year', 'UTC', '2029-02-28T00:00:00Z'],
    ['29 February and four years', 'date', '2024-02-29', '4 years', 'UTC', '2028-02-29T00:00:00Z'],
    ['29 February 2096 and four years: 2100 is none', 'date', '2096-02-29', '4 years', 'UTC', '2100-02-28T00:00:00Z'],
    ['29 February and 12 months', 'date', '2024-02-29', '12 months', 'UTC', '2025-02-28T00:00:00Z'],
    ['28 February and a year, into a leap year', 'date', '2027-02-28', '1 year', 'UTC', '2028-02-28T00:00:00Z'],
    ['31 January and a month', 'date', '2026-01-31', '1 month', 'UTC', '2026-02-28T00:00:00Z'],
    ['31 March and a month', 'date', '2026-03-31', '1 month', 'UTC', '2026-04-30T00:00:00Z'],
    ['31 December and 2 months', 'date', '2026-12-31', '2 months', 'UTC', '2027-02-28T00:00:00Z'],
    ['a day over the end of the year', 'date', '2026-12-31', '1 day', 'UTC', '2027-01-01T00:00:00Z'],
    ['30 days are not a month', 'date', '2027-01-31', '30 days', 'UTC', '2027-03-02T00:00:00Z'],
    // eight time zones: with 30 and 45 minutes, on both sides of the date line
    ['Paris', 'date', '2026-08-31', '6 months', 'Europe/Paris', '2027-02-27T23:00:00Z'],
    ['New York', 'date', '2026-08-31', '6 months', 'America/New_York', '2027-02-28T05:00:00Z'],
    ['Newfoundland, 3:30 behind', 'date', '2026-08-31', '6 months', 'America/St_Johns', '2027-02-28T03:30:00Z'],
    ['Kathmandu, 5:45 ahead', 'date', '2026-08-31', '6 months', 'Asia/Kathmandu', '2027-02-27T18:15:00Z'],
    ['Chatham, 13:45 ahead in its summer', 'date', '2026-08-31', '6 months', 'Pacific/Chatham', '2027-02-27T10:15:00Z'],
    [
      'Kiritimati, where the day begins',
      'date',
      '2026-08-31',
      '6 months',
      'Pacific/Kiritimati',
      '2027-02-27T10:00:00Z',
    ],
    ['Pago Pago, where it ends', 'date', '2026-08-31', '6 months', 'Pacific/Pago_Pago', '2027-02-28T11:00:00Z'],
    [
      'Lord Howe, half an hour of summer time',
      'date',
      '2026-08-31',
      '6 months',
      'Australia/Lord_Howe',
      '2027-02-27T13:00:00Z',
    ],
    ['Apia, on a day that was left out', 'date', '2011-06-30', '6 months', 'Pacific/Apia', '2011-12-30T10:00:00Z'],
    // both days of summer time
    ['the day on which summer time begins', 'date', '2026-09-28', '6 months', 'Europe/Paris', '2027-03-27T23:00:00Z'],
    ['the day after', 'date', '2026-09-29', '6 months', 'Europe/Paris', '2027-03-28T22:00:00Z'],
    ['the day on which it ends', 'date', '2026-04-25', '6 months', 'Europe/Paris', '2026-10-24T22:00:00Z'],
    ['the day after that', 'date', '2026-04-26', '6 months', 'Europe/Paris', '2026-10-25T23:00:00Z'],
    [
      'Havana, a midnight that does not exist',
      'date',
      '2026-09-14',
      '6 months',
      'America/Havana',
      '2027-03-14T05:00:00Z',
    ],
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
    // moments, with a zone and without
    [
      'a moment late in August, which is September there',
      'timestamptz',
      '2026-08-31T23:30:00Z',
      '6 months',
      'Europe/Paris',
      '2027-03-01T00:30:00Z',
    ],
    [
      'the same, by Los Angeles',
      'timestamptz',
      '2026-08-31T23:30:00Z',
      '6 months',
      'America/Los_Angeles',
      '2027-03-01T00:30:00Z',
    ],
    [
      'a wall clock in Kathmandu',
      'timestamp',
      '2026-08-31 18:00:01',
      '6 months',
      'Asia/Kathmandu',
      '2027-02-28T12:15:01Z',
    ],
    [
      'a wall clock in Paris, over summer time',
      'timestamp',
      '2026-09-28 12:00',
      '6 months',
      'Europe/Paris',
      '2027-03-28T10:00:00Z',
    ],
    // fiscal years
    ['the last day of a fiscal year', 'date', '2026-03-31', '10 years', 'Europe/Paris', '2036-03-31T22:00:00Z', april],
    ['its first', 'date', '2026-04-01', '10 years', 'Europe/Paris', '2037-03-31T22:00:00Z', april],
    ['a calendar year', 'date', '2026-12-31', '10 years', 'UTC', '2037-01-01T00:00:00Z', { endOfFiscalYear: 'a' }],
    [
      '29 February, in a year from March',
      'date',
      '2024-02-29',
      '1 year',
      'UTC',
      '2025-03-01T00:00:00Z',
      { endOfFiscalYear: 'a', startsOn: '03-01' },
    ],
    [
      'a moment that lies in the next year there',
      'timestamptz',
      '2026-12-31T23:30:00Z',
      '1 year',
      'Europe/Paris',
      '2028-12-31T23:00:00Z',
      { endOfFiscalYear: 'a' },
    ],
    [
      'a wall clock before midnight',
      'timestamp',
      '2026-12-31 23:59:59',
      '1 year',
      'Asia/Kolkata',
      '2027-12-31T18:30:00Z',
      { endOfFiscalYear: 'a' },
    ],
    [
      'the later of two, one being NULL',
      'date',
      '2026-08-31',
      '6 months',
      'UTC',
      '2027-02-28T00:00:00Z',
      { latestOf: ['a', 'b'] },
    ],
  ];
  for (const [title, type, anchor, keep, zone, due, from = 'a'] of cases) {
    it(`D2: ${title}: ${type} ${anchor} + ${keep} in ${zone} is ${due}`, async () => {
      const rule = ruleOver(type, from, keep, zone);
      const before = new Date(new Date(due).getTime() - 1000).toISOString();
      expect(await ask(rule, type, anchor, before), 'a second early').to.include({ exact: false });
      expect(await ask(rule, type, anchor, due), 'on time').to.deep.equal({ exact: true, prefilter: true });
      const wall = wallAt(new Date(due).getTime(), zone);
      expect(instantOf(wall, zone), 'the oracle knows the zone').to.equal(new Date(due).getTime());
    });
  }

  for (const from of ['a', april, { latestOf: ['a', 'b'] }] as Anchor[]) {
    it(`D2: never begins with NULL, never ends with infinity, and has always been with -infinity (${JSON.stringify(from)})`, async () => {
      for (const type of ['date', 'timestamp', 'timestamptz'] as const) {
        const rule = ruleOver(type, from, '6 months', 'Europe/Paris');
        expect(await ask(rule, type, null, '9999-01-01T00:00:00Z')).to.deep.equal({ prefilter: null, exact: null });
        expect(await ask(rule, type, 'infinity', '9999-01-01T00:00:00Z')).to.deep.equal({
          prefilter: false,
          exact: false,
        });
        expect(await ask(rule, type, '-infinity', '1970-01-01T00:00:00Z')).to.deep.equal({
          prefilter: true,
          exact: true,
        });
      }
    });
  }

  it('D2: is never later than promised and never early, to the second, whatever the day, the zone and the session', async function () {
    this.timeout(120_000);
    const zones = ['UTC', 'Europe/Paris', 'America/New_York', 'America/St_Johns', 'Asia/Kathmandu', 'Pacific/Chatham'];
    const far = [
      'Pacific/Apia',
      'Pacific/Kiritimati',
      'Pacific/Pago_Pago',
      'Australia/Lord_Howe',
      'America/Havana',
      'America/Sao_Paulo',
    ];
    const monthEnds = fc.tuple(
      fc.integer({ min: 1999, max: 2036 }),
      fc.integer({ min: 0, max: 11 }),
      fc.integer({ min: -3, max: 1 }),
    );
    const wall = fc.oneof(
      monthEnds.map(([year, month, day]) => Date.UTC(year, month + 1, day)),
      fc
        .integer({ min: Date.UTC(1999, 0, 1) / 1000, max: Date.UTC(2036, 11, 31) / 1000 })
        .map((seconds) => seconds * 1000),
    );
    const arbitrary = fc.record({
      wall,
      type: fc.constantFrom<Type>('date', 'timestamp', 'timestamptz'),
      zone: fc.constantFrom(...zones, ...far),
      session: fc.constantFrom('UTC', 'Asia/Tokyo', 'America/New_York'),
      keep: fc.constantFrom<Period>(
        '1 day',
        '14 days',
        '90 days',
        '8 weeks',
        '1 month',
        '6 months',
        '13 months',
        '1 year',
        '10 years',
      ),
      lead: fc.constantFrom<Period | undefined>(undefined, '1 day', '30 days', '1 month', '3 months'),
      startsOn: fc.constantFrom('01-01', '04-01', '07-31', '12-31', undefined),
    });
    let seen = 0;
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ wall: drawn, type, zone, session, keep, lead, startsOn }) => {
        // a wall clock of the zone: for a moment, one that is really shown there
        const instant = instantOf(drawn, zone);
        const local =
          type === 'timestamptz' ? wallAt(instant, zone) : type === 'date' ? drawn - (drawn % 86_400_000) : drawn;
        const written =
          type === 'timestamptz' ? new Date(instant).toISOString() : new Date(local).toISOString().slice(0, -1);
        const start = startsOn ? fiscalYearEnd(local, startsOn) : local;
        const ends = plus(start, parsePeriod(keep));
        const { months, days } = lead ? parsePeriod(lead) : { months: 0, days: 0 };
        const due = instantOf(plus(ends, { months: -months, days: -days }), zone);
        const from = (startsOn ? { endOfFiscalYear: 'a', startsOn } : 'a') as Anchor;
        const rule = ruleOver(type, from, keep, zone);
        await client.query(`set timezone = '${session}'`);
        const at = (moment: number): Promise<Verdict> =>
          ask(rule, type, type === 'date' ? written.slice(0, 10) : written, new Date(moment).toISOString(), lead);
        expect((await at(due - 1000)).exact, `a second before ${new Date(due).toISOString()}`).to.equal(false);
        expect(await at(due), `at ${new Date(due).toISOString()}`).to.deep.equal({ exact: true, prefilter: true });
        expect((await at(due - 40 * 86_400_000)).prefilter, 'and the range is a narrow one').to.equal(false);
        seen += 1;
      }),
      { numRuns: 600 },
    );
    await client.query('reset timezone');
    expect(seen).to.be.at.least(600);
  });
});
