/** Every way in which a rule's clock can start (ERASURE.md D3), against real rows: what is stored, what leaves, and by which index. */
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { Client } from 'pg';
import {
  AlreadyErasedError,
  AnnotationError,
  annotate,
  ConfigurationError,
  install,
  localKeys,
  oubli,
  SCHEMA_VERSION,
  SubjectUnknownError,
} from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { DueRows } from '../../src/lifecycle/due-rows';
import { type Rule, rulesOf } from '../../src/lifecycle/rule';
import { stopClock } from '../../src/testing';
import { refusalOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

async function migrateAnchors(knex: Knex): Promise<void> {
  await install(knex, { version: SCHEMA_VERSION });
  const timeZone = 'Europe/Paris';
  const serve = { purpose: 'serve', basis: 'contract' } as const;
  const name = { category: 'identity.name', protect: 'encrypt' } as const;
  await knex.raw(`
    create table members (id serial primary key, name text);
    create table orders (id serial primary key, total numeric);
    create table accounts (id uuid primary key, name text, last_login_on date, last_order_on date);
    create table bills (id serial primary key, member_id integer references members, address text, issued_on date);
    create index on bills (member_id);
    create table claims (id serial primary key, member_id integer references members, address text);
    create index on claims (member_id);
    create table letters (id serial primary key, member_id integer references members, body text);
    create index on letters (member_id);
    create table reviews (a integer, b text, member_id integer references members, body text,
      order_id integer references orders on delete set null, primary key (a, b));
    create index on reviews (member_id); create index on reviews (order_id)`);
  await annotate(knex, 'orders', { columns: { total: { notPersonal: 'an amount' } } });
  await annotate(knex, 'members', {
    subject: {
      kind: 'member',
      ...serve,
      retention: { from: { event: 'last_activity' }, keep: '1 year', then: 'erase', timeZone },
    },
    columns: { name },
  });
  await annotate(knex, 'accounts', {
    subject: {
      kind: 'account',
      ...serve,
      retention: { from: { latestOf: ['last_login_on', 'last_order_on'] }, keep: '2 years', then: 'erase' },
    },
    columns: { name, last_login_on: { notPersonal: 'a date' }, last_order_on: { notPersonal: 'a date' } },
  });
  await annotate(knex, 'bills', {
    data: {
      purpose: 'invoicing',
      basis: 'legal_obligation',
      retention: {
        from: { endOfFiscalYear: 'issued_on', startsOn: '04-01' },
        keep: '10 years',
        then: 'delete',
        because: 'Code de commerce L123-22',
        timeZone,
      },
    },
    columns: {
      address: { category: 'contact.address', protect: 'encrypt' },
      issued_on: { notPersonal: 'the fiscal date' },
    },
  });
  await annotate(knex, 'claims', {
    data: {
      purpose: 'defend claims',
      basis: 'legitimate_interests',
      onErase: 'keep',
      retention: {
        from: { event: 'service_ended' },
        keep: '5 years',
        then: 'delete',
        because: 'Code civil 2224',
        timeZone,
      },
    },
    columns: { address: { category: 'contact.address', protect: 'encrypt' } },
  });
  await annotate(knex, 'letters', {
    data: {
      purpose: 'newsletter',
      basis: 'consent',
      retention: { from: { event: 'consent_ended', purpose: 'newsletter' }, keep: '30 days', then: 'delete', timeZone },
    },
    columns: { body: { category: 'activity.content', protect: 'encrypt' } },
  });
  await annotate(knex, 'reviews', {
    data: { ...serve, retention: { from: { deletionOf: 'order_id' }, keep: '3 months', then: 'delete', timeZone } },
    columns: { body: { category: 'activity.content', protect: 'encrypt' } },
  });
}

describe('D3: the clock of a rule starts', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateAnchors });
  });
  after(async () => {
    for (const client of clients) await client.end();
    await world.end();
  });
  beforeEach(() => stopClock(world.plain, '2026-08-31T12:00:00Z'));

  const addMember = async (name = 'Ada'): Promise<number> =>
    (await world.db('members').insert({ name }).returning('id'))[0].id;
  const stored = async (event: string, id: number): Promise<string | undefined> =>
    (
      await world.plain.raw(
        'select happened_on::text as day from oubli.person_event where event = ? and subject_id = ?',
        [event, String(id)],
      )
    ).rows[0]?.day;
  const ids = async (table: string): Promise<unknown[]> =>
    world
      .plain(table)
      .orderBy(1 as never)
      .pluck('id');

  describe('at the last activity', () => {
    it('D3: which only ever moves forward, and starts a new year each time', async () => {
      const ada = await addMember();
      const her = world.subject('member', ada);
      await her.active({ on: '2026-08-01' });
      await her.active({ on: '2026-07-01' });
      expect(await stored('last_activity', ada)).to.equal('2026-08-01');
      await her.active();
      expect(await stored('last_activity', ada)).to.equal('2026-08-31');
      await stopClock(world.plain, '2027-08-30T21:59:59Z');
      await world.sweep();
      const name = async (): Promise<unknown> => (await world.db('members').where({ id: ada }).first()).name;
      expect(await name()).to.equal('Ada');
      await stopClock(world.plain, '2027-08-30T22:00:00Z'); // midnight in Paris
      await world.sweep();
      expect(await name()).to.equal(null);
      expect(await stored('last_activity', ada), 'nothing of hers stays behind').to.equal(undefined);
    });

    it('D3: with the commit, or not at all', async () => {
      const ada = await addMember();
      const trx = await world.db.transaction();
      await world.subject('member', ada).active({ trx });
      await trx.rollback();
      expect(await stored('last_activity', ada)).to.equal(undefined);
    });

    it('D3: and not on a day to come, nor of somebody unknown', async () => {
      const ada = await addMember();
      const later = await refusalOf(() => world.subject('member', ada).active({ on: '2026-09-01' }));
      expect(later).to.be.instanceOf(ConfigurationError).and.include({ code: 'ACTIVE_LATER' });
      expect(await stored('last_activity', ada)).to.equal(undefined);
      expect(await refusalOf(() => world.subject('member', 999_999).active())).to.be.instanceOf(SubjectUnknownError);
      const account = await refusalOf(() => world.subject('account', crypto.randomUUID()).active());
      expect(account).to.include({ code: 'NO_CLOCK' });
      expect(account.message).to.contain('accounts.last_login_on');
    });
  });

  it('A8: not of somebody who was erased, whatever is said of her', async () => {
    const [ada, bob] = [await addMember(), await addMember('Bob')];
    await world.db('claims').insert({ member_id: bob, address: 'here' });
    for (const id of [ada, bob]) await world.subject('member', id).erase({ because: 'a letter' });
    const kept = await world.plain('oubli.person_event');
    for (const id of [ada, bob]) {
      const her = world.subject('member', id);
      const calls = [() => her.active(), () => her.serviceEnded(), () => her.consentEnded({ purpose: 'newsletter' })];
      for (const call of calls) expect(await refusalOf(call)).to.be.instanceOf(AlreadyErasedError);
    }
    expect(await world.plain('oubli.person_event')).to.deep.equal(kept);
    await world.plain('claims').delete();
  });

  it('D3: at the latest of several dates; NULL is none of them, infinity is always the latest', async () => {
    const add = async (login: string | null, order: string | null): Promise<string> =>
      (
        await world
          .db('accounts')
          .insert({ id: crypto.randomUUID(), name: 'Bob', last_login_on: login, last_order_on: order })
          .returning('id')
      )[0].id;
    const both = await add('2026-01-31', '2026-05-31');
    const one = await add(null, '2026-05-30');
    const never = [await add(null, null), await add('infinity', '2020-01-01'), await add('2020-01-01', '2026-06-01')];
    await stopClock(world.plain, '2028-05-30T00:00:00Z');
    await world.sweep();
    expect(await ids('accounts'))
      .to.have.members([both, ...never])
      .and.not.to.include(one);
    await stopClock(world.plain, '2028-05-31T00:00:00Z');
    await world.sweep();
    expect(await ids('accounts')).to.have.members(never);
    const first = await add('-infinity', null);
    await world.sweep();
    expect(await ids('accounts'), 'before all time').not.to.include(first);
  });

  describe('at the end of the fiscal year', () => {
    it('D3: of a year that begins in April, in the hour in which it ends in Paris', async () => {
      const ada = await addMember();
      const days = ['2026-03-31', '2026-04-01', '2027-03-31', '2027-04-01', 'infinity', null];
      const rows = await world
        .db('bills')
        .insert(days.map((issued_on) => ({ member_id: ada, address: 'here', issued_on })))
        .returning('id');
      const [last, first, end, next, ...never] = rows.map(({ id }) => id);
      const left = async (now: string): Promise<unknown[]> => {
        await stopClock(world.plain, now);
        await world.sweep();
        return ids('bills');
      };
      expect(await left('2036-03-31T21:59:59Z')).to.have.members([last, first, end, next, ...never]);
      expect(await left('2036-03-31T22:00:00Z')).to.have.members([first, end, next, ...never]);
      expect(await left('2037-03-31T21:59:59Z')).to.have.members([first, end, next, ...never]);
      expect(await left('2037-03-31T22:00:00Z')).to.have.members([next, ...never]);
      expect(await left('2038-04-01T00:00:00Z')).to.have.members(never);
    });
  });

  describe('at the end of a consent', () => {
    it('D3: of that purpose, and stops when it is given again', async () => {
      const [ada, bob] = [await addMember(), await addMember('Bob')];
      for (const member_id of [ada, bob]) await world.db('letters').insert({ member_id, body: 'hello' });
      await world.subject('member', ada).consentEnded({ purpose: 'newsletter' });
      await world.subject('member', bob).consentEnded({ purpose: 'newsletter', on: '2026-08-20' });
      await world.subject('member', bob).consentGiven({ purpose: 'newsletter' });
      const whose = async (): Promise<unknown[]> => world.plain('letters').pluck('member_id');
      await stopClock(world.plain, '2026-09-29T21:59:59Z');
      await world.sweep();
      expect(await whose()).to.have.members([ada, bob]);
      await stopClock(world.plain, '2026-09-29T22:00:00Z');
      await world.sweep();
      expect(await whose()).to.have.members([bob]);
      expect(await ids('members'), 'she herself stays').to.include(ada);
    });

    it('D3: of a purpose that a rule knows', async () => {
      const ada = await addMember();
      const error = await refusalOf(() => world.subject('member', ada).consentEnded({ purpose: 'newsleter' }));
      expect(error).to.be.instanceOf(ConfigurationError).and.include({ code: 'NO_CLOCK' });
      expect(error.fix).to.equal("await subject('member', id).consentEnded({ purpose: 'newsletter' })");
    });

    it('A2: a consent given again, and committed, wins over a sweep that has chosen the rows', async () => {
      const ada = await addMember();
      await world.db('letters').insert({ member_id: ada, body: 'hello' });
      await world.subject('member', ada).consentEnded({ purpose: 'newsletter' });
      await stopClock(world.plain, '2027-01-01T00:00:00Z');
      const trx = await world.db.transaction();
      await world.subject('member', ada).consentGiven({ purpose: 'newsletter', trx });
      const catalogue = await loadCatalogue(await connection());
      const [rule] = rulesOf(catalogue).filter(({ name }) => name === 'rows:public.letters');
      const sweeper = await connection();
      await sweeper.query('begin');
      const due = new DueRows(
        rule as Rule,
        {
          root: rule!.table,
          rootColumn: 'id',
          kind: undefined,
          steps: [],
          reviews: [],
        },
        catalogue,
      );
      expect(await due.choose(sweeper, 10), 'while it is being said').to.deep.equal([]);
      await trx.commit();
      expect(await due.choose(sweeper, 10), 'when it was said').to.deep.equal([]);
      await sweeper.query('rollback');
      await world.sweep();
      expect(await world.plain('letters').where({ member_id: ada })).to.have.length(1);
    });

    it('A2: and a sweep that has locked them makes the consent wait, until they are gone', async () => {
      const ada = await addMember();
      await world.db('letters').insert({ member_id: ada, body: 'hello' });
      await world.subject('member', ada).consentEnded({ purpose: 'newsletter' });
      await stopClock(world.plain, '2027-01-01T00:00:00Z');
      const catalogue = await loadCatalogue(await connection());
      const [rule] = rulesOf(catalogue).filter(({ name }) => name === 'rows:public.letters');
      const sweeper = await connection();
      await sweeper.query('begin');
      const due = new DueRows(
        rule as Rule,
        {
          root: rule!.table,
          rootColumn: 'id',
          kind: undefined,
          steps: [],
          reviews: [],
        },
        catalogue,
      );
      const chosen = await due.choose(sweeper, 10);
      expect(chosen).to.have.length(1);
      const given = world.subject('member', ada).consentGiven({ purpose: 'newsletter' });
      await untilSomebodyWaits(world.plain);
      await sweeper.query('delete from letters where id = $1', [chosen[0]]);
      await sweeper.query('commit');
      await given;
      expect(await world.plain('letters').where({ member_id: ada })).to.have.length(0);
      expect(await stored('consent_ended', ada)).to.equal(undefined);
    });
  });

  describe('at the deletion of a parent', () => {
    let ada: number;
    let order: number;
    let next = 0;
    beforeEach(async () => {
      ada = await addMember();
      order = (await world.plain('orders').insert({ total: 1 }).returning('id'))[0].id;
    });
    const review = async (): Promise<{ a: number; b: string }> => {
      const key = { a: ++next, b: `it's ${next}` };
      await world.db('reviews').insert({ ...key, member_id: ada, body: 'good', order_id: order });
      return key;
    };
    const clock = async ({ a, b }: { a: number; b: string }): Promise<string | undefined> =>
      (
        await world.plain.raw(
          'select deleted_on::text as day from oubli.parent_deletion where row_key = array[?, ?]::text[]',
          [String(a), b],
        )
      ).rows[0]?.day;

    it('D3: on the day in the zone of the rule on which ON DELETE SET NULL emptied the reference', async () => {
      const mine = await review();
      expect(await clock(mine)).to.equal(undefined);
      await stopClock(world.plain, '2026-08-31T22:30:00Z'); // September in Paris
      await world.plain('orders').where({ id: order }).delete();
      expect(await clock(mine)).to.equal('2026-09-01');
      await stopClock(world.plain, '2026-11-30T22:59:59Z');
      await world.sweep();
      expect(await world.plain('reviews').where(mine)).to.have.length(1);
      await stopClock(world.plain, '2026-11-30T23:00:00Z');
      await world.sweep();
      expect(await world.plain('reviews').where(mine)).to.have.length(0);
      expect(await clock(mine), 'a key that is used again has no old clock').to.equal(undefined);
    });

    it('D3: also where the reference was emptied first; but not where the parent lives on', async () => {
      const [one, other] = [await review(), await review()];
      await world.plain('reviews').where(one).update({ order_id: null });
      expect(await clock(one), 'the order is still there').to.equal(undefined);
      await world.plain.transaction(async (trx) => {
        await trx('reviews').where(other).update({ order_id: null });
        await trx('orders').where({ id: order }).delete();
      });
      expect(await clock(other)).to.equal('2026-08-31');
    });

    it('D3: and stops when the row is given another parent; it follows the row’s key', async () => {
      const mine = await review();
      await world.plain('orders').where({ id: order }).delete();
      const renamed = { a: ++next, b: 'renamed' };
      await world.plain('reviews').where(mine).update(renamed);
      expect([await clock(mine), await clock(renamed)]).to.deep.equal([undefined, '2026-08-31']);
      const another = (await world.plain('orders').insert({ total: 1 }).returning('id'))[0].id;
      await world.plain('reviews').where(renamed).update({ order_id: another });
      expect(await clock(renamed)).to.equal(undefined);
    });

    it('D3: anew, where keys are used again after the rows have left, by TRUNCATE too', async () => {
      const mine = await review();
      await world.plain('orders').where({ id: order }).delete();
      expect(await clock(mine)).to.equal('2026-08-31');
      await world.plain.raw('truncate reviews');
      expect(await clock(mine)).to.equal(undefined);
    });

    it('D3: not at all when the deletion is rolled back', async () => {
      const mine = await review();
      const trx = await world.plain.transaction();
      await trx('orders').where({ id: order }).delete();
      await trx.rollback();
      expect(await clock(mine)).to.equal(undefined);
    });
  });

  it('D3: of rows that outlive an erasure, at the erasure, when the service had not ended before', async () => {
    const [ada, bob] = [await addMember(), await addMember('Bob')];
    for (const member_id of [ada, bob]) await world.db('claims').insert({ member_id, address: 'there' });
    await world.subject('member', bob).serviceEnded({ on: '2026-01-31' });
    const kept = async (id: number): Promise<string | undefined> => {
      const receipt = await world.subject('member', id).erase({ because: 'a test' });
      return receipt.kept.find(({ table }) => table === 'claims')?.until;
    };
    expect([await kept(ada), await kept(bob)]).to.deep.equal(['2031-08-31', '2031-01-31']);
    const whose = async (): Promise<unknown[]> => world.plain('claims').pluck('member_id');
    await stopClock(world.plain, '2031-08-30T21:59:59Z');
    await world.sweep();
    expect(await whose()).to.deep.equal([ada]);
    await stopClock(world.plain, '2031-08-30T22:00:00Z');
    await world.sweep();
    expect(await whose()).to.deep.equal([]);
  });

  it('D3: stops when she comes back, and nobody who was erased does', async () => {
    const ada = await addMember();
    await world.db('claims').insert({ member_id: ada, address: 'there' });
    await world.subject('member', ada).serviceEnded({ on: '2020-01-01' });
    await world.subject('member', ada).reactivated();
    expect(await stored('service_ended', ada)).to.equal(undefined);
    expect(await stored('last_activity', ada), 'to come back is to be active').to.equal('2026-08-31');
    await world.subject('member', ada).erase({ because: 'a test' });
    expect(await refusalOf(() => world.subject('member', ada).reactivated())).to.be.instanceOf(AlreadyErasedError);
    const bob = await addMember('Bob');
    await world.subject('member', bob).erase({ because: 'a test' });
    expect(await refusalOf(() => world.subject('member', bob).reactivated()), 'gone altogether').to.be.instanceOf(
      AlreadyErasedError,
    );
    expect(await refusalOf(() => world.subject('member', 999_999).reactivated())).to.be.instanceOf(SubjectUnknownError);
    const account = await refusalOf(() => world.subject('account', crypto.randomUUID()).reactivated());
    expect(account).to.include({ code: 'NO_RETURN' });
  });

  describe('and is found by an index among many', () => {
    before(async function () {
      this.timeout(90_000);
      await world.plain.raw(`
        insert into members (id) select n from generate_series(100001, 120000) n;
        insert into accounts (id, last_login_on, last_order_on)
          select gen_random_uuid(), date '2020-01-01' + n % 4000, date '2019-01-01' + n % 4000 from generate_series(1, 20000) n;
        insert into letters (member_id) select n from generate_series(100001, 120000) n;
        insert into claims (member_id) select n from generate_series(100001, 120000) n;
        insert into bills (member_id, issued_on) select 100000 + n, date '2010-01-01' + n % 8000 from generate_series(1, 20000) n;
        insert into reviews (a, b, member_id) select n, 'x', n from generate_series(100001, 120000) n;
        insert into oubli.parent_deletion select 'reviews'::regclass, array[n::text, 'x'], date '2010-01-01' + n % 8000
          from generate_series(100001, 120000) n where n % 10 = 0;
        insert into oubli.person_event (kind, event, purpose, subject_id, happened_on)
          select 'member', event, purpose, n::text, date '2010-01-01' + n % 8000
          from generate_series(100001, 120000) n, (values ('last_activity', ''), ('service_ended', ''), ('consent_ended', 'newsletter')) e(event, purpose);
        analyze members, accounts, letters, claims, bills, reviews, oubli.parent_deletion, oubli.person_event`);
    });

    const found: Record<string, [from: string, cond: RegExp]> = {
      'subject:member': ['members', /Index Cond: \(\(kind = 'member'.*happened_on <= /],
      'subject:account': ['accounts', /Index Cond: \(GREATEST\(last_login_on, last_order_on\) <= /],
      'rows:public.letters': ['letters', /Index Cond: \(\(kind = 'member'.*purpose = 'newsletter'.*happened_on <= /],
      'rows:public.claims': ['claims', /Index Cond: \(\(kind = 'member'.*service_ended.*happened_on <= /],
      'rows:public.bills': ['bills', /Index Cond: \(issued_on < /],
      'rows:public.reviews': ['reviews', /Index Cond: \(\(\(?rel\)?(::oid)? = .*deleted_on <= /],
    };
    for (const [name, [table, cond]] of Object.entries(found)) {
      it(`D3: ${name}`, async () => {
        await stopClock(world.plain, name === 'subject:account' ? '2022-01-20T00:00:00Z' : '2011-01-20T00:00:00Z');
        if (name === 'rows:public.bills') await stopClock(world.plain, '2021-05-01T00:00:00Z');
        if (name === 'rows:public.claims') await stopClock(world.plain, '2015-01-20T00:00:00Z');
        const client = await connection();
        const rule = rulesOf(await loadCatalogue(client)).find((each) => each.name === name) as Rule;
        let plan = '';
        const catalogue = await loadCatalogue(await connection());
        const explaining = {
          query: async (sql: string, params: unknown[] = []) => {
            plan = (await client.query(`explain ${sql}`, params)).rows.map((row) => row['QUERY PLAN']).join('\n');
            return { rows: [] };
          },
        };
        const rootColumn = name === 'rows:public.reviews' ? 'ctid' : 'id';
        await new DueRows(
          rule,
          { root: rule.table, rootColumn, kind: rule.kind, steps: [], reviews: [] },
          catalogue,
        ).choose(explaining, 500);
        expect(plan, plan).to.match(cond);
        expect(plan, plan).not.to.match(new RegExp(`Seq Scan on (${table}|person_event|parent_deletion)`));
      });
    }
  });

  const clients: Client[] = [];
  async function connection(): Promise<Client> {
    const client = new Client({ connectionString: world.url });
    await client.connect();
    clients.push(client);
    return client;
  }
});

describe('D3: a declaration that cannot start its clock', () => {
  let world: World;
  before(async () => {
    world = await createWorld({ migrate: migrateAnchors });
  });
  after(() => world.end());

  /** What a process says that starts after the declaration. */
  async function atStart(retention: object, table = 'bills'): Promise<AnnotationError> {
    const trx = await world.plain.transaction();
    try {
      const before = (await trx.raw('select spec from oubli.personal_table where rel = ?::regclass', [table])).rows[0]
        .spec;
      await trx.raw('update oubli.personal_table set spec = ?::jsonb where rel = ?::regclass', [
        JSON.stringify({ ...before, retention: { ...before.retention, ...retention } }),
        table,
      ]);
      await trx.commit();
      const error = await refusalOf(() => oubli(freshKnex(), { keys: localKeys({ file: world.keyFile }) }));
      await world.plain.raw('update oubli.personal_table set spec = ?::jsonb where rel = ?::regclass', [
        JSON.stringify(before),
        table,
      ]);
      return error;
    } finally {
      for (const knex of opened.splice(0)) await knex.destroy();
    }
  }
  const opened: Knex[] = [];
  const freshKnex = (): Knex => {
    const knex = knexPackage({ client: 'pg', connection: world.url, pool: { min: 0, max: 1 } });
    opened.push(knex);
    return knex;
  };

  it('D3: is refused at start, with the correction', async () => {
    const cases: [object, string, RegExp][] = [
      [{ from: { endOfFiscalYear: 'address' } }, 'UNKNOWN_ANCHOR', /issued_on/],
      [{ from: { latestOf: ['issued_on', 'id'] } }, 'UNKNOWN_ANCHOR', /issued_on/],
      [{ from: { deletionOf: 'member_id' } }, 'PARENT_NOT_FORGOTTEN', /onDelete\('SET NULL'\).*bills/],
      [{ from: { deletionOf: 'nothing' } }, 'PARENT_NOT_FORGOTTEN', /onDelete\('SET NULL'\)/],
    ];
    for (const [retention, code, fix] of cases) {
      const error = await atStart(retention);
      expect(error, JSON.stringify(retention)).to.be.instanceOf(AnnotationError).and.include({ code });
      expect(error.fix).to.match(fix);
    }
    await world.plain.raw('alter table bills add paid_at timestamptz');
    const mixed = await atStart({ from: { latestOf: ['issued_on', 'paid_at'] } });
    expect(mixed).to.include({ code: 'MIXED_ANCHORS' });
    expect(mixed.fix).to.match(/alter column "paid_at" type date/);
  });

  it('D3: of a column that is renamed starts from it still, and leaves no trigger behind when it is given up', async () => {
    await world.plain.raw(`select oubli.rename_column('reviews'::regclass, 'order_id', 'bought_id');
      select oubli.rename_column('bills'::regclass, 'issued_on', 'dated');
      select oubli.rename_column('accounts'::regclass, 'last_login_on', 'seen_on')`);
    const { rows } = await world.plain.raw(
      `select rel::text, spec #> '{retention,from}' as "from" from oubli.personal_table order by 1`,
    );
    expect(rows).to.deep.include({ rel: 'reviews', from: { deletionOf: 'bought_id' } });
    expect(rows).to.deep.include({ rel: 'bills', from: { endOfFiscalYear: 'dated', startsOn: '04-01' } });
    expect(rows).to.deep.include({ rel: 'accounts', from: { latestOf: ['seen_on', 'last_order_on'] } });
    const triggers = async (): Promise<number> =>
      (
        await world.plain.raw(
          `select from pg_trigger where tgrelid = 'reviews'::regclass and tgname ~ '^oubli_(parent|row)'`,
        )
      ).rows.length;
    await world.plain.raw(
      `alter table reviews rename order_id to bought_id; update oubli.personal_table set spec = spec where rel = 'reviews'::regclass`,
    );
    expect(await triggers()).to.equal(4);
    await world.plain.raw(
      `update oubli.personal_table set spec = spec #- '{retention}' where rel = 'reviews'::regclass`,
    );
    expect(await triggers()).to.equal(0);
  });

  it('D3: that is gone with its table takes what was recorded with it: another table may have the same numbers', async () => {
    const copy = await createWorld({ migrate: migrateAnchors });
    try {
      await copy.db('accounts').insert({ id: crypto.randomUUID(), name: 'Bob' });
      const [{ id }] = await copy.db('members').insert({ name: 'Ada' }).returning('id');
      await copy.subject('member', id).active();
      await copy.plain.raw('drop table reviews, letters, claims, bills, members; select oubli.sweep_catalogue()');
      expect(await copy.plain('oubli.person_event')).to.deep.equal([]);
    } finally {
      await copy.end();
    }
  });
});
