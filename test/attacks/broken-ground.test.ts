/**
 * What a database does to whoever works in it: the disk is full, transactions deadlock, fail to serialise, wait in vain. Everybody
 * is as she was, or erased with her receipt, and a later run ends what one could not (ERASURE.md A3).
 */
import { renameSync, symlinkSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { SweepsFailedError } from '../../src/errors';
import { addPeople } from '../support/people';
import { type FreshServer, startPostgres } from '../support/postgres';
import { startWorker } from '../support/sweep-process';
import { untilSomebodyWaits } from '../support/waiting';
import { receiptsPerPerson, wholenessOf } from '../support/wholeness';
import { createWorld, type World } from '../support/world';

const PEOPLE = 6;

async function statesOf(plain: Knex): Promise<{ untouched: number; erased: number; receipts: number }> {
  const { untouched, erased, between } = await wholenessOf(plain);
  expect(between).to.deep.equal([]);
  const { entries, people } = await receiptsPerPerson(plain);
  expect(entries).to.equal(people);
  return { untouched, erased, receipts: entries };
}

const UNTOUCHED = { untouched: PEOPLE, erased: 0, receipts: 0 };
const ERASED = { untouched: 0, erased: PEOPLE, receipts: PEOPLE };

describe('A disk that is full', () => {
  let server: FreshServer;
  let world: World;
  before(async () => {
    server = await startPostgres({ fresh: true });
    world = await createWorld({ server: server.url });
    await addPeople(world.db, PEOPLE, '2020-01-01');
  });
  after(async () => {
    await world.end();
    await server.stop();
  });

  /** Linux' device that is always full stands where an empty table's file was: the kernel itself refuses the first page. */
  async function withoutRoomFor(table: string, work: () => Promise<void>): Promise<void> {
    const { rows } = await world.plain.raw('select pg_relation_filepath(?) as file', [table]);
    const file = path.join(server.dataDirectory, rows[0].file);
    renameSync(file, `${file}.kept`);
    symlinkSync('/dev/full', file);
    await work().finally(() => {
      unlinkSync(file);
      renameSync(`${file}.kept`, file);
    });
  }

  it('A3: nobody is touched, the error says so by its code, and the sweep is ended when there is room', async () => {
    await withoutRoomFor('oubli.fence', async () => {
      const other = await world.another();
      const error = await other.sweep().then(
        () => undefined,
        (failure: unknown) => failure,
      );
      expect(error).to.be.instanceOf(SweepsFailedError);
      expect((error as SweepsFailedError).failures[0]?.error).to.have.property('code', '53100');
      await other.close();
      await other.knex.destroy();
    });
    expect(await statesOf(world.plain)).to.deep.equal(UNTOUCHED);
    await world.sweep();
    expect(await statesOf(world.plain)).to.deep.equal(ERASED);
  });
});

describe('A database full of others', () => {
  let world: World;
  let ids: number[];
  beforeEach(async () => {
    world = await createWorld();
    ids = (await addPeople(world.db, PEOPLE, '2020-01-01')).map(({ id }) => id);
  });
  afterEach(() => world.end());

  it('A3: a deadlock with the application is lost by one of them and made good', async () => {
    const [first, last] = [ids[0] as number, ids.at(-1) as number];
    const trx = await world.plain.transaction();
    await trx.raw('select from visits where user_id = ? for update', [last]);
    const sweep = world.sweep();
    await untilSomebodyWaits(world.plain);
    // waits for the sweep's lock, and the sweep for this one's; either may be chosen to give way
    const application = trx.raw('select from users where id = ? for update', [first]).then(
      () => trx.commit(),
      () => trx.rollback(),
    );
    await Promise.all([application, sweep]);
    await world.sweep();
    expect(await statesOf(world.plain)).to.deep.equal(ERASED);
  });

  it('A3: a stricter isolation by default does not keep sweeps that overlap from their end', async () => {
    const [{ current_user: role }] = (await world.plain.raw('select current_user')).rows;
    await world.plain.raw('alter role ?? in database ?? set default_transaction_isolation = serializable', [
      role,
      new URL(world.url).pathname.slice(1),
    ]);
    const [one, other] = [await world.another(), await world.another()];
    await Promise.all([one.sweep({ chunk: 1 }), other.sweep({ chunk: 1 })]);
    await world.sweep();
    expect(await statesOf(world.plain)).to.deep.equal(ERASED);
  });

  it('A3: a row that a long transaction holds is skipped and counted, and leaves when it is free', async () => {
    const trx = await world.plain.transaction();
    await trx.raw('select from users where id = ? for update', [ids[2] as number]);
    const [users] = await world.sweep();
    expect(users).to.deep.include({ gone: PEOPLE - 1, stillDue: 1 });
    await trx.rollback();
    const [again] = await world.sweep();
    expect(again).to.deep.include({ gone: 1, stillDue: 0 });
    expect(await statesOf(world.plain)).to.deep.equal(ERASED);
  });

  it('A3: processes that sweep at once, and are told to do so twice, erase everybody once', async () => {
    const outputs = await Promise.all([1, 2, 3].map(() => startWorker(world.url, world.keyFile, 1).output));
    const gone = outputs.map((output) => JSON.parse(output)[0].gone as number);
    expect(gone.reduce((sum, each) => sum + each, 0)).to.equal(PEOPLE);
    expect(await statesOf(world.plain)).to.deep.equal(ERASED);
  });
});
