/** What a sweep tells when not all goes well: nothing of what ended is lost, and nobody who listens can fail it. */
import { expect } from 'chai';
import { type Alarm, type CallbackFailedError, type SweepReport, SweepsFailedError } from '../../src';
import { addPeople, type Person } from '../support/people';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

const STAYS = `create function stays() returns trigger language plpgsql as $$ begin raise exception 'this one stays'; end $$;`;

describe('The outcome of a sweep', () => {
  let world: World;
  let people: Person[];
  beforeEach(async () => {
    world = await createWorld();
    people = await addPeople(world.db, 3, '2020-01-01');
    await world.plain.raw(STAYS);
  });
  afterEach(() => world.end());

  const keepFirst = (): PromiseLike<unknown> =>
    world.plain.raw(
      `create trigger stays before update on users for each row when (old.id = ${people[0]?.id}) execute function stays()`,
    );
  const states = () => world.plain('oubli.sweep_state').orderBy('rule').select('rule', 'gone', 'last_failure');

  it('A3: of several rules has the failure of one and the report of the others', async () => {
    await keepFirst();
    await world.plain('invoices').update({ issued_on: '2001-01-01' });
    const error = (await refusalOf(() => world.sweep())) as SweepsFailedError;
    expect(error).to.be.instanceOf(SweepsFailedError);
    expect(error.failures.map(({ rule, error: each }) => [rule, (each as { code: string }).code])).to.deep.equal([
      ['subject:user', 'P0001'],
    ]);
    expect(error.reports).to.have.length(1);
    expect(error.reports[0]).to.include({ rule: 'rows:public.invoices', gone: 6, finished: true });
    expect(error.message).to.contain('subject:user: P0001').and.not.to.contain('this one stays');
    expect(await states()).to.deep.equal([
      { rule: 'rows:public.invoices', gone: '6', last_failure: null },
      { rule: 'subject:user', gone: '2', last_failure: 'P0001' },
    ]);
  });

  it('A3: has every failure, also that of what follows, and is then not a report of success', async () => {
    await keepFirst();
    await world.plain('invoices').update({ issued_on: '2001-01-01' });
    await world.plain.raw('create trigger stays before delete on invoices for each row execute function stays()');
    await world.plain.raw('alter table oubli.vacuumed rename to elsewhere');
    const error = (await refusalOf(() => world.sweep())) as SweepsFailedError;
    expect(error.failures.map(({ rule }) => rule)).to.have.members(['subject:user', 'rows:public.invoices', undefined]);
    expect(error.reports).to.deep.equal([]);
  });

  it('A3: of one rule that was named is its own failure', async () => {
    await keepFirst();
    expect(await failureOf(() => world.sweep({ rule: 'subject:user' }))).to.have.property('code', 'P0001');
  });

  const warningsDuring = async (run: () => Promise<unknown>): Promise<Error[]> => {
    const heard: Error[] = [];
    const listen = (warning: Error): number => heard.push(warning);
    process.on('warning', listen);
    try {
      await run();
      await new Promise(setImmediate); // warnings are told in the next tick
    } finally {
      process.removeListener('warning', listen);
    }
    return heard.filter(({ name }) => name === 'CallbackFailedError');
  };

  for (const [how, onAlarm] of [
    [
      'throws',
      () => {
        throw new Error('the pager is down');
      },
    ],
    ['rejects', () => Promise.reject(new Error('the pager is down'))],
  ] as [string, (alarm: Alarm) => void][]) {
    it(`A3: is not changed by whoever ${how} when an alarm is told, and the process is warned of it`, async () => {
      const held = await world.plain.transaction();
      await held('users').where({ id: people[0]?.id }).forUpdate();
      let reports: SweepReport[] = [];
      const [warning, ...more] = (await warningsDuring(async () => {
        reports = await world.sweep({ onAlarm });
      })) as CallbackFailedError[];
      await held.rollback();
      expect(reports.find(({ rule }) => rule === 'subject:user')).to.include({ gone: 2, stillDue: 1, finished: true });
      expect(warning).to.include({ code: 'CALLBACK_FAILED' });
      expect(warning?.cause).to.have.property('message', 'the pager is down');
      expect(warning?.message).to.contain('onAlarm').and.not.to.contain('pager');
      expect(more).to.deep.equal([]);
    });
  }

  it('A4: of a breaker is the breaker’s, whoever throws when it is told', async () => {
    const onAlarm = (): never => {
      throw new Error('the pager is down');
    };
    const breaker = { people: 0.1, floor: 0 };
    await warningsDuring(async () => {
      const error = await failureOf(() => world.sweep({ rule: 'subject:user', breaker, onAlarm }));
      expect(error).to.have.property('code', 'BREAKER');
    });
  });
});
