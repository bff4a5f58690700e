/** Keys as they are made, key-first and by many at once, and what becomes of those that nobody uses. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import type { Oubli } from '../../src';
import {
  type ConfigurationError,
  fileJournal,
  KeyUnavailableError,
  localKeys,
  replay,
  SweepsFailedError,
} from '../../src';
import type { SubjectKey } from '../../src/keyring/key-cache';
import { lookingAtKeys } from '../../src/lifecycle/unused-keys';
import { moveClock } from '../../src/testing';
import { backUp } from '../support/backup';
import { AT_THE_START, startInserter, startRacer } from '../support/key-makers-process';
import { keyQueries, seamOf } from '../support/listening';
import { failureOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

describe('The key store', function () {
  this.timeout(60_000);
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  it('K3: finds or makes the keys of thousands by one statement', async () => {
    const ids = Array.from({ length: 5000 }, (_, i) => String(50_000 + i));
    const other = await world.another();
    const keysOf = ({ db }: Oubli) => seamOf(db).keys.forSubjects('user', ids);
    expect(await keyQueries(world.db, () => keysOf(world))).to.equal(1);
    expect(await keyQueries(other.db, () => keysOf(other))).to.equal(1);
    const [made, found] = [await keysOf(world), await keysOf(other)];
    for (const id of ids) expect(found.get(id)?.dek).to.deep.equal(made.get(id)?.dek);
    const { rows } = await world.plain.raw(
      'select count(*)::int as n, count(distinct key_id)::int as keys from oubli.subject_link',
    );
    expect(rows).to.deep.equal([{ n: 5000, keys: 5000 }]);
  });

  it('K3: two processes that make the keys of the same 5,000 people at once agree on one each', async () => {
    const gate = await world.plain.transaction();
    await gate.raw('select pg_advisory_xact_lock(?)', [AT_THE_START]);
    const racers = ([1, -1] as const).map((direction) => startRacer(world.url, world.keyFile, 5000, direction));
    await untilSomebodyWaits(world.plain, 2);
    await gate.commit();
    expect(await Promise.all(racers.map(({ ended }) => ended))).to.deep.equal([0, 0]);
    const stored = await world
      .plain('oubli.subject_link as l')
      .join('oubli.subject_key as k', 'k.key_id', 'l.key_id')
      .where('l.subject_id', '>=', '100000')
      .andWhere('l.subject_id', '<', '2')
      .orderByRaw('l.subject_id collate "C"')
      .select('l.subject_id', 'l.key_id');
    expect(stored).to.have.length(5000);
    const hash = createHash('sha256');
    for (const { subject_id, key_id } of stored) hash.update(subject_id).update(key_id);
    const agreed = hash.digest('hex');
    for (const { output } of racers) expect((await output).trim()).to.equal(agreed);
    expect(await unlinked()).to.equal(0);
  });

  const unlinked = async (): Promise<number> => {
    const { rows } = await world.plain.raw(`select count(*)::int as n from oubli.subject_key k
      where not exists (select from oubli.subject_link l where l.key_id = k.key_id)`);
    return rows[0].n;
  };
});

describe('Keys that nobody uses', function () {
  this.timeout(60_000);
  let world: World;
  let days = 0;
  let number = 0;
  const advance = (more: number): Promise<void> => {
    days += more;
    return moveClock(world.plain, `${days} days` as Parameters<typeof moveClock>[1]);
  };
  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  const keyOf = async (id: number): Promise<Buffer | undefined> =>
    (
      await world
        .plain('oubli.subject_link')
        .where({ kind: 'user', subject_id: `${id}` })
        .first()
    )?.key_id;
  const isThere = async (key: Buffer): Promise<boolean> =>
    (await world.plain('oubli.subject_key').where({ key_id: key })).length === 1;
  /** A key that was made for a transaction which rolled back. */
  const orphan = async (): Promise<{ id: number; key: Buffer }> => {
    const id = 9000 + ++number;
    const trx = await world.db.transaction();
    await trx('users').insert({ id, email: `${id}@example.org`, name: 'lost' });
    await trx.rollback();
    return { id, key: (await keyOf(id)) as Buffer };
  };
  /** The night's sweep, so many days later. */
  const sweepAfter = async (more: number): Promise<void> => {
    await advance(more);
    await world.sweep();
  };
  const looked = (): Promise<void> => sweepAfter(8);
  /** Four more nights, the last of them when the grace of what was noted by the look before them is over. */
  const fiveWeeks = async (): Promise<void> => {
    for (let night = 1; night <= 4; night++) await sweepAfter(9);
  };
  const destroyedOf = (key: Buffer): Promise<unknown[]> =>
    world.plain('oubli.ledger').where({ act: 'unused key destroyed', key_id: key }).then();

  it('K3: is destroyed and fenced five weeks after a look found it unused, not before, and the ledger says so', async () => {
    const { id, key } = await orphan();
    const kept = await world.db('users').insert({ email: 'kept@example.org', name: 'kept' }).returning('id');
    await looked();
    for (const more of [8, 8, 8, 10]) await sweepAfter(more);
    expect(await isThere(key)).to.equal(true);
    await sweepAfter(2);
    expect(await isThere(key)).to.equal(false);
    expect(await keyOf(id)).to.equal(undefined);
    expect(await world.plain('oubli.unused_key')).to.deep.equal([]);
    const [fenced] = await world.plain('oubli.fence').where({ key_id: key });
    expect(fenced).to.include({ unused: true, subject_reference: null });
    expect(await destroyedOf(key)).to.have.length(1);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
    expect(await (await world.another()).db('users').where({ id: kept[0].id }).first('name')).to.deep.equal({
      name: 'kept',
    });
  });

  it('K3: who comes under its name afterwards gets another key, and was never erased', async () => {
    const { id, key } = await orphan();
    await looked();
    await fiveWeeks();
    await world.db('users').insert({ id, email: `${id}@example.org`, name: 'came' });
    expect(await (await world.another()).db('users').where({ id }).first('name')).to.deep.equal({ name: 'came' });
    expect((await keyOf(id))?.equals(key)).to.equal(false);
  });

  it('K3: so is the key of a process that was killed between the key and the row', async () => {
    const blocking = await world.plain.transaction();
    await blocking.raw('lock table users in exclusive mode');
    const inserter = startInserter(world.url, world.keyFile, 9900);
    await untilSomebodyWaits(world.plain);
    await inserter.kill();
    await blocking.rollback();
    const key = (await keyOf(9900)) as Buffer;
    expect(await isThere(key)).to.equal(true);
    await untilSomebodyWaits(world.plain, 0);
    await looked();
    await fiveWeeks();
    expect([await isThere(key), await keyOf(9900)]).to.deep.equal([false, undefined]);
  });

  it('K3: one that an open transaction has written under stays, and is kept when that commits', async () => {
    const [written, undone] = [await orphan(), await orphan()];
    await looked();
    const trx = await world.db.transaction();
    const email = 'late@example.org';
    await trx('users').insert({ id: written.id, email, name: 'late' });
    const another = await world.db.transaction();
    await another('users').insert({ id: undone.id, email: 'undone@example.org', name: 'x' });
    await fiveWeeks();
    expect([await isThere(written.key), await isThere(undone.key)]).to.deep.equal([true, true]);
    await trx.commit();
    await another.rollback();
    await sweepAfter(1);
    expect([await isThere(written.key), await isThere(undone.key)]).to.deep.equal([true, false]);
    await looked();
    await fiveWeeks();
    const fresh = await world.another();
    expect(await fresh.db('users').where({ id: written.id }).first('email')).to.deep.equal({ email });
    expect(await world.plain('oubli.unused_key').where({ key_id: written.key })).to.deep.equal([]);
  });

  it('K3: stays while a value is sealed under it in any table, declared or not, in an array or a materialised view', async () => {
    const names = ['copied', 'gathered', 'seen', 'gone'];
    const people = await world.db('users').insert(
      names.map((name) => ({ email: `${name}@example.org`, name })),
      ['id'],
    );
    const ids: number[] = people.map(({ id }) => Number(id));
    const keys = (await Promise.all(ids.map(keyOf))) as Buffer[];
    const areThere = (): Promise<boolean[]> => Promise.all(keys.map(isThere));
    await world.plain.raw(`create table "old users" as select name from users where id = ${ids[0]};
      create table "all names" as select array_agg(name) as names from users where id = ${ids[1]};
      create materialized view "seen users" as select name from users where id = ${ids[2]}`);
    await world.plain('users').whereIn('id', ids).delete();
    await looked();
    await fiveWeeks();
    expect(await areThere()).to.deep.equal([true, true, true, false]);
    expect(await world.db('old users').pluck('name')).to.deep.equal(['copied']);
    expect(await world.db('seen users').pluck('name')).to.deep.equal(['seen']);
    await world.plain.raw('drop table "old users", "all names"; refresh materialized view "seen users"');
    await sweepAfter(1);
    expect(await areThere()).to.deep.equal([true, true, true, false]); // looked at again after another five weeks
    await fiveWeeks();
    expect(await areThere()).to.deep.equal([false, false, false, false]);
    await world.plain.raw('drop materialized view "seen users"');
  });

  it('K3: stays where its row came back before the five weeks were over', async () => {
    const { id, key } = await orphan();
    await looked();
    await world.db('users').insert({ id, email: `${id}@example.org`, name: 'back' });
    await looked();
    await world.plain('users').where({ id }).delete();
    await sweepAfter(30);
    expect(await isThere(key)).to.equal(true);
  });

  it('K3: of a kind that is declared nowhere stays', async () => {
    const [key] = await world.plain('oubli.subject_key').limit(1);
    const keyId = Buffer.alloc(16, 3);
    await world.plain('oubli.subject_key').insert({ ...key, key_id: keyId, fingerprint: Buffer.alloc(16, 3) });
    await world.plain('oubli.subject_link').insert({ kind: 'ghost', subject_id: '1', key_id: keyId });
    await looked();
    await fiveWeeks();
    expect(await isThere(keyId)).to.equal(true);
    await world.plain('oubli.subject_link').where({ kind: 'ghost' }).delete();
    await looked();
    await fiveWeeks();
    expect(await isThere(keyId)).to.equal(false);
  });

  it('K4: of somebody who was let in again stays, however long she takes', async () => {
    const [{ id }] = await world.db('users').insert({ email: 'returns@example.org', name: 'R' }).returning('id');
    await world.subject('user', id).erase({ because: 'her request' });
    await world.subject('user', id).allowNewLifecycle({ because: 'she asked to come back' });
    const key = (await keyOf(id)) as Buffer;
    await world.plain('users').where({ id }).delete();
    await looked();
    await fiveWeeks();
    expect([await isThere(key), (await keyOf(id))?.equals(key)]).to.deep.equal([true, true]);
  });

  it('K4: a writer that has it in memory while it is destroyed gets another, and a transaction is told to run again', async () => {
    const [alone, within] = [await orphan(), await orphan()];
    const other = await world.another();
    await looked();
    const { keys } = seamOf(other.db);
    const { store } = keys as unknown as { store: { query(sql: string): Promise<unknown> } };
    await store.query('unlisten oubli_shredded');
    const warm = await keys.forSubjects('user', [`${alone.id}`, `${within.id}`]);
    expect(Buffer.from(warm.get(`${within.id}`)?.keyId ?? []).equals(within.key)).to.equal(true);
    await fiveWeeks();
    const write = (db: Knex, { id }: { id: number }): Promise<unknown> =>
      db('users')
        .insert({ id, email: `${id}@example.org`, name: 'again' })
        .then();
    const transaction = (): Promise<unknown> => other.db.transaction((trx) => write(trx, within));
    const refused = await failureOf(transaction);
    expect(refused).to.be.instanceOf(KeyUnavailableError);
    expect(refused.code).to.equal('KEY_REPLACED');
    expect(await world.plain('users').where({ id: within.id })).to.deep.equal([]);
    await transaction();
    await keys.forSubjects('user', [`${alone.id}`]);
    keys.cache.link('user', `${alone.id}`, warm.get(`${alone.id}`) as SubjectKey, keys.cache.moment); // as it was before that
    await write(other.db, alone);
    const fresh = await world.another();
    for (const { id, key } of [alone, within]) {
      expect(await fresh.db('users').where({ id }).pluck('name')).to.deep.equal(['again']);
      expect((await keyOf(id))?.equals(key)).to.equal(false);
    }
  });

  it('K4: other processes forget it', async () => {
    const { id, key } = await orphan();
    const other = await world.another();
    await looked();
    await seamOf(other.db).keys.forSubjects('user', [`${id}`]);
    await fiveWeeks();
    await other.db('users').insert({ id, email: `${id}@example.org`, name: 'at once' });
    expect((await keyOf(id))?.equals(key)).to.equal(false);
  });

  it('K3: several sweeps at once destroy each once', async () => {
    const orphans: Buffer[] = [];
    for (let i = 0; i < 20; i++) orphans.push((await orphan()).key);
    await looked();
    for (const more of [9, 9, 9]) await sweepAfter(more);
    await advance(9);
    const workers = [world, await world.another(), await world.another()];
    await Promise.all(workers.map((worker) => worker.sweep()));
    for (const key of orphans) expect([await isThere(key), (await destroyedOf(key)).length]).to.deep.equal([false, 1]);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  });

  it('K3: stays where PostgreSQL may not look for values under it, and the sweep says whom to grant what', async () => {
    const { key } = await orphan();
    await looked();
    const owner = `poor ${process.pid}`;
    await world.plain.raw('create role ??', [owner]);
    const { rows } = await world.plain.raw('select current_user as me');
    const own = (name: string): Promise<unknown> =>
      world.plain.raw('alter function oubli.keys_in_use(bytea[], regclass) owner to ??', [name]).then();
    await own(owner);
    const failed = (await failureOf(fiveWeeks)) as SweepsFailedError;
    await own(rows[0].me);
    await world.plain.raw('drop role ??', [owner]);
    expect(failed).to.be.instanceOf(SweepsFailedError);
    const error = failed.failures[0]?.error as ConfigurationError;
    expect(error.code).to.equal('KEY_USE_UNSEEN');
    expect(error.fix).to.match(/^grant select on \w+ to "poor \d+";/);
    expect(await isThere(key)).to.equal(true);
    await sweepAfter(1);
    expect(await isThere(key)).to.equal(false);
  });

  it('K3: are looked for by indexes, a page after the other', async () => {
    const { catalogue } = seamOf(world.db);
    const plan = await world.plain.transaction(async (trx) => {
      await trx.raw('set local enable_seqscan = off');
      await trx.raw('set local enable_bitmapscan = off');
      const { rows } = await trx.raw(`explain ${lookingAtKeys(catalogue).replace('$1', `'\\x80'`)}`);
      return rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
    });
    for (const index of ['subject_key_pkey', 'subject_link_key_id_idx', 'users_pkey', 'archive_key_pkey'])
      expect(plan).to.match(new RegExp(`Index (Only )?Scan using ${index} .*\\n *Index Cond: `));
    expect(plan).not.to.contain('Seq Scan');
  });
});

