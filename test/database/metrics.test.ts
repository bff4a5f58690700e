import { type MeterProvider, metrics } from '@opentelemetry/api';
import { expect } from 'chai';
import { moveClock, stopClock } from '../../src/testing';
import { addPeople } from '../support/people';
import { createWorld, type World } from '../support/world';

interface Instrument {
  readonly name: string;
}
type Callback = (observer: { observe(of: Instrument, value: number, attributes: object): void }) => Promise<void>;

/** A provider by hand: collects what the callbacks observe. */
class Collecting {
  readonly callbacks = new Set<Callback>();

  getMeter(): unknown {
    const made = (name: string): Instrument => ({ name });
    return {
      createObservableGauge: made,
      createObservableCounter: made,
      addBatchObservableCallback: (callback: Callback) => this.callbacks.add(callback),
      removeBatchObservableCallback: (callback: Callback) => this.callbacks.delete(callback),
    };
  }

  async collect(): Promise<Record<string, number>> {
    const seen: Record<string, number> = {};
    const observe = ({ name }: Instrument, value: number, attributes: object): void => {
      seen[`${name} ${JSON.stringify(attributes)}`] = value;
    };
    for (const callback of this.callbacks) await callback({ observe });
    return seen;
  }
}

const RULE = 'subject:user';

describe('A5: the metrics of sweeps', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(() => world.end());

  const ofUsers = async (): Promise<Record<string, unknown>> => ({
    ...(await world.metrics()).find(({ rule }) => rule === RULE),
  });

  it('tell of each rule when it last ended, how many are due, and how many for more than a day', async () => {
    await stopClock(world.plain, '2026-09-01T12:00:00Z');
    await addPeople(world.db, 2, '2026-03-01');
    await addPeople(world.db, 1, '2026-02-28', 300);
    expect(await ofUsers()).to.deep.equal({ rule: RULE, gone: 0, due: 3, overdue: 1 });
    await stopClock(world.plain, '2026-09-02T00:00:01Z');
    expect(await ofUsers()).to.include({ due: 3, overdue: 3 });
    await world.sweep();
    const after = await ofUsers();
    expect(after).to.include({ gone: 3, due: 0, overdue: 0 }).and.not.to.have.any.keys('lastFailure', 'alarm');
    expect((after.lastSuccessAt as Date).toISOString()).to.equal('2026-09-02T00:00:01.000Z');
  });

  it('keep the code of a failure until a run comes to its end again', async () => {
    await addPeople(world.db, 1, '2020-01-01');
    await world.plain.raw(`create function refuse() returns trigger language plpgsql as $$
      begin raise exception 'no' using errcode = 'P0001'; end $$;
      create trigger refuse before delete on visits for each row execute function refuse()`);
    await world.sweep().catch(() => undefined);
    expect(await ofUsers()).to.include({ lastFailure: 'P0001', due: 1 });
    await world.plain.raw('drop trigger refuse on visits');
    await moveClock(world.plain, '1 day');
    await world.sweep();
    expect(await ofUsers()).not.to.have.property('lastFailure');
  });

  it('are OpenTelemetry instruments, by the meter given or the global one, with no name but the rule', async () => {
    const people = await addPeople(world.db, 2, '2020-01-01');
    const given = new Collecting();
    const end = await world.observeMetrics(given.getMeter() as never);
    const attributes = JSON.stringify({ 'oubli.rule': RULE });
    expect(await given.collect())
      .to.include({
        [`oubli.sweep.due ${attributes}`]: 2,
        [`oubli.sweep.overdue ${attributes}`]: 2,
        [`oubli.sweep.gone ${attributes}`]: 0,
      })
      .and.not.to.have.property(`oubli.sweep.last_success ${attributes}`);
    await world.sweep();
    const after = await given.collect();
    expect(after).to.include({ [`oubli.sweep.due ${attributes}`]: 0, [`oubli.sweep.gone ${attributes}`]: 2 });
    expect(after[`oubli.sweep.last_success ${attributes}`]).to.be.closeTo(Date.now() / 1000, 60);
    for (const { name } of people) expect(JSON.stringify(after)).not.to.contain(name);
    end();
    expect(given.callbacks.size).to.equal(0);

    const global = new Collecting();
    metrics.setGlobalMeterProvider(global as unknown as MeterProvider);
    (await world.observeMetrics())();
    const endGlobal = await world.observeMetrics();
    expect(Object.keys(await global.collect())).to.have.length(8);
    endGlobal();
    metrics.disable();
  });
});
