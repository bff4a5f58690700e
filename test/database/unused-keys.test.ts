/** Before a key that nobody uses is destroyed: whoever might be using it is waited for, seen, or let through. */
import { expect } from 'chai';
import type { Knex } from 'knex';
import { Client } from 'pg';
import { BreakerError, install, type Oubli, SCHEMA_VERSION, SubjectLockedError } from '../../src';
import { keysInUse } from '../../src/lifecycle/used-keys';
import { moveClock } from '../../src/testing';
import { failureOf, failureOfSweep } from '../support/refusals';
import { createRoles } from '../support/roles';
import { until, untilSomebodyWaits } from '../support/waiting';
import { createWorld, migrateWorld, type World } from '../support/world';

type Sweeper = Pick<Oubli, 'sweep'>;

/** Nights of an installation, one sweep each. */
class Nights {
  private days = 0;
  constructor(private readonly plain: Knex) {}

  advance(more: number): Promise<void> {
    this.days += more;
    return moveClock(this.plain, `${this.days} days` as Parameters<typeof moveClock>[1]);
  }

  async sweep(more: number, by: Sweeper): Promise<void> {
    await this.advance(more);
    await by.sweep();
  }

  /** Until the next night is that on which what is unused now is due. */
  async untilDue(by: Sweeper): Promise<void> {
    for (const more of [1, 9, 9, 9]) await this.sweep(more, by);
    await this.advance(9);
  }
}

async function keyOf(world: World, id: number): Promise<Buffer> {
  const [{ key_id }] = await world.plain('oubli.subject_link').where({ kind: 'user', subject_id: `${id}` });
  return key_id;
}

async function isThere(world: World, key: Buffer): Promise<boolean> {
  return (await world.plain('oubli.subject_key').where({ key_id: key })).length === 1;
}

async function person(world: World, name: string): Promise<{ id: number; key: Buffer }> {
  const [{ id }] = await world
    .db('users')
    .insert({ email: `${name.replaceAll(' ', '-')}@example.org`, name })
    .returning('id');
  return { id, key: await keyOf(world, id) };
}

/** Her row was deleted past the life cycle. */
async function gone(world: World, name: string): Promise<{ id: number; key: Buffer }> {
  const her = await person(world, name);
  await world.plain('users').where({ id: her.id }).delete();
  return her;
}

