/** Keys that can forget: epochs are opened, drained and destroyed, and what was erased before is gone from every backup (ENVELOPE.md K4-K7). */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import knexPackage from 'knex';
import { Client } from 'pg';
import { fileJournal, type KeyProvider, localKeys, replay } from '../../src';
import { moveClock, resetClock } from '../../src/testing';
import { backUp } from '../support/backup';
import { copyIn } from '../support/copy-in';
import { failureOf, refusalOf } from '../support/refusals';
import { createWorld, type World } from '../support/world';

describe('Epochs of keys', () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(() => world.end());

  const people = async (count: number): Promise<number[]> => {
    const rows = Array.from({ length: count }, (_, i) => ({ email: `p${i}@example.org`, name: `n${i}` }));
    return (await world.db('users').insert(rows).returning('id')).map(({ id }) => Number(id));
  };
  const wrapped = (): Promise<{ epoch: number; count: number }[]> =>
    world
      .plain('oubli.subject_key')
      .select('epoch', world.plain.raw('count(*)::integer as count'))
      .groupBy('epoch')
      .orderBy('epoch')
      .then();
  const names = async (db = world.db): Promise<string[]> => db('users').orderBy('id').pluck('name').then();
  const acts = (): Promise<string[]> =>
    world.plain('oubli.ledger').whereLike('act', 'epoch%').orderBy('entry').pluck('act').then();
  const documentOf = async (): Promise<string> => readFile(world.keyFile, 'utf8');

  it('K5: a rotation wraps every living key under a new key, and everybody reads on', async () => {
    await people(300);
    const other = await world.another();
    const before = await world.plain('oubli.subject_key').orderBy('key_id').pluck('wrapped');
    const rotation = await world.epochs.rotate();
    expect(rotation).to.deep.include({
      epoch: 2,
      opened: true,
      rewrapped: 300,
      drained: [1],
      finished: true,
      destroyed: [],
    });
    expect(await wrapped()).to.deep.equal([{ epoch: 2, count: 300 }]);
    const after = await world.plain('oubli.subject_key').orderBy('key_id').pluck('wrapped');
    expect(after.filter((each, i) => each.equals(before[i]))).to.deep.equal([]);
    for (const { db } of [world, other, await world.another()]) expect(await names(db)).to.have.length(300);
    expect(await acts()).to.deep.equal(['epoch opened', 'epoch drained']);
    expect((await world.epochs.list()).map(({ epoch, state, keys }) => ({ epoch, state, keys }))).to.deep.equal([
      { epoch: 2, state: 'newest', keys: 300 },
      { epoch: 1, state: 'drained', keys: 0 },
    ]);
  });

  it('K5: a process that has not heard of the new epoch makes its keys under it, and never under the old one', async () => {
    await people(3);
    const other = await world.another();
    await other.db('users').insert({ email: 'other@example.org', name: 'O' });
    await world.epochs.rotate();
    await other.db('users').insert({ email: 'late@example.org', name: 'L' });
    expect(await wrapped()).to.deep.equal([{ epoch: 2, count: 5 }]);
    const [key] = await world.plain('oubli.subject_key').limit(1);
    const slipped = { ...key, key_id: Buffer.alloc(16, 5), fingerprint: Buffer.alloc(16, 5), epoch: 1 };
    expect((await failureOf(() => world.plain('oubli.subject_key').insert(slipped))).code).to.equal('OU060');
    const back = world.plain('oubli.subject_key').where({ key_id: key.key_id }).update({ epoch: 1 });
    expect((await failureOf(() => back)).code).to.equal('OU060');
  });

  it('K6: nor by a transaction whose view of the database is older than the epoch', async () => {
    await people(1);
    const [key] = await world.plain('oubli.subject_key').limit(1);
    const old = await world.plain.transaction(undefined, { isolationLevel: 'repeatable read' });
    await old('oubli.epoch').first();
    await world.epochs.rotate();
    const slipped = { ...key, key_id: Buffer.alloc(16, 5), fingerprint: Buffer.alloc(16, 5) };
    expect((await failureOf(() => old('oubli.subject_key').insert(slipped))).code).to.equal('OU061');
    await old.rollback();
  });

  it('K6: an epoch key stays while a key is wrapped under it, and while backups are to be restorable', async () => {
    await people(3);
    const [key] = await world.plain('oubli.subject_key').limit(1);
    const damaged = Buffer.from(key.wrapped);
    damaged[30] = (damaged[30] as number) ^ 1;
    await world.plain('oubli.subject_key').where({ key_id: key.key_id }).update({ wrapped: damaged });
    const error = await refusalOf(() => world.epochs.rotate());
    expect(error.code).to.equal('WRAPPED_KEYS_DAMAGED');
    expect(error.message).to.contain(key.key_id.toString('hex'));
    expect(await wrapped()).to.deep.equal([
      { epoch: 1, count: 1 },
      { epoch: 2, count: 2 },
    ]);
    expect((await refusalOf(() => world.epochs.destroy(1, { because: 'too early' }))).code).to.equal(
      'EPOCH_NOT_DRAINED',
    );
    const drained = world.plain('oubli.epoch').where({ id: 1 });
    const now = { drained_at: new Date(), destroy_after: new Date() };
    expect((await failureOf(() => drained.update(now))).code).to.equal('23503');

    await world.plain('oubli.subject_key').where({ key_id: key.key_id }).update({ wrapped: key.wrapped });
    expect(await world.epochs.rotate({ keep: '14 days' })).to.deep.include({
      epoch: 2,
      opened: false,
      rewrapped: 1,
      drained: [1],
    });
    expect((await world.epochs.rotate({ every: '30 days' })).destroyed).to.deep.equal([]);
    await moveClock(world.plain, '14 days');
    const { destroyed } = await world.epochs.rotate({ every: '30 days' });
    expect(destroyed.map(({ epoch, destruction }) => [epoch, destruction.is])).to.deep.equal([[1, 'destroyed']]);
    await resetClock(world.plain);
    expect(Object.keys(JSON.parse(await documentOf()).epochs)).to.deep.equal(['2']);
    expect(await names()).to.have.length(3);
    expect((await refusalOf(() => world.epochs.destroy(2, { because: 'no' }))).code).to.equal('NEWEST_EPOCH');
    expect((await refusalOf(() => world.epochs.destroy(9, { because: 'no' }))).code).to.equal('NO_SUCH_EPOCH');
  });

  it('K6: an epoch key stays where the provider does not give the new one to whoever starts', async () => {
    await people(2);
    const file = localKeys({ file: world.keyFile });
    const forgetful: KeyProvider = {
      ...file,
      load: async () => {
        const { epochs, ...roots } = await file.load();
        return { ...roots, epochs: new Map([...epochs].filter(([epoch]) => epoch === 1)) };
      },
    };
    const other = await world.another({ keys: forgetful });
    expect((await refusalOf(() => other.epochs.rotate())).code).to.equal('EPOCH_NOT_KEPT');
    expect(await wrapped()).to.deep.equal([{ epoch: 1, count: 2 }]);
  });

  it('K5: what was wrapped before opens with no key that is left, and the certificate says since when', async () => {
    const [gone = 0, stays] = await people(2);
    const copies = await world.plain('oubli.subject_key').select('key_id', 'epoch', 'wrapped');
    const receipt = await world.subject('user', gone).erase({ because: 'her request', probe: 'off' });
    const before = (await world.certificate(receipt.entry)).certificate;
    expect(before.unrecoverableAt).to.equal(null);
    const { destroyed } = await world.epochs.rotate({ keep: 'none' });
    expect(destroyed).to.have.length(1);
    const inBackups = (await world.certificate(receipt.entry)).certificate;
    expect(inBackups.unrecoverableAt).to.equal(null);
    expect(inBackups.unrecoverableBecause).to.match(/in clear in users.*of what was sealed: every epoch key up to 1/);
    await world.plain('oubli.annotation').whereIn('column_name', ['nickname', 'last_ip', 'crm_id']).delete();
    const { certificate } = await (await world.another()).certificate(receipt.entry);
    const [{ destroyed_at }] = await world.plain('oubli.epoch').where({ id: 1 });
    expect(new Date(String(certificate.unrecoverableAt)).getTime()).to.equal(destroyed_at.getTime());
    expect(certificate.unrecoverableBecause).to.contain('not proven');
    const epochs = (await localKeys({ file: world.keyFile }).load()).epochs;
    expect(copies.map(({ epoch }) => epochs.has(epoch))).to.deep.equal([false, false]);
    expect(await world.db('users').where({ id: stays }).pluck('name')).to.deep.equal(['n1']);
    expect(await acts()).to.deep.equal(['epoch opened', 'epoch drained', 'epoch destroyed']);
    const entry = await world.plain('oubli.ledger').where({ act: 'epoch destroyed' }).first();
    expect(entry.details).to.include({ epoch: 1, erased: 1, is: 'destroyed', proven: false });
    expect((await world.epochs.restorable()).since).to.be.instanceOf(Date);
    expect((await (await world.another()).verifyLedger()).broken).to.deep.equal([]);
  });

  it('K7: what is only scheduled is not called destroyed before its date has come and the provider says so', async () => {
    await people(1);
    const file = localKeys({ file: world.keyFile });
    let on: Date | undefined = new Date(Date.now() + 7 * 86_400_000);
    const slow: KeyProvider = {
      ...file,
      destroyEpoch: async () =>
        on ? { is: 'scheduled', on, how: 'in seven days' } : { is: 'destroyed', proven: true, how: 'deleted' },
    } as KeyProvider;
    const other = await world.another({ keys: slow });
    await other.epochs.rotate({ keep: 'none' });
    expect((await other.epochs.list())[1]).to.deep.include({ epoch: 1, state: 'scheduled', destroyedAt: undefined });
    expect((await other.epochs.rotate({ every: '30 days' })).destroyed).to.deep.equal([]);
    await moveClock(world.plain, '8 days');
    await other.epochs.rotate({ every: '30 days' });
    expect((await other.epochs.list())[1]?.state).to.equal('scheduled');
    on = undefined;
    await other.epochs.rotate({ every: '30 days' });
    expect((await other.epochs.list())[1]).to.deep.include({ state: 'destroyed' });
    expect(await acts()).to.deep.equal(['epoch opened', 'epoch drained', 'epoch scheduled', 'epoch destroyed']);
  });

  it('K4: a destroyed key comes back by no insert, not by COPY, nor past triggers as a replica has it', async () => {
    const [id = 0] = await people(1);
    const [key] = await world.plain('oubli.subject_key');
    await world.subject('user', id).erase({ because: 'her request', probe: 'off' });
    for (const [row, sentence] of [
      [key, 'the row of a backup'],
      [{ ...key, key_id: Buffer.alloc(16, 7) }, 'its bytes under another id'],
    ]) {
      const insert = world.plain.transaction(async (trx) => {
        await trx.raw('set local session_replication_role = replica');
        await trx('oubli.subject_key').insert(row);
      });
      expect((await failureOf(() => insert)).code, sentence).to.equal('OU002');
    }
    const hex = (bytes: Buffer): string => `\\\\x${bytes.toString('hex')}`;
    const columns = [hex(key.key_id), '1', hex(key.wrapped), hex(key.fingerprint)];
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const copy = copyIn(
      client,
      'copy oubli.subject_key (key_id, epoch, wrapped, fingerprint) from stdin',
      columns.join('\t'),
    );
    expect((await failureOf(() => copy)).code).to.equal('OU002');
    await client.end();
    expect(await world.plain('oubli.subject_key')).to.deep.equal([]);
  });

  it('K5: a job looks each day, and rotates where the newest epoch is a week old and the provider makes keys', async () => {
    await people(2);
    const handlers = new Map<string, (jobs: unknown[]) => Promise<unknown>>();
    const scheduled = new Map<string, string>();
    const nothing = async (): Promise<string> => '';
    const boss = {
      ...{ createQueue: nothing, offWork: nothing, send: nothing },
      schedule: async (name: string, cron: string) => void scheduled.set(name, cron),
      work: async (name: string, _: object, handler: (jobs: unknown[]) => Promise<unknown>) => {
        handlers.set(name, handler);
        return name;
      },
    };
    const jobs = await world.startJobs(boss as never, { rotation: { keep: '14 days' } });
    expect(scheduled.get('oubli.rotation')).to.equal('30 4 * * *');
    const look = async (): Promise<string[]> => {
      await handlers.get('oubli.rotation')?.([{}]);
      return (await world.epochs.list()).map(({ epoch, state }) => `${epoch} ${state}`);
    };
    await moveClock(world.plain, '6 days');
    expect(await look()).to.deep.equal(['1 newest']);
    await moveClock(world.plain, '7 days');
    expect(await look()).to.deep.equal(['2 newest', '1 drained']);
    await moveClock(world.plain, '21 days');
    expect(await look()).to.deep.equal(['3 newest', '2 drained', '1 destroyed']);
    await jobs.stop();

    handlers.clear();
    const byHand = await world.another({ keys: { name: 'by hand', load: localKeys({ file: world.keyFile }).load } });
    await byHand.startJobs(boss as never);
    await world.startJobs(boss as never, { rotation: false });
    expect([...handlers.keys()]).to.deep.equal(['oubli.sweep']);
  });

  it('K5: a replay after a restore opens the epochs that came after the backup: the erased may be in copies under their keys', async () => {
    const file = `${world.keyFile}.journal`;
    const journal = fileJournal({ file });
    const served = await world.another({ journal });
    const rows = [
      { email: 'a@example.org', name: 'A' },
      { email: 'b@example.org', name: 'B' },
    ];
    const [{ id }] = await served.db('users').insert(rows).returning('id');
    const backup = await backUp(world.url);
    const again = await world.another({ journal });
    await again.epochs.rotate();
    const { keyId } = await again.subject('user', id).erase({ because: 'her request', probe: 'off' });
    await backup.restore();
    const restored = knexPackage({ client: 'pg', connection: world.url });
    const keys = localKeys({ file: world.keyFile });
    expect((await replay(restored, { keys, journal })).erased).to.equal(1);
    const { rows: fenced } = await restored.raw('select epoch from oubli.fence where key_id = ?', [
      Buffer.from(keyId, 'hex'),
    ]);
    expect(fenced).to.deep.equal([{ epoch: 2 }]);
    expect((await restored('oubli.epoch').orderBy('id').pluck('id')).map(Number)).to.deep.equal([1, 2]);
    await restored.destroy();
    await backup.drop();
  });
});
