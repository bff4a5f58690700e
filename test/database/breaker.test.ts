import { expect } from 'chai';
import { Client } from 'pg';
import { type Alarm, BreakerError, type SweepReport } from '../../src';
import { loadCatalogue } from '../../src/catalogue/load';
import { totalOf } from '../../src/lifecycle/census';
import { rulesNamed } from '../../src/lifecycle/rule';
import type { Queryable } from '../../src/queryable';
import { addPeople } from '../support/people';
import { failureOfSweep, refusalOf } from '../support/refusals';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const BY_DEFAULT = {};

describe('A4: a run that would touch too many', () => {
  let world: World;
  let alarms: Alarm[];
  beforeEach(async () => {
    alarms = [];
    world = await createWorld({ oubli: { sweeps: { onAlarm: (alarm) => alarms.push(alarm) } } });
  });
  afterEach(() => world.end());

  const state = async (rule: string): Promise<Record<string, unknown>> =>
    world.plain('oubli.sweep_state').where({ rule }).first();

  it('is stopped when a bug sets all dates to 2000-01-01: nobody is touched, and the alarm is raised', async () => {
    await addPeople(world.db, 12, '2026-11-01');
    await world.db('users').update({ service_ended_on: '2000-01-01' });
    const error = await failureOfSweep(() => world.sweep({ breaker: BY_DEFAULT }));
    expect(error).to.be.instanceOf(BreakerError).and.include({ code: 'BREAKER', counted: 11 });
    expect(await wholenessOf(world.plain)).to.deep.equal({ untouched: 12, erased: 0, between: [] });
    expect(await world.plain('oubli.ledger')).to.have.length(0);
    expect(alarms).to.deep.equal([{ what: 'breaker', rule: 'subject:user', count: 11 }]);
    expect(await state('subject:user')).to.include({
      last_failure: 'BREAKER',
      alarm: 'breaker',
      last_success_at: null,
    });
  });

  it('is one of rows as well; the other rules go on', async () => {
    await addPeople(world.db, 6, '2020-01-01');
    await world.plain('invoices').update({ issued_on: '2000-01-01' });
    const error = await failureOfSweep(() => world.sweep({ breaker: BY_DEFAULT }));
    expect(error).to.include({ code: 'BREAKER', counted: 11 });
    expect(await world.plain('invoices')).to.have.length(12);
    expect((await receiptsPerPerson(world.plain)).entries, 'six people are a handful').to.equal(6);
    expect(await state('rows:public.invoices')).to.include({ alarm: 'breaker' });
    expect(await state('subject:user')).to.include({ last_failure: null, gone: '6' });
  });

  it('passes where the call says so, and the share is of those who live', async () => {
    const people = await addPeople(world.db, 12, '2020-01-01');
    await addPeople(world.db, 4, '2026-11-01', 500);
    const rule = 'subject:user';
    const refused = await refusalOf(() => world.sweep({ rule, breaker: { people: 0.7, floor: 1 } }));
    expect(refused).to.include({ counted: 12 });
    const [report] = (await world.sweep({ rule, breaker: { rules: { [rule]: 0.75 } } })) as [SweepReport];
    expect(report).to.include({ gone: people.length, stillDue: 0 });
    await world.db('users').where('id', '>', people.at(-1)!.id).limit(3).update({ service_ended_on: '2020-01-01' });
    const after = await refusalOf(() => world.sweep({ rule, breaker: { people: 0.2, floor: 0 } }));
    expect(after, 'three of four, not of sixteen').to.include({ code: 'BREAKER', counted: 1 });
  });

  it('is measured without counting a large table', async () => {
    await world.plain.raw(`insert into users (email, service_ended_on) select oubli.tombstone(e.id, true, n::text), '2026-11-01'
      from oubli.element e, generate_series(1, 120000) n where e.domain = 'oubli."users.email"'::regtype`);
    await world.plain.raw('analyze users');
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const asked: string[] = [];
    const connection: Queryable = {
      query: (sql, parameters) => {
        asked.push(sql);
        return client.query(sql, parameters);
      },
    };
    const catalogue = await loadCatalogue(connection);
    const [rule] = rulesNamed(catalogue, 'subject:user');
    asked.length = 0;
    expect(await totalOf(connection, rule!)).to.be.closeTo(120_000, 100);
    expect(asked.join(' '))
      .to.match(/^explain .*from public\.users/)
      .and.not.to.match(/count/);
    await client.end();
  });
});