describe('A restore of the database from before a key was destroyed as unused', () => {
  it('S1: brings back whose row had been deleted past the life cycle, and the replay erases her no more than that did', async () => {
    const world = await createWorld();
    const journal = fileJournal({ file: `${world.keyFile}.journal` });
    const before = await world.another({ journal });
    const [{ id }] = await before.db('users').insert({ email: 'ada@example.org', name: 'Ada' }).returning('id');
    const backup = await backUp(world.url);
    const served = await world.another({ journal });
    await served.db('users').insert({ email: 'bob@example.org', name: 'Bob' });
    await world.plain('users').where({ id }).delete();
    for (const days of [1, 10, 19, 28, 37]) {
      await moveClock(world.plain, `${days} days` as Parameters<typeof moveClock>[1]);
      await served.sweep();
    }
    expect(await world.plain('oubli.subject_key')).to.have.length(1);
    await backup.restore();
    const restored = knexPackage({ client: 'pg', connection: world.url });
    const keys = localKeys({ file: world.keyFile });
    expect(await replay(restored, { keys, journal })).to.include({ erased: 0, shredded: 0 });
    await restored.destroy();
    const after = await world.another({ journal });
    expect(await after.db('users').where({ id }).pluck('name')).to.deep.equal(['Ada']);
    await after.db('users').where({ id }).update({ name: 'Augusta' });
    await backup.drop();
    await world.end();
  });
});
