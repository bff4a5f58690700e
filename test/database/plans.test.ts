import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import {
  AlreadyErasedError,
  annotate,
  ConfigurationError,
  PlanDriftError,
  type PlanFile,
  type Receipt,
} from '../../src';
import { moveClock, resetClock } from '../../src/testing';
import { runOubli, startOubli } from '../support/cli';
import { addCorrespondents, migrateCorrespondence } from '../support/correspondence';
import { addPeople, addPerson } from '../support/people';
import { refusalOf } from '../support/refusals';
import { everythingIn } from '../support/snapshot';
import { until } from '../support/waiting';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const RULE = 'subject:user';

describe('A1: a plan', () => {
  let world: World;
  let folder: string;
  beforeEach(async () => {
    world = await createWorld({ oubli: { sweeps: {} } });
    folder = mkdtempSync(path.join(tmpdir(), 'oubli-plan-'));
  });
  afterEach(async () => {
    await world.end();
    await rm(folder, { recursive: true });
  });

  const rowsOf = ({ plans: [plan] }: PlanFile): Record<string, number> =>
    Object.fromEntries((plan?.tables ?? []).map(({ table, action, rows }) => [`${action} ${table}`, rows]));

  it('says table by table what would be done, with the rows of this moment, and names nobody', async () => {
    const people = await addPeople(world.db, 3, '2020-01-01');
    await addPerson(world.db, 1);
    const plan = await world.plan({ rule: RULE });
    expect(plan.plans[0]).to.include({ rule: RULE, due: 3 });
    expect(rowsOf(plan)).to.deep.equal({
      'anonymise users': 3,
      'delete contracts': 3,
      'delete notes': 3,
      'delete visits': 6,
      'keep invoices': 6,
    });
    const text = JSON.stringify(plan);
    for (const { name, email } of people) expect(text).not.to.contain(name).and.not.to.contain(email);
    expect((await world.plan()).plans, 'every rule unless one is named').to.have.length(2);
  });

  it('of one person names her by her key id, and counts what is hers', async () => {
    const [ada] = await addPeople(world.db, 2, '2026-11-01');
    const plan = await world.subject('user', ada!.id).dryRun();
    const { key_id } = await world
      .plain('oubli.subject_link')
      .where({ subject_id: String(ada!.id) })
      .first();
    expect(plan.plans[0])
      .to.include({ kind: 'user', due: 1, keyId: key_id.toString('hex') })
      .and.not.have.property('id');
    expect(rowsOf(plan)).to.include({ 'delete visits': 2, 'keep invoices': 2 });
  });

  it('and a dry run leave every row, sequence, key and fence as it was, to the version of each row', async function () {
    this.timeout(60_000);
    await addPeople(world.db, 3, '2020-01-01');
    await world.plain.raw(`insert into users (email, service_ended_on) select oubli.tombstone(id, true, 'x'), '2020-01-01'
      from oubli.element where domain = 'oubli."users.email"'::regtype`);
    const before = await everythingIn(world.plain);
    expect(Object.keys(before)).to.include.members([
      'oubli.subject_key',
      'oubli.fence',
      'oubli.ledger',
      'users_id_seq',
    ]);
    expect((await world.sweep({ dryRun: true })).plans.map(({ due }) => due)).to.have.members([0, 4]);
    await world.plan();
    const { id } = await world.plain('users').orderBy('id', 'desc').first();
    await world.subject('user', id).dryRun();
    const said = await runOubli(['sweep', '--dry-run', '--keys', world.keyFile], { env: { DATABASE_URL: world.url } });
    expect(said).to.include({ code: 0 });
    expect(said.stdout).to.match(/subject:user: 4 due\n {2}users {6}anonymise {2}4 rows/);
    expect(await everythingIn(world.plain)).to.deep.equal(before);
  });

  it('is applied as it was planned: who is due since then stays for the next sweep', async () => {
    const first = await addPeople(world.db, 2, '2020-01-01');
    const later = await addPeople(world.db, 1, '2026-10-01', 300);
    const plan = await world.plan({ rule: RULE });
    await moveClock(world.plain, '5 months');
    await moveClock(world.plain, '6 days');
    const applied = await world.apply(JSON.parse(JSON.stringify(plan)));
    expect(applied).to.deep.include({ planned: 2, fewer: 0, report: applied[0]?.report });
    expect(applied[0]?.report).to.include({ gone: 2, stillDue: 0 });
    expect((await wholenessOf(world.plain)).untouched).to.equal(1);
    await resetClock(world.plain);
    await moveClock(world.plain, '6 months');
    const [report] = await world.sweep({ rule: RULE });
    expect(report?.gone, `${first.length} before, ${later.length} now`).to.equal(1);
  });

  it('may have lost somebody who returned or is held, and says so', async () => {
    const people = await addPeople(world.db, 4, '2020-01-01');
    const plan = await world.plan({ rule: RULE });
    await world.db('users').where({ id: people[0]!.id }).update({ service_ended_on: null });
    const [applied] = await world.apply(plan);
    expect(applied).to.include({ planned: 4, fewer: 1 });
    expect(await wholenessOf(world.plain)).to.include({ untouched: 1, erased: 3 });
  });

  it('that has drifted is refused with each difference, and nobody is touched', async () => {
    await addPeople(world.db, 2, '2020-01-01');
    const plan = await world.plan({ rule: RULE });
    const drift = async (changed: unknown = plan): Promise<string> => {
      const error = await refusalOf(() => world.apply(changed as PlanFile));
      expect(error).to.be.instanceOf(PlanDriftError).and.include({ code: 'PLAN_DRIFT' });
      return error.message;
    };
    await addPeople(world.db, 1, '2020-01-01', 700);
    expect(await drift()).to.contain('subject:user: 2 were planned, 3 are due');
    await world.plain.raw('alter table visits add column referrer text');
    expect(await drift()).to.contain('declarations, columns or foreign keys that it rests on have changed');
    await annotate(world.plain, 'visits', { columns: { referrer: { notPersonal: 'a host' } } });
    await world.plain.raw(`create table likes (visit_id int references visits on delete cascade)`);
    expect(await drift()).to.contain('likes delete was not planned');
    expect(await drift({ ...plan, instance: '00' })).to.contain('another database');
    expect(await drift({ ...plan, asOf: '2001-01-01T00:00:00.000000Z' })).to.contain('older than 7 days');
    expect(await drift({ ...plan, asOf: '2100-01-01T00:00:00.000000Z' })).to.contain('has not reached');
    expect(await drift({ ...plan, plans: [{ ...plan.plans[0], rule: 'rows:public.gone' }] })).to.contain(
      'no rule rows:public.gone',
    );
    expect(await wholenessOf(world.plain)).to.include({ untouched: 3, erased: 0 });
  });

  it('does not drift when PostgreSQL lists its tables in another order', async () => {
    await addPeople(world.db, 1, '2020-01-01');
    const plan = await world.plan({ rule: RULE });
    await world.plain.raw(`update pg_class set relacl = relacl where relname in ('users', 'contracts')`);
    await world.plain.raw('vacuum full visits');
    await world.plain.raw('analyze');
    expect((await world.apply(plan))[0]).to.include({ fewer: 0 });
  });

  it('A4: passes the breaker, because an operator has seen it', async () => {
    await addPeople(world.db, 12, '2020-01-01');
    expect(await refusalOf(() => world.sweep({ rule: RULE }))).to.include({ code: 'BREAKER' });
    const [applied] = await world.apply(await world.plan({ rule: RULE }));
    expect(applied?.report).to.include({ gone: 12, finished: true });
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 12, people: 12 });
  });

  it('of a person is applied once, with a reason, to her and to nobody else', async () => {
    const [ada, bob] = await addPeople(world.db, 2, '2026-11-01');
    const plan = await world.plan({ subject: { kind: 'user', id: String(ada!.id) } });
    expect(await refusalOf(() => world.apply(plan))).to.include({ code: 'NO_BECAUSE' });
    const because = 'request of 3 March';
    const other = { kind: 'user', id: String(bob!.id) };
    expect(await refusalOf(() => world.apply(plan, { because, subject: other }))).to.include({
      code: 'PLAN_OF_NOBODY',
    });
    const [applied] = await world.apply(plan, { because });
    expect(applied?.receipt).to.include({ kind: 'user', because, keyId: (plan.plans[0] as { keyId: string }).keyId });
    expect(await refusalOf(() => world.apply(plan, { because }))).to.be.instanceOf(AlreadyErasedError);
    expect(await wholenessOf(world.plain)).to.include({ untouched: 1, erased: 1 });
  });

  it('is a file of ours, or refused', async () => {
    const plan = await world.plan({ rule: RULE });
    for (const wrong of [
      null,
      7,
      {},
      { ...plan, format: 'oubli plan 2' },
      { ...plan, asOf: "now' or true" },
      { ...plan, plans: [{}] },
    ]) {
      const error = await refusalOf(() => world.apply(wrong as never));
      expect(error).to.be.instanceOf(ConfigurationError).and.include({ code: 'BAD_PLAN_FILE' });
    }
    const both = { rule: RULE, subject: { kind: 'user', id: '1' } };
    expect(await refusalOf(() => world.plan(both))).to.include({ code: 'TWO_TARGETS' });
    expect(await refusalOf(() => world.plan({ rule: 'subject:usr' }))).to.include({ code: 'UNKNOWN_RULE' });
    expect(await refusalOf(() => world.plan({ subject: { kind: 'usr', id: '1' } }))).to.include({
      code: 'UNKNOWN_KIND',
    });
  });

  it('is made, applied, killed with -9 half way and applied again from the command line', async function () {
    this.timeout(90_000);
    const emails = Array.from({ length: 250 }, (_, i) => ({
      email: `p${i}@example.org`,
      service_ended_on: '2020-01-01',
    }));
    const users = await world.db('users').insert(emails).returning('id');
    const ids = users.map(({ id }) => Number(id)).sort((a, b) => a - b);
    await world.db('visits').insert({ user_id: ids.at(-1), ip: '203.0.113.7' });
    const env = { DATABASE_URL: world.url };
    const file = path.join(folder, 'plan.json');
    const planned = await runOubli(['plan', '--rule', RULE, '--out', file, '--keys', world.keyFile], { env });
    expect(planned, planned.stderr).to.include({ code: 0 });
    expect(planned.stdout).to.contain('subject:user: 250 due').and.contain(`npx oubli apply ${file}`);
    const again = await runOubli(['plan', '--out', file, '--keys', world.keyFile], { env });
    expect(again.code, 'a file that exists is not overwritten').not.to.equal(0);
    const held = await world.plain.transaction();
    await held('visits').forUpdate();
    const applying = startOubli(['apply', file, '--keys', world.keyFile], { env });
    await until('a first chunk', async () => (await receiptsPerPerson(world.plain)).entries >= 100, 60);
    await applying.kill();
    await held.rollback();
    const { entries } = await receiptsPerPerson(world.plain);
    expect(entries).to.be.within(100, 249);
    const resumed = await runOubli(['apply', file, '--keys', world.keyFile], { env });
    expect(resumed.stdout)
      .to.contain(`subject:user: ${250 - entries} gone`)
      .and.contain(`${entries} fewer than planned`);
    expect(await receiptsPerPerson(world.plain)).to.deep.equal({ entries: 250, people: 250 });
  });

  it('of a person is applied from the command line, which says what is missing', async function () {
    this.timeout(90_000);
    const ada = await addPerson(world.db, 1);
    const env = { DATABASE_URL: world.url };
    const file = path.join(folder, 'ada.json');
    const keys = ['--keys', world.keyFile];
    const misnamed = await runOubli(['plan', '--subject', 'user', ...keys], { env });
    expect(misnamed.stderr).to.contain('npx oubli plan --subject user:42');
    await runOubli(['plan', '--subject', `user:${ada.id}`, '--out', file, ...keys], { env });
    expect(JSON.parse(readFileSync(file, 'utf8')).plans[0]).to.include({ kind: 'user', due: 1 });
    expect((await runOubli(['apply', file, ...keys], { env })).stderr).to.contain('needs a reason');
    const applied = await runOubli(['apply', file, '--because', 'her letter', ...keys], { env });
    expect(applied.stdout).to.match(/^a user is erased: entry \d+ of the ledger, key [0-9a-f]{32}\n$/);
    writeFileSync(file, 'no plan');
    expect((await runOubli(['apply', file, ...keys], { env })).stderr).to.contain('no plan that this version can read');
  });
});