describe('A key that nobody was seen to use', function () {
  this.timeout(60_000);
  let world: World;
  let nights: Nights;
  before(async () => {
    world = await createWorld();
    nights = new Nights(world.plain);
    await person(world, 'somebody');
  });
  after(() => world.end());

  /** The night's sweep, stopped where keys are closed and who was at work before is waited for. */
  const sweepingBehind = async (work: () => Promise<unknown>): Promise<void> => {
    const older = await world.plain.transaction();
    await older.raw('select');
    const swept = world.sweep();
    await until('a key is closed', async () => {
      return (await world.plain('oubli.subject_key').whereNotNull('closed')).length > 0;
    });
    await work().finally(() => older.rollback());
    await swept;
  };

  it('K3: stays while a value is sealed under it within a row, or in a domain over its type', async () => {
    const [row, domain] = [await person(world, 'in a row'), await person(world, 'in a domain')];
    await world.plain.raw(`create domain team_name as oubli."users.name";
      create table whole as select u as old from users u where id = ${row.id};
      create table by_domain as select name::team_name as v from users where id = ${domain.id}`);
    await world.plain('users').whereIn('id', [row.id, domain.id]).delete();
    await nights.untilDue(world);
    await world.sweep();
    expect([await isThere(world, row.key), await isThere(world, domain.key)]).to.deep.equal([true, true]);
    await world.plain.raw('drop table whole, by_domain; drop domain team_name');
  });

  it('K3: stays while a copy of its values is under way, and after that; of a week of such nights the sweep speaks', async () => {
    const { id, key } = await person(world, 'copied');
    await world.plain.raw(`create table copy_of as select id, name from users where id = ${id}`);
    await world.plain('users').where({ id }).delete();
    await nights.untilDue(world);
    const copying = await world.plain.transaction();
    await copying.raw('create table second_copy as select * from copy_of');
    await world.plain('copy_of').delete();
    await world.sweep();
    expect(await isThere(world, key)).to.equal(true);
    const late = await failureOfSweep(() => nights.sweep(8, world));
    expect(late).to.be.instanceOf(SubjectLockedError);
    expect(late).to.include({ code: 'KEYS_UNUSED_WAIT' });
    expect(await world.plain('oubli.subject_key').whereNotNull('closed')).to.deep.equal([]);
    await copying.commit();
    await nights.sweep(1, world);
    expect(await isThere(world, key)).to.equal(true);
    expect(await world.db('second_copy').pluck('name')).to.deep.equal(['copied']);
    await world.plain.raw('drop table copy_of, second_copy');
  });

  it('K3: is seen to be used in a table that was rewritten, or moved and truncated, while the look waited for it', async () => {
    const { id, key } = await person(world, 'rewritten');
    await world.plain.raw(`create table old_users as select id, name from users where id = ${id};
      create table moved_from as select id, name from users where false; create table moved_to (like moved_from)`);
    await world.plain('users').where({ id }).delete();
    const looks = async (change: string): Promise<boolean> => {
      const changing = await world.plain.transaction();
      await changing.raw(change);
      const client = new Client({ connectionString: world.url });
      await client.connect();
      await client.query('begin');
      const looked = keysInUse({ query: (sql, values) => client.query(sql, values as unknown[]) }, [key]);
      await untilSomebodyWaits(world.plain);
      await changing.commit();
      const used = await looked.finally(() => client.end());
      return used.size === 1;
    };
    expect(await looks('alter table old_users alter column id type bigint')).to.equal(true);
    await world.plain.raw('insert into moved_from select id::integer, name from old_users; drop table old_users');
    expect(await looks('insert into moved_to select * from moved_from; truncate moved_from')).to.equal(true);
    await world.plain.raw('drop table moved_from, moved_to');
    await world.plain('oubli.subject_link').where({ key_id: key }).delete();
  });

  for (const isolationLevel of ['read committed', 'repeatable read'] as const) {
    it(`K3: whoever comes back while all values are read waits for nothing, and keeps it (${isolationLevel})`, async () => {
      const { id, key } = await gone(world, `returns ${isolationLevel.length}`);
      const other = await gone(world, `stays away ${isolationLevel.length}`);
      await world.plain.raw('create table read_long as select name from users where false');
      await nights.untilDue(world);
      let gate: Knex.Transaction | undefined;
      const come = async (): Promise<void> => {
        await untilSomebodyWaits(world.plain);
        await world.db.transaction((trx) => trx('users').insert({ id, email: `${id}@example.org`, name: 'back' }), {
          isolationLevel,
        });
        await untilSomebodyWaits(world.plain); // the look still does
        await gate?.rollback();
      };
      let came: Promise<void> = Promise.resolve();
      await sweepingBehind(async () => {
        gate = await world.plain.transaction(); // stands for a table that takes long to be read
        await gate.raw('lock table read_long in access exclusive mode');
        came = come();
      });
      await came;
      expect([await isThere(world, key), await isThere(world, other.key)]).to.deep.equal([true, false]);
      expect(await (await world.another()).db('users').where({ id }).pluck('name')).to.deep.equal(['back']);
      expect((await keyOf(world, id)).equals(key)).to.equal(true);
      expect(await world.plain('oubli.subject_key').whereNotNull('closed')).to.deep.equal([]);
      await world.plain.raw('drop table read_long');
    });
  }

  it('K3: stays where she is spoken of again while all values are read', async () => {
    const { id, key } = await gone(world, 'restricted');
    const restriction = { kind: 'user', subject_id: `${id}`, key_id: key, ground: 'accuracy', because: 'she says so' };
    await nights.untilDue(world);
    await sweepingBehind(() => world.plain('oubli.restriction').insert(restriction));
    expect(await isThere(world, key)).to.equal(true);
    await world.plain('oubli.restriction').delete();
  });

  it('K3: is looked at again by the next sweep where a look failed', async () => {
    const { key } = await gone(world, 'failed');
    await nights.advance(1);
    await world.plain.raw('alter table oubli.unused_key rename to away');
    expect(await failureOfSweep(() => world.sweep())).to.include({ code: '42P01' });
    await world.plain.raw('alter table oubli.away rename to unused_key');
    await world.sweep();
    expect(await world.plain('oubli.unused_key').where({ key_id: key }).pluck('looks')).to.deep.equal([1]);
    await world.sweep();
    expect(await world.plain('oubli.unused_key').where({ key_id: key }).pluck('looks')).to.deep.equal([1]);
  });

  it('K3: is destroyed by the role that purges; no other role may ask which keys are used', async () => {
    const { key } = await gone(world, 'purged');
    const roles = await createRoles(world, 'unused');
    const { purge } = roles.instances;
    await nights.untilDue(purge);
    await purge.sweep();
    expect(await isThere(world, key)).to.equal(false);
    const asked = `select oubli.keys_in_use(array[]::bytea[], 'users')`;
    await roles.bare.purge.raw(asked);
    for (const role of ['app', 'export', 'auditor'] as const)
      expect(await failureOf(() => roles.bare[role].raw(asked)), role).to.include({ code: '42501' });
    await roles.drop();
  });
});

