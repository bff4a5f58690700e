/** Releasing the last hold carries out what waited for it, through the jobs where they run in the same process (ERASURE.md H1). */
import { expect } from 'chai';
import { addPerson } from '../support/people';
import { failureOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

type Work = (jobs: { data: { rule: string } }[]) => Promise<unknown>;

/** The part of pg-boss that is used: what is sent is worked on when the test says so. */
class Queue {
  readonly sent: { rule: string; key: string | undefined }[] = [];
  private handler: Work | undefined;
  createQueue = async (): Promise<void> => undefined;
  schedule = async (): Promise<void> => undefined;
  offWork = async (): Promise<void> => undefined;
  work = async (queue: string, _: object, handler: Work): Promise<string> => {
    if (queue === 'oubli.sweep') this.handler = handler;
    return 'worker';
  };
  send = async (_: string, data: object, options?: { singletonKey?: string }): Promise<string> => {
    this.sent.push({ rule: (data as { rule: string }).rule, key: options?.singletonKey });
    return 'job';
  };
  async drain(): Promise<void> {
    for (const { rule } of this.sent.splice(0)) await this.handler?.([{ data: { rule } }]);
  }
}

describe('Releasing a hold', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(() => world.end());

  it('H1: sends the jobs of what was deferred, a request and a rule, once the last case is gone', async () => {
    const [ada, bob] = [await addPerson(world.db, 1), await addPerson(world.db, 2)];
    await world.plain('invoices').where({ user_id: bob.id }).update({ issued_on: '2001-01-01' });
    const queue = new Queue();
    const jobs = await world.startJobs(queue as never);
    await world.holds.open({ name: 'case 1', ground: 'audit' });
    await world.holds.place('case 1', world.subject('user', ada.id));
    await world.holds.place('case 1', world.subject('user', bob.id));
    await failureOf(() => world.subject('user', ada.id).erase({ because: 'her request' }));
    await world.sweep({ rule: 'rows:public.invoices' });
    expect(queue.sent).to.deep.equal([]);
    await world.holds.release('case 1', { because: 'passed' });
    expect(queue.sent).to.have.deep.members([
      { rule: 'rows:public.invoices', key: 'rows:public.invoices after run 1' },
      { rule: 'subject:user', key: 'subject:user after run 0' },
    ]);
    await queue.drain();
    expect((await world.receipts()).map(({ because }) => because)).to.deep.equal(['her request']);
    expect(await world.plain('invoices').where({ user_id: bob.id })).to.deep.equal([]);
    expect(await world.plain('oubli.deferred_request')).to.deep.equal([]);
    expect(await world.plain('oubli.deferred_sweep')).to.deep.equal([]);
    await jobs.stop();
  });
});
