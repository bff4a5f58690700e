import { expect } from 'chai';
import type { Oubli } from '../../src';
import { ConfigurationError, KeyUnavailableError, SubjectErasedError, TamperedError } from '../../src';
import { KeyCache } from '../../src/keyring/key-cache';
import { keyQueries, seamOf } from '../support/listening';
import { failureOf } from '../support/refusals';
import { untilSomebodyWaits } from '../support/waiting';
import { createWorld, type World } from '../support/world';

describe('Subject keys', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world.end());

  const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));
  const newUser = async (email: string, name = 'N'): Promise<number> => {
    const [{ id }] = await world.db('users').insert({ email, name }).returning('id');
    return id;
  };
  const keyIdOf = async (id: number): Promise<Buffer> =>
    (
      await world
        .plain('oubli.subject_link')
        .where({ kind: 'user', subject_id: `${id}` })
        .first()
    ).key_id;

  /** As an erasure does it: the fence, then the key, in one commit, and the announcement. */
  const destroyKey = async (id: number, { announce = true } = {}): Promise<void> => {
    const keyId = await keyIdOf(id);
    const reference = seamOf(world.db).keys.referenceOf('user', `${id}`);
    await world.plain.transaction(async (trx) => {
      await trx.raw(
        `insert into oubli.fence (key_id, fingerprint, subject_reference, erased_at)
         select key_id, fingerprint, ?, now() from oubli.subject_key where key_id = ?`,
        [reference, keyId],
      );
      await trx('oubli.subject_key').where({ key_id: keyId }).del();
      if (announce) await trx.raw(`select pg_notify('oubli_shredded', ?)`, [keyId.toString('hex')]);
    });
    await pause(150);
  };

  it('trap 10: a key made for a transaction that rolled back still opens what is written later', async () => {
    await failureOf(() =>
      world.db.transaction(async (trx) => {
        await trx('users').insert({ id: 7001, email: 'back@example.org', name: 'lost' });
        throw new Error('no');
      }),
    );
    await world.db('users').insert({ id: 7001, email: 'back@example.org', name: 'kept' });
    const fresh = await world.another();
    expect((await fresh.db('users').where({ id: 7001 }).first()).name).to.equal('kept');
  });

  it('trap 10: and so does one made inside a savepoint that was taken back', async () => {
    await world.db.transaction(async (trx) => {
      await failureOf(() =>
        trx.transaction(async (savepoint) => {
          await savepoint('users').insert({ id: 7002, email: 'sp@example.org', name: 'lost' });
          throw new Error('no');
        }),
      );
      await trx('users').insert({ id: 7002, email: 'sp@example.org', name: 'kept' });
    });
    const fresh = await world.another();
    expect((await fresh.db('users').where({ id: 7002 }).first()).name).to.equal('kept');
  });

  it('trap 11: a pool of one connection is enough, also inside a transaction with a new subject', async () => {
    const narrow = await world.another({ config: { pool: { min: 0, max: 1 }, acquireConnectionTimeout: 2000 } });
    await narrow.db.transaction(async (trx) => {
      const [{ id }] = await trx('users').insert({ email: 'narrow@example.org', name: 'N' }).returning('id');
      await trx('contracts').insert({ user_id: id, signatory: 'N' });
      expect(await trx('contracts').where({ user_id: id }).pluck('signatory')).to.deep.equal(['N']);
    });
  });

  it('two instances that ask for the keys of the same 200 new subjects at once agree on one each', async () => {
    const [one, two] = await Promise.all([world.another(), world.another()]);
    const ids = Array.from({ length: 200 }, (_, i) => 20_000 + i);
    const insert = (instance: Oubli, table: string, row: (id: number) => object): Promise<unknown> =>
      instance.db(table).insert(ids.map(row)).then();
    await world
      .plain('users')
      .insert(ids.map((id) => ({ id, email: null as never })))
      .catch(() => undefined);
    const keysOf = async (instance: Oubli): Promise<string[]> => {
      const keys = await seamOf(instance.db).keys.forSubjects('user', ids.map(String));
      return ids.map((id) => Buffer.from(keys.get(`${id}`)?.keyId ?? []).toString('hex'));
    };
    const [a, b] = await Promise.all([keysOf(one), keysOf(two)]);
    expect(a).to.deep.equal(b);
    expect(new Set(a).size).to.equal(200);
    await insert(one, 'users', (id) => ({ id, email: `race${id}@example.org`, name: `${id}` }));
    expect(await two.db('users').whereIn('id', ids).orderBy('id').pluck('name')).to.deep.equal(ids.map(String));
  });

  it('the one that comes second leaves no key behind that nobody has', async () => {
    const keys = (): Promise<unknown[]> => world.plain('oubli.subject_key').pluck('key_id').then();
    const other = await world.plain.transaction();
    const before = await keys();
    const [first] = await other('oubli.subject_key')
      .insert({ key_id: Buffer.alloc(16, 9), epoch: 1, wrapped: Buffer.alloc(72), fingerprint: Buffer.alloc(16, 9) })
      .returning('key_id');
    await other('oubli.subject_link').insert({ kind: 'user', subject_id: '30001', ...first });
    const second = seamOf(world.db).keys.forSubjects('user', ['30001', '30002']);
    second.catch(() => undefined); // that made-up key cannot be unwrapped
    await untilSomebodyWaits(world.plain);
    await other.commit();
    await failureOf(() => second);
    expect(await keys()).to.have.lengthOf(before.length + 2);
    expect(
      await world
        .plain('oubli.subject_key as k')
        .leftJoin('oubli.subject_link as l', 'l.key_id', 'k.key_id')
        .whereNull('l.key_id'),
    ).to.deep.equal([]);
  });

  it('two instances make the keys of the same people also where every transaction is to be serializable', async () => {
    await world.plain.raw(
      `do $$ begin execute format('alter database %I set default_transaction_isolation = serializable', current_database()); end $$`,
    );
    const [one, two] = [await world.another(), await world.another()];
    for (let round = 0; round < 5; round++) {
      const ids = Array.from({ length: 50 }, (_, i) => `${40_000 + 50 * round + i}`);
      const made = await Promise.all([one, two].map(({ db }) => seamOf(db).keys.forSubjects('user', ids)));
      const [a, b] = made.map((keys) => ids.map((id) => Buffer.from(keys.get(id)?.keyId ?? []).toString('hex')));
      expect(a).to.deep.equal(b);
    }
    await world.plain.raw(
      `do $$ begin execute format('alter database %I reset default_transaction_isolation', current_database()); end $$`,
    );
  });

  it('K6 an epoch under which keys are wrapped stays, and none is wrapped under one that is not there or was destroyed', async () => {
    const { plain } = world;
    const [key] = await plain('oubli.subject_key').limit(1);
    const another = { ...key, key_id: Buffer.alloc(16, 5), fingerprint: Buffer.alloc(16, 5) };
    for (const change of [
      () => plain('oubli.epoch').delete(),
      () => plain('oubli.epoch').update({ id: 9 }),
      () => plain('oubli.epoch').update({ destroyed_at: new Date() }),
      () => plain.raw('truncate oubli.epoch'),
      () => plain('oubli.subject_key').insert({ ...another, epoch: 8 }),
      () => plain('oubli.subject_key').where({ key_id: key.key_id }).update({ epoch: 8 }),
    ])
      expect((await failureOf(change)).code).to.equal('23503');
    await plain('oubli.epoch').insert({ id: 7, canary: Buffer.alloc(1) });
    const writing = await plain.transaction();
    await writing('oubli.subject_key').insert({ ...another, epoch: 7 });
    const destroying = failureOf(() => plain('oubli.epoch').where({ id: 7 }).update({ destroyed_at: new Date() }));
    await untilSomebodyWaits(plain);
    await writing.commit();
    expect((await destroying).code).to.equal('23503');
    await plain('oubli.subject_key').where({ key_id: another.key_id }).delete();
    await plain('oubli.epoch').where({ id: 7 }).update({ destroyed_at: new Date() });
    expect((await failureOf(() => plain('oubli.subject_key').insert({ ...another, epoch: 7 }))).code).to.equal('23503');
    await plain('oubli.epoch').where({ id: 7 }).delete();
  });

  it('E10: a destroyed key reads as null and refuses writes, also in another instance whose cache was warm', async () => {
    const id = await newUser('shred@example.org', 'S');
    const other = await world.another();
    expect((await other.db('users').where({ id }).first()).name).to.equal('S');
    await other.db('users').where({ id }).update({ name: 'S2' });
    await destroyKey(id);
    for (const { db } of [world, other, await world.another()]) {
      expect(await db('users').where({ id }).first('name', 'email', 'id')).to.deep.equal({
        name: null,
        email: null,
        id,
      });
      expect(await failureOf(() => db('users').where({ id }).update({ name: 'back' }))).to.be.instanceOf(
        SubjectErasedError,
      );
      expect(await failureOf(() => db('contracts').insert({ user_id: id, signatory: 'x' }))).to.be.instanceOf(
        SubjectErasedError,
      );
    }
  });

  it('even when the announcement was lost, the guard refuses what is sealed under a destroyed key', async () => {
    const id = await newUser('silent@example.org');
    const other = await world.another();
    await other.db('users').where({ id }).update({ name: 'warm' });
    await destroyKey(id, { announce: false });
    expect(await failureOf(() => other.db('users').where({ id }).update({ name: 'back' }))).to.be.instanceOf(
      SubjectErasedError,
    );
  });

  it('an erasure waits for a writer that is still in its transaction', async () => {
    const id = await newUser('waits@example.org');
    const keyId = await keyIdOf(id);
    const trx = await world.db.transaction();
    await trx('users').where({ id }).update({ name: 'in time' });
    const erasure = world
      .plain('oubli.subject_key')
      .where({ key_id: keyId })
      .del()
      .then(() => 'erased');
    expect(await Promise.race([erasure, pause(200).then(() => 'waiting')])).to.equal('waiting');
    await trx.commit();
    expect(await erasure).to.equal('erased');
  });

  it('E10: a key that is neither there nor known to be destroyed is an error to retry, never a silent null', async () => {
    const id = await newUser('missing@example.org');
    const keyId = await keyIdOf(id);
    const saved = await world.plain('oubli.subject_key').where({ key_id: keyId }).first();
    await world.plain('oubli.subject_key').where({ key_id: keyId }).del();
    const fresh = await world.another();
    const error = await failureOf(() => fresh.db('users').where({ id }).first());
    expect(error).to.be.instanceOf(KeyUnavailableError);
    expect(error.code).to.equal('KEY_MISSING');
    await world.plain('oubli.subject_key').insert(saved);
    expect((await fresh.db('users').where({ id }).first()).name).to.equal('N');
  });

  it('every changed byte of a stored value is noticed', async () => {
    const id = await newUser('bytes@example.org');
    const { name } = await world.plain('users').where({ id }).first();
    for (const place of [24, 40, 56, name.length - 17, name.length - 1]) {
      const changed = Buffer.from(name);
      changed[place] = (changed[place] as number) ^ 1;
      await world.plain.transaction(async (trx) => {
        await trx.raw('set local session_replication_role = replica'); // past the guard, as an attacker with the disk
        await trx('users').where({ id }).update({ name: changed });
      });
      const error = await failureOf(() => world.db('users').where({ id }).first('name'));
      expect(error, `byte ${place}`).to.be.instanceOf(TamperedError);
      expect([(error as TamperedError).table, (error as TamperedError).column]).to.deep.equal(['users', 'name']);
    }
    const elsewhere = Buffer.from(name);
    elsewhere[8] = (elsewhere[8] as number) ^ 1;
    expect((await failureOf(() => world.plain('users').where({ id }).update({ name: elsewhere }))).code).to.equal(
      'OU002',
    );
    await world.plain('users').where({ id }).update({ name });
  });

  it('E4: a value moved to another column is refused by the domain, and by the reader where the domain was taken away', async () => {
    const id = await newUser('moved@example.org');
    expect(
      (await failureOf(() => world.plain.raw('update users set email = name::bytea where id = ?', [id]))).code,
    ).to.equal('23514');
    const [{ id: contract }] = await world.db('contracts').insert({ user_id: id, signatory: 'S' }).returning('id');
    await world.plain.raw('alter domain oubli."contracts.signatory" drop constraint encrypt');
    await world.plain.raw(
      'update contracts set signatory = (select name::bytea from users where id = ?) where id = ?',
      [id, contract],
    );
    expect(await failureOf(() => world.db('contracts').where({ id: contract }).first())).to.be.instanceOf(
      TamperedError,
    );
  });

  it('E10: plaintext that got into a sealed column is called so', async () => {
    const id = await newUser('plain@example.org');
    const [{ id: contract }] = await world.db('contracts').insert({ user_id: id }).returning('id');
    await world.plain.raw(`update contracts set signatory = 'Ada'::bytea where id = ?`, [contract]);
    const error = await failureOf(() => world.db('contracts').where({ id: contract }).first());
    expect(error.code).to.equal('NOT_SEALED');
    for (const bytes of ['a70b01', 'a70b02'.padEnd(200, '0'), `a70b0100${'ffffffff'.padEnd(200, '1')}`]) {
      await world.plain.transaction(async (trx) => {
        await trx.raw('set local session_replication_role = replica');
        await trx('contracts')
          .where({ id: contract })
          .update({ signatory: Buffer.from(bytes, 'hex') });
      });
      const malformed = await failureOf(() => world.db('contracts').where({ id: contract }).first());
      expect(malformed.code, bytes).to.equal('SEALED_VALUE_TAMPERED');
    }
  });

  it('a cold read of a thousand rows of a thousand subjects costs one key query, and a warm one none', async () => {
    const rows = Array.from({ length: 1000 }, (_, i) => ({
      email: `cold${i}@example.org`,
      name: `c${i}`,
      locale: 'cold',
    }));
    expect(await keyQueries(world.db, () => world.db('users').insert(rows))).to.be.at.most(3);
    const fresh = await world.another();
    const read = (): Promise<unknown> => fresh.db('users').where({ locale: 'cold' }).then();
    expect(await keyQueries(fresh.db, read)).to.equal(1);
    expect(await keyQueries(fresh.db, read)).to.equal(0);
  });

  it('the connection of the key store is opened again after it was lost', async () => {
    const other = await world.another();
    const id = await newUser('lost@example.org');
    await other.db('users').where({ id }).first();
    await world.plain.raw(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and query ilike '%oubli%' and pid <> pg_backend_pid()`,
    );
    await pause(100);
    expect((await other.db('users').where({ id }).first()).name).to.equal('N');
    const key = await newUser('after@example.org').catch(() => newUser('after@example.org'));
    expect(key).to.be.a('number');
  });

  it('after close() nothing personal is read, written or compiled any more', async () => {
    const other = await world.another();
    await other.close();
    for (const query of [
      () => other.db('users').first(),
      () => other.db('users').insert({ email: 'closed@example.org' }),
      () => other.db.raw('select name from users'),
      () => other.db('users').where({ email: 'closed@example.org' }).toString(),
    ]) {
      const error = await failureOf(query);
      expect(error).to.be.instanceOf(ConfigurationError);
      expect(error.code).to.equal('NOT_READY');
    }
  });
});

describe('The cache of subject keys', () => {
  const key = (n: number): { keyId: Uint8Array; dek: Uint8Array } => {
    const keyId = Buffer.alloc(16);
    keyId.writeUInt32BE(n);
    return { keyId, dek: Buffer.alloc(32, 1) };
  };

  it('K10: keeps no more than 20,000 keys, and of each no longer than a minute', () => {
    let now = 0;
    const cache = new KeyCache(() => now);
    for (let n = 0; n < 20_001; n++) cache.link('user', `${n}`, key(n), cache.moment);
    expect(cache.get(key(0).keyId)).to.equal(undefined);
    expect(cache.ofSubject('user', '0')).to.equal(undefined);
    expect(cache.ofSubject('user', '10001')).to.deep.equal(key(10_001));
    expect(cache.ofSubject('user', '20000')).to.deep.equal(key(20_000));
    now = 60_000;
    expect(cache.get(key(20_000).keyId)).to.equal(undefined);
  });

  it('forgets a key that was destroyed from either of its generations', () => {
    const cache = new KeyCache();
    for (let n = 0; n < 10_001; n++) cache.link('user', `${n}`, key(n), cache.moment);
    for (const n of [5, 10_000]) {
      expect(cache.ofSubject('user', `${n}`)).to.deep.equal(key(n));
      cache.evict(Buffer.from(key(n).keyId).toString('hex'));
      expect(cache.ofSubject('user', `${n}`)).to.equal(undefined);
    }
  });

  it('K10: forgets a key that was destroyed, and overwrites all of them when it is wiped', () => {
    const cache = new KeyCache();
    const [a, b] = [key(1), key(2)];
    cache.link('user', '1', a, cache.moment);
    cache.link('user', '2', b, cache.moment);
    cache.evict(Buffer.from(a.keyId).toString('hex'));
    expect(cache.ofSubject('user', '1')).to.equal(undefined);
    cache.wipe();
    expect([...b.dek]).to.deep.equal(Array(32).fill(0));
    expect(cache.get(b.keyId)).to.equal(undefined);
  });
});
