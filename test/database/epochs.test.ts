/** Keys that can forget: epochs are opened, drained and destroyed, and what was erased before is gone from every backup (ENVELOPE.md K4-K7). */
import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import knexPackage from 'knex';
import { Client } from 'pg';
import { fileJournal, type KeyProvider, localKeys, replay } from '../../src';
import { moveClock, resetClock } from '../../src/testing';
import { backUp } from '../support/backup';
import { copyIn } from '../support/copy-in';
import { KmsStandIn } from '../support/kms-stand-in';
import { failureOf, refusalOf } from '../support/refusals';
import { kmsService, remoteKeysWorld, type Service } from '../support/remote-keys';
import { statementsOf } from '../support/sent-statements';
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

  for (const keep of ['none', '35 days'] as const) {
    const of = keep === 'none' ? 'is gone' : 'is there';
    it(`K4: a destroyed key that came back with a table restored past its triggers is destroyed again by a rotation; its epoch key ${of}`, async () => {
      const [gone = 0, stays] = await people(2);
      const hers = world
        .plain('oubli.subject_link')
        .where({ subject_id: `${gone}` })
        .select('key_id');
      const key = await world.plain('oubli.subject_key').whereIn('key_id', hers).first();
      await world.subject('user', gone).erase({ because: 'her request', probe: 'off' });
      await world.epochs.rotate({ keep });
      await world.plain.raw('alter table oubli.subject_key disable trigger all');
      await world.plain('oubli.subject_key').insert(key);
      await world.plain.raw('alter table oubli.subject_key enable trigger all');
      expect(await world.epochs.rotate()).to.deep.include({ epoch: 3, rewrapped: 1, finished: true });
      expect(await wrapped()).to.deep.equal([{ epoch: 3, count: 1 }]);
      const entries = await world.plain('oubli.ledger').where({ act: 'shredded' });
      expect(entries.map(({ key_id }) => key_id)).to.deep.equal([key.key_id]);
      expect(await world.db('users').where({ id: stays }).pluck('name')).to.deep.equal(['n1']);
      expect((await world.verifyLedger()).broken).to.deep.equal([]);
    });
  }

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

  it('K5: a rotation looks at blocks of the table, and for what is left by an index', async () => {
    await people(1);
    const sent = await statementsOf(() => world.epochs.rotate());
    await world.plain.raw(`insert into oubli.subject_key (key_id, epoch, wrapped, fingerprint)
      select decode(md5(n::text), 'hex'), 2, decode(repeat('00', 72), 'hex'), decode(md5('f' || n), 'hex') from generate_series(1, 20000) n;
      analyze oubli.subject_key`);
    const client = new Client({ connectionString: world.url });
    await client.connect();
    const planOf = async (part: RegExp, asked = (own: unknown[]) => own): Promise<string> => {
      const { text, values } = sent.find((each) => part.test(each.text)) as (typeof sent)[number];
      const { rows } = await client.query(`explain ${text}`, asked(values));
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    try {
      const chunk = /skip locked$/;
      expect(await planOf(chunk), 'few are left').to.contain('subject_key_epoch_idx');
      const all = (values: unknown[]): unknown[] => [...values.slice(0, -1), 3];
      expect(await planOf(chunk, all), 'all are')
        .to.contain('Tid Range Scan on subject_key')
        .and.not.contain('Seq Scan');
      expect(await planOf(/ as left$/))
        .to.contain('subject_key_epoch_idx')
        .and.not.contain('Seq Scan on subject_key');
      const { rows } = await client.query('explain select exists (select from oubli.subject_key k where k.epoch = 1)');
      expect(rows.map((row) => row['QUERY PLAN']).join('\n'), 'the trigger’s question').to.contain(
        'subject_key_epoch_idx',
      );
    } finally {
      await client.end();
    }
  });
});

describe('Epochs of keys that AWS KMS wraps (a stand-in)', () => {
  const remote = remoteKeysWorld();
  let service: Service;
  let kms: KmsStandIn;
  let world: World;
  before(async () => {
    kms = new KmsStandIn();
    service = kmsService(remote.folder, kms);
    await kms.start();
    await service.keys().create();
    world = await createWorld({ oubli: { keys: service.keys() } });
  });
  after(async () => {
    await world?.end();
    await kms.stop();
  });

  it('K5 K7: are rotated, and gone when AWS has deleted the old key: not before, whatever the clock here says', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => ({ email: `k${i}@example.org`, name: `n${i}` }));
    const [{ id }] = await world.db('users').insert(rows).returning('id');
    const { entry, keyId } = await world.subject('user', id).erase({ because: 'her request', probe: 'off' });
    const states = async (): Promise<string[]> =>
      (await world.epochs.list()).map(({ epoch, state, keys }) => `${epoch} ${state} ${keys}`);
    // what is in clear is in backups whatever became of the keys; here it is the sealed that counts
    await world.plain('oubli.annotation').whereIn('column_name', ['nickname', 'last_ip', 'crm_id']).delete();
    const auditor = await world.another({ keys: service.keys() });
    const unrecoverableAt = async () => (await auditor.certificate(entry)).certificate.unrecoverableAt;

    expect(await world.epochs.rotate({ keep: 'none' })).to.deep.include({ epoch: 2, rewrapped: 29, drained: [1] });
    expect(await states()).to.deep.equal(['2 newest 29', '1 scheduled 0']);
    const [scheduled] = (await world.epochs.list()).slice(-1);
    expect(scheduled?.destruction?.how).to.contain('arn:aws:kms:');
    expect(await unrecoverableAt()).to.equal(null);
    await moveClock(world.plain, '31 days');
    await world.epochs.rotate({ every: '60 days' });
    expect(await states(), 'AWS has it still').to.deep.equal(['2 newest 29', '1 scheduled 0']);
    expect(await unrecoverableAt()).to.equal(null);
    kms.passDays(31);
    await world.epochs.rotate({ every: '60 days' });
    expect(await states()).to.deep.equal(['2 newest 29', '1 destroyed 0']);
    expect(await unrecoverableAt()).to.be.a('string');
    expect((await world.epochs.list())[1]?.destruction).to.include({ is: 'destroyed', proven: true });

    expect(service.remoteKeys()).to.deep.equal(['alias/oubli/shop/roots', 'alias/oubli/shop/epoch-2']);
    const [fence] = await world.plain('oubli.fence');
    expect(fence.key_id.toString('hex')).to.equal(keyId);
    const started = await world.another({ keys: service.keys() });
    const left = rows.slice(1).map(({ name }) => name);
    expect(await started.db('users').whereNot({ id }).orderBy('id').pluck('name')).to.deep.equal(left);
    expect((await world.verifyLedger()).broken).to.deep.equal([]);
  });
});
