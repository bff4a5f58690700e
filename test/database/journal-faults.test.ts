import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { Journal } from '../../src';
import { type JournalFile, makeJournalFile } from '../support/journal-file';
import { addPeople, type Person } from '../support/people';
import { failureOf } from '../support/refusals';
import { until, untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

/** What lets somebody wait, and go on. */
function gate(): { opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('L1, S1: a journal, while many processes write and it answers late or never', function () {
  this.timeout(60_000);
  let outside: JournalFile;
  let file: string;
  let journal: Journal;
  let world: World;
  let people: Person[];

  beforeEach(async () => {
    outside = await makeJournalFile();
    ({ file, journal } = outside);
    world = await createWorld({ oubli: { journal } });
    people = await addPeople(world.db, 8, '2099-01-01');
  });
  afterEach(async () => {
    await world.end();
    await outside.remove();
  });

  const erase = (person: Person | undefined, instance: Pick<World, 'subject'> = world) =>
    instance.subject('user', person!.id).erase({ because: 'request' });
  const positions = async (): Promise<number[]> =>
    (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .flatMap(({ act, position }) => (act ? [Number(position)] : []));
  const linked = async (): Promise<number[]> =>
    (await world.plain('oubli.ledger_link').orderBy('position').select('position')).map((row) => Number(row.position));
  const told = async (): Promise<number> => Number((await world.plain('oubli.ledger_told').first('position')).position);
  /** What connections of the application do now, beside those that are idle. */
  const busy = async (): Promise<string[]> =>
    (
      await world.plain.raw(`select state || ': ' || query as what from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`)
    ).rows.map(({ what }: { what: string }) => what);

  it('S1: a process starts while another one erases between its looks at journal and database', async () => {
    await erase(people[0]);
    let isFirst = true;
    const slow: Journal = {
      ...journal,
      async *read(options) {
        yield* journal.read(options);
        if (!isFirst) return;
        isFirst = false;
        await erase(people[1]); // committed and told when this process has read the journal, and not yet asked the database
      },
    };
    const started = await world.another({ journal: slow });
    expect(isFirst).to.equal(false);
    expect(await started.db('users').where({ id: people[2]!.id }).first('name')).to.deep.equal({
      name: people[2]!.name,
    });
  });

  it('L1: a chain that grows while it is verified is whole', async () => {
    await erase(people[0]);
    let isFirst = true;
    const slow: Journal = {
      ...journal,
      async *read(options) {
        if (isFirst) {
          isFirst = false;
          await erase(people[1]);
        }
        yield* journal.read(options);
      },
    };
    expect((await world.verifyLedger({ journal: slow })).broken).to.deep.equal([]);
    expect(isFirst).to.equal(false);
  });

  it('S1: an erasure that waits for the end of the chain is done, though its process looks at the database meanwhile', async () => {
    let now = 0;
    const mine = await world.another({ journal });
    await erase(people[0], mine);
    const [first, third] = [await world.plain.transaction(), await world.plain.transaction()];
    await first.raw('select from oubli.ledger_head for update');
    const theirs = erase(people[1]); // another process, first in the queue
    await untilSomebodyWaits(world.plain, 1);
    const waiting = third.raw('select from oubli.ledger_head for update').then(() => undefined);
    await untilSomebodyWaits(world.plain, 2);
    const erasing = erase(people[2], mine);
    await untilSomebodyWaits(world.plain, 3);
    await first.commit();
    await waiting;
    const before = performance.now;
    performance.now = () => before.call(performance) + now;
    try {
      now = 60_000; // some seconds later this process looks again, and sees what they wrote
      await mine.db('users').where({ id: people[6]!.id }).first('name');
    } finally {
      performance.now = before;
    }
    await third.commit();
    expect((await erasing).kind).to.equal('user');
    expect((await theirs).kind).to.equal('user');
  });

  it('L1: a journal that hangs stops nobody else; who waits for it is told, and what is missing is told next', async () => {
    const freed = gate();
    let isHanging = false;
    let appends = 0;
    const hanging: Journal = {
      ...journal,
      seconds: 0.5,
      append: async (lines) => {
        appends += 1;
        if (isHanging) await freed.opened;
        await journal.append(lines);
      },
    };
    const mine = await world.another({ journal: hanging });
    await mine.holds.open({ name: 'case', ground: 'GDPR Art. 17(3)(e)' });
    isHanging = true;
    const before = await linked();
    const failing = failureOf(() => mine.holds.place('case', { kind: 'user', id: people[7]!.id }));
    await until('the append', async () => appends === 2);
    expect(await busy()).to.deep.equal([]); // no transaction, no lock, while it hangs
    await erase(people[1]);
    expect(await positions()).to.include.members(await linked()); // theirs, and mine before it

    const error = await failing;
    expect(error).to.include({ name: 'JournalError', code: 'JOURNAL_NOT_WRITTEN' });
    expect(error.message).to.contain('no answer in time').and.to.contain('what was done in the database is done');
    expect((await linked()).length).to.be.greaterThan(before.length);
    expect((await mine.holds.list())[0]).to.include({ people: 1 });

    // one append hangs, and no second one joins it: a process has few threads for files
    const another = await failureOf(() => mine.holds.open({ name: 'another', ground: 'GDPR Art. 17(3)(e)' }));
    expect(another).to.include({ code: 'JOURNAL_NOT_WRITTEN' });
    expect(appends).to.equal(2);
    isHanging = false;
    freed.open();
    await until('the answer', async () => (await mine.sweep().catch(() => [])).length > 0);
    expect(await positions()).to.include.members(await linked());
    expect(await told()).to.equal((await linked()).at(-1));
  });

  it('L2: nobody is erased whose request the journal did not take, however often; once it does, she is', async () => {
    const failing: Journal = {
      ...journal,
      append: async () => {
        throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      },
    };
    const mine = await world.another({ journal: failing });
    for (const time of ['first', 'second']) {
      const error = await failureOf(() => erase(people[0], mine));
      expect(error, `asked for the ${time} time`).to.include({ name: 'JournalError', code: 'REQUEST_NOT_TOLD' });
    }
    expect(await world.db('users').where({ id: people[0]!.id }).first('name')).to.deep.equal({ name: people[0]!.name });
    expect(await world.requests({ open: true })).to.have.length(1);
    expect((await erase(people[0])).kind).to.equal('user');
    expect(await world.requests({ open: true })).to.have.length(0);
    expect(await positions()).to.deep.equal(await linked());
  });

  it('L1: a journal that hangs while it is read refuses the start in time', async () => {
    const hanging: Journal = {
      ...journal,
      seconds: 0.2,
      async *read() {
        await new Promise(() => undefined);
        yield '';
      },
    };
    const error = await failureOf(() => world.another({ journal: hanging }));
    expect(error).to.include({ name: 'JournalError', code: 'JOURNAL_SILENT' });
  });

  it('L1: each transaction is told when it is committed, whatever ends beside it in the same process', async () => {
    await world.plain.raw(`create function public.wait_to_commit() returns trigger language plpgsql as $$
      begin perform pg_advisory_xact_lock(1); return null; end $$`);
    await world.plain.raw(`create constraint trigger slow after insert on oubli.ledger deferrable initially deferred
      for each row execute function public.wait_to_commit()`);
    const lock = await world.plain.transaction();
    await lock.raw('select pg_advisory_xact_lock(1)');
    const opening = world.holds.open({ name: 'case', ground: 'GDPR Art. 17(3)(e)' });
    await untilSomebodyWaits(world.plain); // in its COMMIT
    await world.receipts(); // a transaction that writes nothing
    await lock.commit();
    await opening;
    expect(await positions()).to.deep.equal(await linked());
  });
});
