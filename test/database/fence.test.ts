/** The fence (ENVELOPE.md K4): a destroyed key is refused for ever and everywhere, by processes that had it and by tables that get it back. */
import { performance } from 'node:perf_hooks';
import { expect } from 'chai';
import type { Oubli } from '../../src';
import { nobleEngine } from '../../src/crypto/noble';
import { wrapKey } from '../../src/crypto/subject-key';
import { Epochs } from '../../src/keyring/epochs';
import { keysInMemory } from '../../src/keyring/interruptible-keys';
import { SubjectKeys } from '../../src/keyring/subject-keys';
import type { Row } from '../../src/queryable';
import { seamOf } from '../support/listening';
import { failureOf, refusalOf } from '../support/refusals';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const SECOND = 1;
const TTL_MS = 60_000;

/** As of a process that has run on for so long. */
async function later<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const { now } = performance;
  performance.now = () => now.call(performance) + ms;
  try {
    return await work();
  } finally {
    performance.now = now;
  }
}

describe('The fence', () => {
  let world: World;
  before(async () => {
    world = await createWorld();
    // a copy that nobody declared: an erasure does not know of it, and only the key stands between it and a reader
    await world.plain.raw('create table copied as select id, name from users');
  });
  after(() => world.end());

  const person = async (name: string): Promise<number> => {
    const [{ id }] = await world
      .db('users')
      .insert({ email: `${name}@example.org`, name })
      .returning('id');
    await world.plain.raw(`insert into copied select id, name from users where id = ${id}`);
    return id;
  };
  const erase = (id: number) => world.subject('user', id).erase({ because: 'her request', probe: 'off' });
  const copyIn = async (by: Oubli, id: number): Promise<unknown> => (await by.db('copied').where({ id }).first()).name;
  const write = (by: Oubli, id: number) => by.db('users').where({ id }).update({ name: 'late' });
  /** The connection on which an instance asks for keys and listens, by its process on the server. */
  const earOf = async (by: Oubli): Promise<number> => {
    const { store } = seamOf(by.db).keys as unknown as { store: { query(sql: string): Promise<{ rows: Row[] }> } };
    return Number((await store.query('select pg_backend_pid() as pid')).rows[0]?.pid);
  };

  it('K4: a key in the cache of another process is out of it within a second, and what it opened reads as null', async () => {
    const [id, stays] = [await person('ada'), await person('bob')];
    const other = await world.another();
    await write(other, id);
    expect([await copyIn(other, id), await copyIn(other, stays)]).to.deep.equal(['ada', 'bob']);
    await erase(id);
    await until('the key is forgotten', async () => (await copyIn(other, id)) === null, SECOND);
    expect(await copyIn(other, stays)).to.equal('bob');
    expect((await refusalOf(() => write(other, id))).code).to.equal('SUBJECT_ERASED');
  });

  it('K4: where the announcement was lost with the connection, nothing is remembered, and the next one is heard', async () => {
    const [id, next] = [await person('eve'), await person('zoe')];
    const other = await world.another();
    expect([await copyIn(other, id), await copyIn(other, next)]).to.deep.equal(['eve', 'zoe']);
    const ear = await earOf(other);
    await world.plain.raw('select pg_terminate_backend(?)', [ear]);
    await erase(id);
    await until('the key is forgotten', async () => (await copyIn(other, id)) === null, SECOND);
    expect(await copyIn(other, next)).to.equal('zoe');
    expect(await earOf(other)).not.to.equal(ear);
    await erase(next);
    await until('the next one is heard of', async () => (await copyIn(other, next)) === null, SECOND);
  });

  it('K4: where nobody noticed that it was lost, writes are refused at once, and after a minute nothing is read', async () => {
    const id = await person('kay');
    const other = await world.another();
    expect(await copyIn(other, id)).to.equal('kay');
    const { store } = seamOf(other.db).keys as unknown as { store: { query(sql: string): Promise<unknown> } };
    await store.query('unlisten oubli_shredded');
    await erase(id);
    expect((await refusalOf(() => write(other, id))).code).to.equal('SUBJECT_ERASED');
    expect(await later(TTL_MS - 10_000, () => copyIn(other, id)), 'before the minute is over').to.equal('kay');
    expect(await later(TTL_MS, () => copyIn(other, id))).to.equal(null);
  });

  it('K4: an answer that was on its way while a key was destroyed is not remembered', async () => {
    const [engine, provider] = [nobleEngine(), keysInMemory()];
    const material = await provider.load();
    const key = { keyId: Buffer.alloc(16, 1), dek: Buffer.alloc(32, 2) };
    const wrapped = wrapKey(engine, material.epochs.get(1) as Uint8Array, key.dek, key.keyId, 1);
    let meanwhile = (): void => keys.cache.evict(Buffer.from(key.keyId).toString('hex'));
    const store = {
      query: async () => {
        meanwhile();
        return { rows: [{ key_id: key.keyId, wrapped, epoch: 1, shredded: false, restricted: false }] as Row[] };
      },
    };
    const keys = new SubjectKeys(store, engine, new Epochs(provider, store, engine, material), material.ledger);
    const remembered = async (): Promise<boolean> => {
      expect([...(await keys.byId([key.keyId])).values()]).to.deep.equal([key]);
      return keys.cache.get(key.keyId) !== undefined;
    };
    expect(await remembered(), 'destroyed').to.equal(false);
    meanwhile = () => keys.cache.clear();
    expect(await remembered(), 'the connection was lost').to.equal(false);
    meanwhile = () => undefined;
    expect(await remembered(), 'nothing happened').to.equal(true);
  });

  it('K4: a table of keys that was restored past its triggers opens nothing, and nobody writes under what came back', async () => {
    const id = await person('may');
    const link = await world
      .plain('oubli.subject_link')
      .where({ subject_id: `${id}` })
      .first();
    const key = await world.plain('oubli.subject_key').where({ key_id: link.key_id }).first();
    await erase(id);
    const restore = world.plain('oubli.subject_key').insert(key);
    expect(await failureOf(() => restore)).to.have.property('code', 'OU002');
    // as `pg_restore --data-only --disable-triggers` does, by a superuser
    await world.plain.raw('alter table oubli.subject_key disable trigger all');
    await world.plain('oubli.subject_key').insert(key);
    await world.plain.raw('alter table oubli.subject_key enable trigger all');
    for (const by of [world, await world.another()]) {
      expect(await copyIn(by, id)).to.equal(null);
      expect((await refusalOf(() => write(by, id))).code).to.equal('SUBJECT_ERASED');
    }
    await world
      .plain('oubli.subject_link')
      .where({ subject_id: `${id}` })
      .delete();
    await world.plain('oubli.subject_link').insert(link);
    for (const by of [world, await world.another()]) {
      expect(await copyIn(by, id)).to.equal(null);
      expect((await refusalOf(() => write(by, id))).code).to.equal('SUBJECT_ERASED');
    }
    await world.plain('oubli.subject_key').where({ key_id: key.key_id }).delete();
  });

  it('K4: the row of an old backup is refused under its id and under any other, and so is a row that is changed into it', async () => {
    const [id, living] = [await person('ann'), await person('lou')];
    const keyOf = async (of: number) =>
      world
        .plain('oubli.subject_key')
        .where(
          'key_id',
          '=',
          world
            .plain('oubli.subject_link')
            .where({ subject_id: `${of}` })
            .select('key_id'),
        )
        .first();
    const [old, hers] = [await keyOf(id), await keyOf(living)];
    await erase(id);
    await world.plain.raw('create table restored (like oubli.subject_key)');
    await world.plain('restored').insert([old, { ...old, key_id: Buffer.alloc(16, 9) }]);
    for (const attempt of [
      () => world.plain('oubli.subject_key').insert(old),
      () => world.plain('oubli.subject_key').insert({ ...old, key_id: Buffer.alloc(16, 9) }),
      () => world.plain('oubli.subject_key').insert({ ...old, fingerprint: Buffer.alloc(16, 9) }),
      () => world.plain.raw('insert into oubli.subject_key select * from restored where key_id = ?', [old.key_id]),
      () => world.plain.raw('insert into oubli.subject_key select * from restored where key_id <> ?', [old.key_id]),
      () => world.plain('oubli.subject_key').where({ key_id: hers.key_id }).update({ fingerprint: old.fingerprint }),
    ])
      expect(await failureOf(attempt)).to.have.property('code', 'OU002');
    expect(await keyOf(living)).to.deep.equal(hers);
  });

  it('K4: whether a key or a person is fenced is found by indexes', async () => {
    const plan = async (sql: string): Promise<string> =>
      (await world.plain.raw(`explain ${sql}`)).rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
    await world.plain.raw(`insert into oubli.fence (key_id, fingerprint, subject_reference, erased_at)
      select decode(md5(n::text), 'hex'), decode(md5('f' || n), 'hex'), decode(md5('r' || n), 'hex'), now() from generate_series(1, 5000) n;
      analyze oubli.fence`);
    const some = `unnest(array['\\x01', '\\x02']::bytea[]) w(bytes)`;
    for (const [column, index] of [
      ['key_id', 'fence_pkey'],
      ['fingerprint', 'fence_fingerprint_idx'],
      ['subject_reference', 'fence_subject_reference_idx'],
    ])
      expect(await plan(`select from ${some} where exists (select from oubli.fence f where f.${column} = w.bytes)`))
        .to.contain(index)
        .and.not.contain('Seq Scan on fence');
  });
});
