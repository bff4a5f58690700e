/** What one process declares, the others know before their next statement. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import type { Oubli } from '../../src';
import { deafened, seamOf } from '../support/listening';
import { failureOf } from '../support/refusals';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';

describe('A declaration made by another process', () => {
  let world: World;
  let ada: number;
  let number = 0;
  before(async () => {
    world = await createWorld();
    [{ id: ada }] = await world.db('users').insert({ email: 'ada@example.org' }).returning('id');
  });
  after(() => world.end());

  /** A new column of contracts, which the world declares; answers its name. */
  const declare = async (spec: object = { protect: 'encrypt' }): Promise<string> => {
    const name = `column_${++number}`;
    await world.db.schema.alterTable('contracts', (t) => {
      t.text(name).personal({ category: 'contact.address', ...spec } as never);
    });
    return name;
  };
  const knows = (instance: Oubli, column: string): boolean =>
    seamOf(instance.db).catalogue.named('contracts')[0]?.columns.has(column) ?? false;
  const learns = (instance: Oubli, column: string, by: Knex = instance.db): Promise<void> =>
    until(`${column} is known`, async () => {
      await by('users').count();
      return knows(instance, column);
    });

  it('is known to one that runs on: what it writes is sealed, without a refusal first', async () => {
    const other = await world.another();
    const place = await declare();
    await learns(other, place);
    await other.db('contracts').insert({ user_id: ada, plan: place, [place]: 'Paris' });
    const [row] = await world.plain('contracts').where({ plan: place });
    expect(row[place].subarray(0, 3).toString('hex')).to.equal('a70b01');
    expect(await world.db('contracts').where({ plan: place }).pluck(place)).to.deep.equal(['Paris']);
  });

  it('keeps clear values out of the events of one that runs on', async () => {
    const other = await world.another();
    const place = await declare({ protect: 'clear', because: 'a test' });
    await learns(other, place);
    const heard: string[] = [];
    other.db.on('query', ({ bindings }: { bindings: unknown[] }) => heard.push(JSON.stringify(bindings)));
    await other.db('contracts').insert({ user_id: ada, [place]: 'Canarytown' });
    expect(heard).to.have.length(1);
    expect(heard[0]).not.to.match(/Canary/);
  });

  it('that is dropped or renamed again is known as well', async () => {
    const other = await world.another();
    const [gone, old] = [await declare(), await declare()];
    await learns(other, old);
    await world.db.schema.alterTable('contracts', (t) => {
      t.dropColumn(gone);
      t.renameColumn(old, 'renamed');
    });
    await learns(other, 'renamed');
    expect([knows(other, gone), knows(other, old)]).to.deep.equal([false, false]);
  });

  it('is learnt outside of a transaction whose snapshot is older', async () => {
    const other = await world.another();
    await other.db.transaction(
      async (trx) => {
        await trx('users').count();
        await learns(other, await declare(), trx);
      },
      { isolationLevel: 'repeatable read' },
    );
  });

  it('is learnt without waiting for the lock of a migration under way', async () => {
    const other = await world.another();
    const migration = await world.plain.transaction();
    try {
      await migration.raw(`alter table contracts alter column plan set default 'basic'`);
      seamOf(other.db).schemaChanged();
      const { catalogue } = seamOf(other.db);
      await other.db('users').timeout(5000).count();
      expect(seamOf(other.db).catalogue).not.to.equal(catalogue);
    } finally {
      await migration.rollback();
    }
  });

  it('is learnt anew after the connection that listens was lost', async () => {
    const other = await world.another();
    await deafened(other.db);
    const place = await declare();
    await other.db('users').count();
    expect(knows(other, place)).to.equal(false);
    await world.plain.raw(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and query ilike 'unlisten%' and pid <> pg_backend_pid()`,
    );
    await learns(other, place);
  });

  describe('that was not heard of yet', () => {
    it('is read all the same, in rows and in streams', async () => {
      const [one, two] = [await world.another(), await world.another()];
      for (const other of [one, two]) await deafened(other.db);
      const place = await declare();
      await world.db('contracts').insert({ user_id: ada, plan: place, [place]: 'Lyon' });
      expect((await one.db('contracts').where({ plan: place }).first())[place]).to.equal('Lyon');
      const streamed: string[] = [];
      for await (const row of two.db('contracts').where({ plan: place }).stream()) streamed.push(row[place]);
      expect(streamed).to.deep.equal(['Lyon']);
    });

    it('is written after one refusal', async () => {
      const other = await world.another();
      await deafened(other.db);
      const place = await declare();
      const insert = (): Promise<unknown> =>
        other
          .db('contracts')
          .insert({ user_id: ada, plan: place, [place]: 'Brest' })
          .then();
      expect((await failureOf(insert)).code).to.equal('REFUSED_BY_DOMAIN');
      await insert();
      expect(await world.db('contracts').where({ plan: place }).pluck(place)).to.deep.equal(['Brest']);
    });
  });
});