describe('Keys of which the rows are gone all at once', function () {
  this.timeout(60_000);
  let world: World;
  let nights: Nights;
  before(async () => {
    world = await createWorld();
    nights = new Nights(world.plain);
  });
  after(() => world.end());
  const keys = (): Promise<number> => world.plain('oubli.subject_key').then((rows) => rows.length);

  it('K3: stay where a table is emptied and loaded again every night, whenever the sweep comes', async () => {
    await person(world, 'loaded');
    const file = await world.plain('users');
    await world.plain('users').delete();
    await nights.untilDue(world);
    await world.sweep();
    expect(await world.plain('oubli.unused_key')).to.deep.equal([]);
    await world.plain('users').insert(file);
    expect(await (await world.another()).db('users').pluck('name')).to.deep.equal(['loaded']);
  });

  it('K3: stay where they were found unused on fewer than five days, however long that is', async () => {
    const { key } = await gone(world, 'seldom');
    for (const more of [9, 40, 1, 1]) await nights.sweep(more, world);
    expect(await isThere(world, key)).to.equal(true);
    await nights.sweep(1, world);
    expect(await isThere(world, key)).to.equal(false);
  });

  it('K3: stay where they are more than a hundred and a tenth, until it is said that they may go', async () => {
    const names = Array.from({ length: 1100 }, (_, i) => ({ email: `${i}@example.org`, name: `n${i}` }));
    await world.insertMany('users', names);
    const before = await keys();
    await world.plain('users').whereRaw('id % 6 = 0').delete();
    await nights.untilDue(world);
    const failed = await failureOfSweep(() => world.sweep());
    expect(failed).to.be.instanceOf(BreakerError);
    expect(failed).to.include({ code: 'KEYS_UNUSED_AT_ONCE' });
    expect((failed as unknown as BreakerError).fix).to.contain(`{ rules: { "keys:user": 1 } }`);
    expect(await keys()).to.equal(before);
    await world.sweep({ breaker: { people: 1, rows: 1, rules: { 'keys:user': 1 } } });
    expect(await keys()).to.be.below(before - 180);
  });
});

describe('A key that nobody uses, and whose person it was', function () {
  this.timeout(60_000);

  it('K3: stays where her link names nobody as the table does since its type changed, and the look goes on', async () => {
    const world = await createWorld({
      migrate: async (knex) => {
        await migrateWorld(knex);
        await knex.schema.createTable('members', (t) => {
          t.text('id').primary();
          t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
          t.dataSubject('member', {
            purpose: 'p',
            basis: 'contract',
            retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
          });
        });
      },
    });
    await person(world, 'somebody');
    const orphan = await gone(world, 'orphan');
    await world.db('members').insert({ id: 'ada.lovelace@example.org', name: 'Ada' });
    await world.plain('members').delete();
    await world.plain.raw('alter table members alter column id type integer using 1');
    await world.plain('members').insert({ id: 1 });
    await (await world.another()).sweep();
    expect(await world.plain('oubli.unused_key').pluck('key_id')).to.deep.equal([orphan.key]);
    await world.end();
  });

  it('K5: the certificate of who came back under her name knows of it, where somebody else may have opened it', async () => {
    const world = await createWorld({
      migrate: async (knex) => {
        await install(knex, { version: SCHEMA_VERSION });
        await knex.schema.createTable('users', (t) => {
          t.increments('id');
          t.text('name').personal({ category: 'identity.name', protect: 'encrypt' });
          t.text('email').personal({ category: 'contact.email', protect: 'encrypt', search: 'email', unique: true });
          t.dataSubject('user', {
            purpose: 'p',
            basis: 'contract',
            retention: { from: { event: 'service_ended' }, keep: '6 months', then: 'erase' },
          });
        });
      },
    });
    const nights = new Nights(world.plain);
    await person(world, 'somebody');
    const { id } = await gone(world, 'ada'); // backups have her values under the first key
    await nights.untilDue(world);
    await world.sweep();
    expect(await world.plain('oubli.fence').where({ unused: true })).to.have.length(1);
    await world.epochs.rotate({ keep: 'none' });
    await world.db('users').insert({ id, email: 'ada@example.org', name: 'Ada' });
    await world.epochs.compromised(1, { because: 'leaked' });
    const { entry } = await world.subject('user', id).erase({ because: 'x', probe: 'off' });
    await world.epochs.rotate({ keep: 'none' });
    const { certificate } = await world.certificate(entry);
    expect(certificate.unrecoverableAt).to.equal(null);
    expect(certificate.unrecoverableBecause).to.match(/somebody else may have/);
    await world.end();
  });
});