describe('A1: the figures of a dry run', () => {
  const ACTIONS = {
    delete: 'removed',
    anonymise: 'anonymised',
    detach: 'detached',
    keep: 'kept',
    archive: 'archived',
  } as const;
  const planned = ({ plans: [plan] }: PlanFile): string[] =>
    (plan?.tables ?? [])
      .filter(({ rows }) => rows > 0)
      .map(({ table, action, rows }) => `${ACTIONS[action]} ${table} ${rows}`);
  const done = (receipt: Receipt): string[] =>
    (['removed', 'anonymised', 'detached', 'kept'] as const).flatMap((what) =>
      receipt[what].map(({ table, rows }) => `${what} ${table} ${rows}`),
    );

  it('are those of the receipt', async () => {
    const world = await createWorld();
    try {
      const [ada] = await addPeople(world.db, 2, '2026-11-01');
      const subject = world.subject('user', ada!.id);
      const before = planned(await subject.dryRun());
      expect(before).to.have.length(5);
      expect(done(await subject.erase({ because: 'a test' }))).to.have.members(before);
    } finally {
      await world.end();
    }
  });

  it("are those of the receipt where rows are several people's", async () => {
    const world = await createWorld({ migrate: migrateCorrespondence });
    try {
      await addCorrespondents(world.db);
      const message = (id: number, sender_id: number, recipient_id: number): object => ({
        id,
        sender_id,
        recipient_id,
        body: `body ${id}`,
        reply: `reply ${id}`,
      });
      await world.db('messages').insert([message(1, 1, 2), message(2, 1, 3), message(3, 1, 1), message(4, 2, 3)]);
      const subject = world.subject('user', 1);
      const everything = await everythingIn(world.plain);
      const before = planned(await subject.dryRun());
      expect(await everythingIn(world.plain)).to.deep.equal(everything);
      expect(before.filter((line) => line.includes('messages')).length).to.be.greaterThan(1);
      expect(done(await subject.erase({ because: 'a test' }))).to.have.members(before);
    } finally {
      await world.end();
    }
  });
});
