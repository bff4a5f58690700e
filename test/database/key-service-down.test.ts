/** What an application notices while the service that wraps its keys is down: Vault, of which a stand-in is stopped. */
import { expect } from 'chai';
import { KeyUnavailableError } from '../../src';
import { libsodiumEngine } from '../../src/crypto/libsodium';
import { wrapKey } from '../../src/crypto/subject-key';
import { type InterruptibleKeys, interruptibleKeys } from '../../src/testing';
import { refusalOf } from '../support/refusals';
import { remoteKeysWorld, type Service, vaultService } from '../support/remote-keys';
import { createWorld, type World } from '../support/world';

describe('While the service that wraps the keys is down', () => {
  const remote = remoteKeysWorld();
  let service: Service;
  let keys: InterruptibleKeys;
  let world: World;
  before(async () => {
    service = vaultService(remote.folder);
    await service.standIn.start();
    await service.keys().create();
    keys = interruptibleKeys(service.keys());
    world = await createWorld({ oubli: { keys } });
  });
  after(async () => {
    await world?.end();
    await service.standIn.stop();
  });

  async function whileDown(work: () => Promise<void>): Promise<void> {
    await service.standIn.stop();
    try {
      await work();
    } finally {
      await service.standIn.start();
    }
  }
  const newUser = async (email: string): Promise<number> => {
    const [{ id }] = await world.db('users').insert({ email, name: 'Ada' }).returning('id');
    return id;
  };
  const wrappedKeys = (): Promise<{ key_id: Buffer; epoch: number }[]> =>
    world.plain('oubli.subject_key').select('key_id', 'epoch').orderBy('created_at').then();

  it('nothing starts, and it does when the service answers again', async () => {
    await whileDown(async () => {
      const error = await refusalOf(() => world.another({ keys: service.keys() }));
      expect(error).to.be.instanceOf(KeyUnavailableError).and.to.have.property('code', 'KEY_SERVICE_UNREACHABLE');
      expect(error.message).to.contain('ECONNREFUSED');
    });
    const id = await newUser('start@example.org');
    const other = await world.another({ keys: service.keys() });
    expect((await other.db('users').where({ id }).first()).name).to.equal('Ada');
  });

  it('who is there is read, and who comes is written: the keys are in memory', async () => {
    const id = await newUser('there@example.org');
    await whileDown(async () => {
      const asked = keys.calls.length;
      expect((await world.db('users').where({ id }).first()).email).to.equal('there@example.org');
      const came = await newUser('came@example.org');
      expect((await world.db('users').where({ email: 'came@example.org' }).first()).id).to.equal(came);
      expect(keys.calls.length).to.equal(asked);
    });
  });

  it('who asks for it is erased, and her key fenced: nothing of that asks the service', async () => {
    const id = await newUser('leaves@example.org');
    const link = world.plain('oubli.subject_link').where({ kind: 'user', subject_id: `${id}` });
    const [{ key_id }] = await link.clone();
    await whileDown(async () => {
      const asked = keys.calls.length;
      await world.subject('user', id).erase({ because: 'her request of 3 March' });
      expect(keys.calls.length).to.equal(asked);
    });
    expect(await world.plain('users').where({ id }).first('name', 'last_ip', 'nickname')).to.deep.equal({
      name: null,
      last_ip: null,
      nickname: null,
    });
    expect(await world.plain('oubli.subject_key').where({ key_id })).to.deep.equal([]);
    expect(await world.plain('oubli.fence').where({ key_id })).to.have.length(1);
  });

  it('no epoch is opened, and the one before stays in use', async () => {
    const before = await remote.document();
    await whileDown(async () => {
      expect(await refusalOf(() => keys.openEpoch(2))).to.be.instanceOf(KeyUnavailableError);
      await newUser('before@example.org');
    });
    expect(await remote.document()).to.deep.equal(before);
    expect((await wrappedKeys()).at(-1)?.epoch).to.equal(1);
  });

  it('what another process has wrapped under an epoch opened since is not read, and nothing lost', async () => {
    const known = await newUser('known@example.org');
    await writeDownEpoch(2, await keys.openEpoch(2));
    const other = await world.another({ keys: service.keys() });
    const [{ id }] = await other.db('users').insert({ email: 'since@example.org', name: 'Grace' }).returning('id');
    expect((await wrappedKeys()).at(-1)?.epoch).to.equal(2);
    await whileDown(async () => {
      const read = await refusalOf(async () => world.db('users').where({ id }).first());
      expect(read).to.be.instanceOf(KeyUnavailableError).and.to.have.property('code', 'KEY_SERVICE_UNREACHABLE');
      const again = await refusalOf(async () => world.db('users').where({ id }).first());
      expect(again.code, 'too soon to be asked again').to.be.oneOf(['EPOCH_KEY_UNASKED', 'KEY_SERVICE_UNREACHABLE']);
      expect(again.message).to.contain('Vault at ');
      const written = await refusalOf(async () => world.db('users').where({ id }).update({ name: 'Grace H.' }));
      expect(written).to.be.instanceOf(KeyUnavailableError);
      expect((await world.db('users').where({ id: known }).first()).name).to.equal('Ada');
    });
    expect((await other.db('users').where({ id }).first()).name).to.equal('Grace');
  });

  it('K5: no key is wrapped anew, and a rotation is done when the service answers again', async () => {
    const other = await world.another({ keys: service.keys() });
    const epochsInUse = async (): Promise<number[]> => [...new Set((await wrappedKeys()).map(({ epoch }) => epoch))];
    expect(await other.epochs.rotate()).to.include({ epoch: 2, opened: false, finished: true });
    expect(await epochsInUse()).to.deep.equal([2]);
    await whileDown(async () => {
      expect(await refusalOf(() => other.epochs.rotate())).to.be.instanceOf(KeyUnavailableError);
    });
    expect(await epochsInUse()).to.deep.equal([2]);
    expect(await other.epochs.rotate()).to.include({ epoch: 3, opened: true, finished: true });
    expect(await epochsInUse()).to.deep.equal([3]);
    expect((await remote.document()).epochs[3]?.state).to.equal('living');
    expect((await other.db('users').where({ email: 'since@example.org' }).first()).name).to.equal('Grace');
  });

  /** As whoever opens an epoch writes it down, with the text that is opened at every start. */
  async function writeDownEpoch(id: number, kek: Uint8Array): Promise<void> {
    const knownText = Buffer.from('oubli/canary/v1 one wrong key a day').subarray(0, 32);
    const canary = wrapKey(await libsodiumEngine(), kek, Uint8Array.from(knownText), new Uint8Array(16), id);
    await world.plain('oubli.epoch').insert({ id, canary: Buffer.from(canary) });
  }
});
