/** An epoch key that somebody else may have: every key that it opens is replaced, and every value sealed anew (ENVELOPE.md K5, K2-K4). */
import { expect } from 'chai';
import knexPackage, { type Knex } from 'knex';
import { annotate, fileJournal, localKeys, replay } from '../../src';
import { keyIdOf } from '../../src/crypto/envelope';
import type { Reseal } from '../../src/lifecycle/reseal/reseal';
import { backUp } from '../support/backup';
import { failureOf, refusalOf } from '../support/refusals';
import { until } from '../support/waiting';
import { createWorld, type World } from '../support/world';

const BECAUSE = 'the key file was in a public repository';

describe('An epoch that is compromised', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(() => world.end());

  const people = async (count: number, from = 0): Promise<number[]> => {
    const rows = Array.from({ length: count }, (_, i) => ({
      ...{ email: `p${from + i}@example.org`, name: `n${from + i}`, crm_id: `c${from + i}` },
    }));
    const ids = (await world.db('users').insert(rows).returning('id')).map(({ id }) => Number(id));
    await world.db('invoices').insert(ids.map((id) => ({ user_id: id, billing_address: `street ${id}`, total: 1 })));
    return ids;
  };
  const hex = (bytes: Buffer): string => bytes.toString('hex');
  const keys = async (): Promise<string[]> =>
    (await world.plain('oubli.subject_key').orderBy('key_id').pluck('key_id')).map(hex);
  /** Under whose key each value of a column is. */
  const sealedUnder = async (column: string, table = 'users'): Promise<string[]> => {
    const { rows } = await world.plain.raw(`select ??::bytea as value from ?? where ?? is not null order by id`, [
      column,
      table,
      column,
    ]);
    return rows.map(({ value }: { value: Buffer }) => hex(Buffer.from(keyIdOf(value))));
  };
  const linked = async (): Promise<string[]> =>
    (await world.plain('oubli.subject_link').orderByRaw('subject_id::integer').pluck('key_id')).map(hex);
  const acts = (): Promise<string[]> => world.plain('oubli.ledger').orderBy('entry').pluck('act').then();
  const reseal = (instance = world) => instance.epochs.compromised(1, { because: BECAUSE });
  /** Stopped when the names of some people are sealed anew, while somebody has other rows locked. */
  const resealNamesOf = async (...places: number[]): Promise<Reseal> => {
    const before = await linked();
    const stop = new AbortController();
    const resealing = world.epochs.compromised(1, { because: BECAUSE, pace: { patience: 0 }, signal: stop.signal });
    await until('names that are sealed anew', async () => {
      const [now, names] = [await linked(), await sealedUnder('name')];
      return places.every((place) => now[place] !== before[place] && names[place] === now[place]);
    });
    stop.abort();
    return resealing;
  };

  it('K5: every living key that it opens is replaced, every value is sealed anew, and the old keys are gone', async () => {
    await people(120);
    const before = { keys: await keys(), emails: await world.plain('users').orderBy('id').select('email', 'crm_id') };
    const other = await world.another();
    expect(await other.db('users').pluck('name')).to.have.length(120);
    const report = await reseal();
    expect(report).to.deep.equal({
      ...{ epoch: 1, replaced: 120, destroyed: 120, rows: 240, archived: 0, finished: true },
    });
    const after = await keys();
    expect(after).to.have.length(120);
    expect(after.filter((key) => before.keys.includes(key))).to.deep.equal([]);
    expect(await sealedUnder('email')).to.deep.equal(await linked());
    expect(await sealedUnder('name')).to.deep.equal(await linked());
    expect(await sealedUnder('billing_address', 'invoices')).to.deep.equal(await linked());
    const emails = await world.plain('users').orderBy('id').select('email', 'crm_id');
    expect(emails.map(({ crm_id }) => crm_id)).to.deep.equal(before.emails.map(({ crm_id }) => crm_id));
    expect(emails.map(({ email }) => hex(email.subarray(8, 24)))).to.deep.equal(
      before.emails.map(({ email }) => hex(email.subarray(8, 24))),
    );
    for (const { db } of [world, other, await world.another()]) {
      expect(await db('users').where({ email: 'P7@example.org' }).pluck('name')).to.deep.equal(['n7']);
      expect(await db('invoices').pluck('billing_address')).to.have.length(120);
      await db('users').where({ email: 'p8@example.org' }).update({ name: 'N8' });
    }
    expect(await sealedUnder('name')).to.deep.equal(await linked());
    expect(await acts()).to.deep.equal([
      ...['epoch compromised', 'epoch opened', 'epoch drained', 'keys replaced'],
      ...['replaced keys destroyed', 'epoch resealed'],
    ]);
    const [, first] = await world.epochs.list();
    expect(first).to.deep.include({ epoch: 1, state: 'drained', keys: 0 });
    expect(first?.resealedAt).to.be.instanceOf(Date);
    expect(await world.epochs.destroy(1, { because: BECAUSE })).to.include({ is: 'destroyed' });
    expect(await world.db('users').pluck('name')).to.have.length(120);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
    expect(await reseal()).to.deep.include({ replaced: 0, rows: 0, finished: true });
  });

  it('K5: keys that were wrapped anew since are replaced, too, and those that were made later are not', async () => {
    await people(3);
    await world.epochs.rotate({ keep: 'none' });
    await people(2, 3);
    const before = await linked();
    expect(await reseal()).to.deep.include({ replaced: 3, destroyed: 3, rows: 6, finished: true });
    const after = await linked();
    expect(after.map((key, i) => key === before[i])).to.deep.equal([false, false, false, true, true]);
    expect(await world.db('users').pluck('name')).to.have.length(5);
    expect((await refusalOf(() => world.epochs.compromised(9, { because: 'x' }))).code).to.equal('NO_SUCH_EPOCH');
    expect((await refusalOf(() => world.epochs.compromised(1, { because: ' ' }))).code).to.equal('NO_BECAUSE');
    expect(await world.epochs.compromised(2, { because: 'again' })).to.deep.include({ replaced: 5, finished: true });
    expect(await sealedUnder('name')).to.deep.equal(await linked());
  });

  it('K4: an old key comes back by no insert, and no value under it is stored', async () => {
    const [id = 0] = await people(1);
    const [key] = await world.plain('oubli.subject_key');
    const [old] = await world.plain('users').select('name');
    await world.plain.raw('create table copied_as_bytes as select name::bytea as name from users');
    await reseal();
    expect(
      (await failureOf(() => world.plain('oubli.subject_key').insert({ ...key, epoch: 2, born: 2, successor: null })))
        .code,
    ).to.equal('OU002');
    const stored = world.plain('users').where({ id }).update({ name: old.name });
    expect((await failureOf(() => stored)).code).to.equal('OU050');
    const copy = await world.another();
    const read = copy.db('copied_as_bytes').select(copy.db.raw('name::oubli."users.name" as name'));
    expect((await refusalOf(() => read)).code).to.equal('VALUE_RESEALED');
  });

  it('K3: who has an old key in a cache, and has not heard, writes under the new one', async () => {
    const [id = 0] = await people(1);
    const deaf = await world.another({ factory: deafened });
    await deaf.db('users').where({ id }).update({ name: 'first' });
    await reseal();
    await deaf.db('users').where({ id }).update({ name: 'second' });
    await deaf.db('users').insert({ email: 'new@example.org', name: 'new' });
    expect(await world.db('users').where({ id }).pluck('name')).to.deep.equal(['second']);
    expect(await sealedUnder('name')).to.deep.equal(await linked());
  });

  it('K3: in a transaction it is refused, and the next attempt is under the new one', async () => {
    const [id = 0] = await people(1);
    const deaf = await world.another({ factory: deafened });
    await deaf.db('users').where({ id }).update({ name: 'first' });
    await reseal();
    const work = (): Promise<unknown> => deaf.db.transaction((trx) => trx('users').where({ id }).update({ name: 'x' }));
    expect((await refusalOf(work)).code).to.equal('KEY_REPLACED');
    await work();
    expect(await world.db('users').where({ id }).pluck('name')).to.deep.equal(['x']);
  });

  it('K3: a writer at work keeps her key until he has ended, and loses nothing', async () => {
    const [a = 0, b = 0] = await people(2);
    const trx = await world.db.transaction();
    await trx('users').where({ id: a }).update({ name: 'written meanwhile' });
    expect((await resealNamesOf(1)).finished).to.equal(false);
    await trx.commit();
    expect(await reseal()).to.deep.include({ finished: true });
    expect(await world.db('users').whereIn('id', [a, b]).orderBy('id').pluck('name')).to.deep.equal([
      'written meanwhile',
      'n1',
    ]);
    expect(await sealedUnder('name')).to.deep.equal(await linked());
  });

  it('H1, K4: what is held, restricted, kept, copied and written by triggers is sealed anew, and nobody is let in meanwhile', async () => {
    const [held = 0, restricted = 0, gone = 0, other = 0] = await people(4);
    await world.subject('user', gone).erase({ because: 'her request', probe: 'off' });
    await world.plain.raw(`
      create table users_history (like users);
      create function keep_history() returns trigger language plpgsql as $$ begin insert into users_history select old.*; return old; end $$;
      create trigger history after update on users for each row execute function keep_history();
      create table copied as select * from users;`);
    await world.holds.open({ name: 'case 1', ground: 'a claim' });
    await world.holds.place('case 1', world.subject('user', held));
    await world.subject('user', restricted).restrict({ because: 'she contests it' });
    const before = await keys();
    const { archived: _, ...report } = await reseal();
    expect(report).to.deep.include({ replaced: 4, destroyed: 4, finished: true });
    expect((await keys()).filter((key) => before.includes(key))).to.deep.equal([]);
    const current = new Set(await keys());
    for (const table of ['users', 'users_history', 'copied'])
      for (const key of await sealedUnder('name', table)) expect(current, table).to.include(key);
    expect((await sealedUnder('billing_address', 'invoices')).filter((key) => !current.has(key))).to.deep.equal([]);
    const [link] = await world.plain('oubli.subject_link').where({ subject_id: gone });
    expect(await sealedUnder('billing_address', 'invoices')).to.include(hex(link.retained_key_id));
    expect((await refusalOf(() => world.db('users').where({ id: restricted }).first())).code).to.equal('RESTRICTED');
    expect(await world.db('users').whereIn('id', [held, other]).orderBy('id').pluck('name')).to.deep.equal([
      'n0',
      'n3',
    ]);
    expect((await refusalOf(() => world.subject('user', held).erase({ because: 'x' }))).code).to.equal('HELD');
    const raw = world.plain('users').where({ id: held }).update({ nickname: 'x' });
    expect((await failureOf(() => raw)).code).to.equal('OU035');
    expect(await world.plain('oubli.errand').unionAll(world.plain('oubli.resealing'))).to.deep.equal([]);
  });

  it('K5: what cannot be sealed anew keeps its key, and is named; everybody else has a new one', async () => {
    const [damaged = 0] = await people(3);
    const [{ name }] = await world.plain('users').where({ id: damaged }).select('name');
    const broken = Buffer.from(name);
    broken[broken.length - 1] = (broken[broken.length - 1] as number) ^ 1;
    await world.plain('users').where({ id: damaged }).update({ name: broken });
    const error = await refusalOf(() => reseal());
    expect(error.code).to.equal('VALUES_DAMAGED');
    expect(error.message).to.contain('users').and.not.contain('n0');
    expect(await world.plain('oubli.subject_key').whereNotNull('successor')).to.have.length(1);
    expect((await world.epochs.list())[1]?.resealedAt).to.equal(undefined);
    await world.plain('users').where({ id: damaged }).update({ name });
    await world.plain.raw('create table lists as select array_agg(name) as names from users');
    await world.plain.raw('create materialized view names as select id, name from users');
    const arrays = await refusalOf(() => reseal());
    expect([arrays.code, arrays.table, arrays.column]).to.deep.equal(['RESEAL_STAYS', 'lists', 'names']);
    await world.plain('lists').update({ names: world.plain.raw('array(select name from users)') });
    const view = await refusalOf(() => reseal());
    expect(view.code).to.equal('RESEAL_VIEW');
    expect(view.fix).to.contain('refresh materialized view names');
    await world.plain.raw('refresh materialized view names');
    expect((await reseal()).finished).to.equal(true);
    expect(await sealedUnder('name', 'names')).to.deep.equal(await sealedUnder('name'));
    expect(await sealedUnder('name')).to.deep.equal(await linked());
  });

  it('K5: where values wait to be sealed for the first time, they are first', async () => {
    await world.plain.raw(`
      create table guests (id int primary key, user_id int not null references users, name text, note text);
      create index on guests (user_id);`);
    const [id] = await people(1);
    await world.plain('guests').insert({ id: 1, user_id: id, name: 'waits', note: 'waits' });
    const sealed = { category: 'identity.name', protect: 'encrypt' } as const;
    await world.plain.transaction((trx) =>
      annotate(trx, 'guests', {
        data: { purpose: 'a test', basis: 'contract' },
        columns: { name: sealed, note: sealed },
      }),
    );
    const other = await world.another();
    await other.db('guests').where({ id: 1 }).update({ name: 'sealed' });
    const error = await refusalOf(() => other.epochs.compromised(1, { because: BECAUSE }));
    expect([error.code, error.fix]).to.deep.equal([
      'RESEAL_WAITS',
      'npx oubli backfill guests  # or unprotect, if that was begun; then npx oubli keys compromised again',
    ]);
    await other.backfill('guests');
    expect((await other.epochs.compromised(1, { because: BECAUSE })).finished).to.equal(true);
    expect(await other.db('guests').select('name', 'note')).to.deep.equal([{ name: 'sealed', note: 'waits' }]);
  });

  it('K4, L2: who is erased on the way leaves with both keys, and a request from before is answered', async () => {
    const [id = 0, stays = 0] = await people(2);
    await world.holds.open({ name: 'case 2', ground: 'a claim' });
    await world.holds.place('case 2', world.subject('user', id));
    expect((await refusalOf(() => world.subject('user', id).erase({ because: 'her request' }))).code).to.equal('HELD');
    const trx = await world.plain.transaction();
    await trx('users').where({ id }).forUpdate();
    const before = await linked();
    await resealNamesOf(1);
    const [left] = await world.plain('oubli.subject_key').where({ key_id: Buffer.from(before[0] as string, 'hex') });
    expect([hex(left.key_id), hex(left.successor)]).to.deep.equal([before[0], (await linked())[0]]);
    await trx.commit();
    expect(await world.requests({ open: true })).to.have.length(1);
    await world.holds.release('case 2', { because: 'settled' });
    const receipt = await world.subject('user', id).erase({ because: 'her request', probe: 'off' });
    expect(receipt.keyId).to.equal(hex(left.successor));
    expect(await world.requests({ open: true })).to.deep.equal([]);
    const fenced = await world.plain('oubli.fence').whereNotNull('subject_reference').orderBy('successor');
    expect(fenced.map(({ key_id }) => hex(key_id))).to.have.members([hex(left.key_id), hex(left.successor)]);
    expect((await reseal()).finished).to.equal(true);
    expect((await keys()).filter((key) => before.includes(key))).to.deep.equal([]);
    expect(await world.db('users').where({ id: stays }).pluck('name')).to.deep.equal(['n1']);
    expect(await world.plain('oubli.ledger').where({ act: 'erased' })).to.have.length(1);
  });

  it('a scope counts a person once, though she has two keys until all of hers is sealed anew', async () => {
    const [id = 0, stranger = 0] = await people(2);
    const trx = await world.plain.transaction();
    await trx('invoices').where({ user_id: id }).forUpdate();
    await resealNamesOf(0, 1);
    const both = await sealedUnder('name');
    expect(both[0]).not.to.equal((await sealedUnder('billing_address', 'invoices'))[0]);
    for (const limits of [{ max: 1 }, { subjects: [world.subject('user', id)], max: 1 }]) {
      const { db } = { db: world.scope({ purpose: 'her page', ...limits }) };
      expect(await db('users').where({ id }).pluck('name')).to.deep.equal(['n0']);
      expect(await db('invoices').where({ user_id: id }).pluck('billing_address')).to.have.length(1);
      const beyond = await refusalOf(() => db('users').where({ id: stranger }).first('name'));
      expect(beyond.code).to.equal('SCOPE_EXCEEDED');
    }
    await trx.commit();
  });

  it('Art. 18: who is restricted on the way is restricted by both keys, also where one is in a cache', async () => {
    const [id = 0] = await people(1);
    const trx = await world.plain.transaction();
    await trx('invoices').where({ user_id: id }).forUpdate();
    await resealNamesOf(0);
    const other = await world.another();
    const address = (): Promise<unknown> => other.db('invoices').where({ user_id: id }).pluck('billing_address').then();
    expect(await address()).to.have.length(1);
    await trx.commit();
    await world.subject('user', id).restrict({ because: 'she contests it' });
    let refused = '';
    while (refused === '')
      await address().then(
        () => new Promise((resolve) => setImmediate(resolve)),
        (error) => (refused = error.code),
      );
    expect(refused).to.equal('RESTRICTED');
    expect((await refusalOf(() => world.db('invoices').where({ user_id: id }))).code).to.equal('RESTRICTED');
  });

  it('S1: who was erased after her key was replaced is erased again in a backup from before', async () => {
    const journal = fileJournal({ file: `${world.keyFile}.journal` });
    const served = await world.another({ journal });
    const [{ id }] = await served
      .db('users')
      .insert([
        { email: 'a@example.org', name: 'A' },
        { email: 'b@example.org', name: 'B' },
      ])
      .returning('id');
    const backup = await backUp(world.url);
    const again = await world.another({ journal });
    await again.epochs.compromised(1, { because: BECAUSE });
    const receipt = await again.subject('user', id).erase({ because: 'her request', probe: 'off' });
    const { certificate } = await again.certificate(receipt.entry);
    expect(certificate.unrecoverableAt).to.equal(null);
    expect(certificate.unrecoverableBecause).to.match(/the key of epoch 1, which somebody else may have/);
    await backup.restore();
    const restored = knexPackage({ client: 'pg', connection: world.url });
    expect((await replay(restored, { keys: localKeys({ file: world.keyFile }), journal })).erased).to.equal(1);
    expect(await restored('users').whereNotNull('name')).to.have.length(1);
    await restored.destroy();
    await backup.drop();
  });
});

/** Hears no announcement. */
const deafened = ((config: Knex.Config) => {
  const knex = knexPackage(config);
  const { client } = knex;
  const acquire = client.acquireRawConnection;
  client.acquireRawConnection = async function (this: unknown) {
    const connection = await acquire.call(this);
    const on = connection.on.bind(connection);
    connection.on = (event: string, listener: unknown) => (event === 'notification' ? connection : on(event, listener));
    return connection;
  };
  return knex;
}) as typeof knexPackage;
