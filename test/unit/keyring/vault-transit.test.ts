/** What is Vault's own of keys that it wraps: its token, namespaces, policies, and how it destroys. */
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { ConfigurationError, documentFile, KeyUnavailableError, type RemoteKeys, vaultTransitKeys } from '../../../src';
import { vaultPoliciesOf } from '../../support/policies';
import { expectFix, refusalOf } from '../../support/refusals';
import { remoteKeysWorld, vaultService } from '../../support/remote-keys';
import { VaultStandIn } from '../../support/vault-stand-in';

describe('Keys wrapped by Vault’s transit engine (a stand-in)', () => {
  const world = remoteKeysWorld();
  const vaults: VaultStandIn[] = [];
  afterEach(async () => {
    for (const vault of vaults.splice(0)) await vault.stop();
    await rm(path.join(world.folder(), 'keys.json'), { force: true });
  });

  async function started(vault = new VaultStandIn()): Promise<VaultStandIn> {
    vaults.push(vault);
    return vault.start();
  }
  function keysOf(vault: VaultStandIn, over: Partial<Parameters<typeof vaultTransitKeys>[0]> = {}): RemoteKeys {
    const document = documentFile({ file: path.join(world.folder(), 'keys.json') });
    const { address, token } = vault;
    return vaultTransitKeys({ installation: 'shop', address, token, document, attempts: 1, ...over });
  }

  it('are named by their installation, and by what they wrap', async () => {
    const vault = await started();
    await keysOf(vault).create();
    expect([...vault.keys.keys()]).to.deep.equal(['oubli--shop--roots', 'oubli--shop--epoch-1']);
    expect(keysOf(vault).name).to.equal(`Vault at ${vault.address}, file ${path.join(world.folder(), 'keys.json')}`);
  });

  it('K7 are destroyed at once, and that they are gone is asked', async () => {
    const vault = await started();
    await keysOf(vault).create();
    await keysOf(vault).openEpoch(2);
    vault.calls.length = 0;
    const destruction = await keysOf(vault).destroyEpoch(1);
    expect(destruction).to.deep.include({ is: 'destroyed', proven: true });
    expect(destruction.how).to.contain('transit key oubli--shop--epoch-1 deleted');
    expect(vault.calls).to.deep.equal([
      'GET transit/keys/oubli--shop--roots',
      'GET transit/keys/oubli--shop--epoch-1',
      'POST transit/keys/oubli--shop--epoch-1/config',
      'DELETE transit/keys/oubli--shop--epoch-1',
      'GET transit/keys/oubli--shop--epoch-1',
    ]);
    expect(await keysOf(vault).destroyEpoch(1)).to.deep.equal(destruction);
  });

  it('cannot be deleted by anybody until their epoch is destroyed', async () => {
    const vault = await started();
    await keysOf(vault).create();
    expect([...vault.keys.values()].map(({ deletionAllowed }) => deletionAllowed)).to.deep.equal([false, false]);
  });

  it('are not said to be destroyed while Vault still has them', async () => {
    const vault = await started();
    await keysOf(vault).create();
    await keysOf(vault).openEpoch(2);
    const [roots, epoch1, config, refused] = [...'123']
      .map(() => ({ status: 200, body: {} }))
      .concat({ status: 400, body: {} });
    vault.failNext(roots!, epoch1!, config!, refused!);
    expect((await refusalOf(() => keysOf(vault).destroyEpoch(1))).code).to.equal('KEY_SERVICE_REFUSED');
    expect(vault.keys.has('oubli--shop--epoch-1')).to.equal(true);
    expect((await world.document()).epochs[1]?.state).to.equal('destroying');
  });

  it('are not said to be gone where it is the engine that is not there', async () => {
    const vault = await started();
    await keysOf(vault).create();
    await keysOf(vault).openEpoch(2);
    expect((await refusalOf(() => keysOf(vault, { mount: 'moved' }).destroyEpoch(1))).code).to.equal(
      'KEY_SERVICE_REFUSED',
    );
    expect((await refusalOf(() => keysOf(vault, { namespace: 'other' }).destroyEpoch(1))).code).to.equal(
      'KEY_SERVICE_REFUSED',
    );
    expect(vault.keys.has('oubli--shop--epoch-1')).to.equal(true);
  });

  it('are found in their namespace and under their mount', async () => {
    const vault = await started(new VaultStandIn('admin/payroll', 'eu/transit'.split('/')[1]));
    await vaultService(world.folder, vault).keys().create();
    expect((await vaultService(world.folder, vault).keys().load()).epochs.size).to.equal(1);
    expect(await refusalOf(() => keysOf(vault).load())).to.be.instanceOf(ConfigurationError);
  });

  it('are had with whatever token there is now: an agent renews it', async () => {
    const vault = await started();
    let token = 'hvs.expired';
    const keys = keysOf(vault, { token: async () => `${token}\n` });
    expect((await refusalOf(() => keys.create())).code).to.equal('KEY_SERVICE_REFUSED');
    token = vault.token;
    await keys.create();
    for (const none of ['', ' ', 'a token\nof two lines', undefined as unknown as string]) {
      const error = await refusalOf(() => keysOf(vault, { token: () => none }).load());
      expect(error.code).to.equal('KEY_SERVICE_TOKEN');
    }
  });

  it('can be had again when their token can, and what its function throws is not repeated', async () => {
    const vault = await started();
    await keysOf(vault).create();
    for (const thrown of [Object.assign(new Error('hvs.secret'), { code: 'ENOENT' }), new Error('hvs.secret')]) {
      const error = await refusalOf(() => keysOf(vault, { token: () => Promise.reject(thrown) }).load());
      expect(error).to.be.instanceOf(KeyUnavailableError).and.to.have.property('code', 'KEY_SERVICE_UNREACHABLE');
      expect(inspect(error)).not.to.contain('hvs.');
    }
  });

  it('are not waited for where what gives the token never answers', async () => {
    const vault = await started();
    await keysOf(vault).create();
    vault.calls.length = 0;
    const silent = keysOf(vault, { token: () => new Promise<string>(() => undefined), timeoutMs: 20, attempts: 2 });
    const error = await refusalOf(() => silent.load());
    expect(error).to.be.instanceOf(KeyUnavailableError);
    expect(error.message).to.contain('token(): ETIMEDOUT');
    expect(vault.calls).to.deep.equal([]);
  });

  it('come from no answer that is JSON and none of Vault’s', async () => {
    const vault = await started();
    await keysOf(vault).create();
    for (const body of ['null', '[]', '7', '"text"', '{"data":null}', '{"data":{"plaintext":7},"errors":null}']) {
      const answer = { status: 200, body };
      vault.failNext(answer, answer, answer);
      expect((await refusalOf(() => keysOf(vault).load())).code, body).to.equal('KEY_SERVICE_ANSWER');
    }
    const unsupported = { status: 405, body: { errors: [] } };
    vault.failNext(unsupported, unsupported, unsupported);
    expect((await refusalOf(() => keysOf(vault).load())).code).to.equal('KEY_SERVICE_REFUSED');
  });

  it('can be had again when Vault is unsealed', async () => {
    const vault = await started();
    await keysOf(vault).create();
    vault.sealed = true;
    expect(await refusalOf(() => keysOf(vault).load())).to.be.instanceOf(KeyUnavailableError);
    vault.sealed = false;
    expect((await keysOf(vault).load()).epochs.size).to.equal(1);
  });

  it('K8 are refused from a Vault that overlooks what they are bound to', async () => {
    const vault = await started();
    vault.bindsKeys = false;
    const error = await refusalOf(() => keysOf(vault).create());
    expect(error.code).to.equal('KEY_SERVICE_UNBOUND');
    expectFix(error, /1\.13/);
  });

  it('are asked for over https, or from this host', () => {
    const wrong = [
      'http://vault.example.org:8200',
      'vault.example.org',
      'ftp://127.0.0.1',
      'https://me:secret@vault.org',
      '',
    ];
    for (const address of wrong) {
      const make = (): RemoteKeys => vaultTransitKeys({ installation: 'shop', address, token: 't', document: nowhere });
      expect(make, address).to.throw(ConfigurationError, `'address'`);
      expect(make).not.to.throw('secret');
    }
    for (const address of [
      'https://vault.example.org:8200',
      'http://localhost:8100',
      'http://[::1]:8100/behind/a/path',
    ])
      expect(vaultTransitKeys({ installation: 'shop', address, token: 't', document: nowhere }).name).to.contain(
        'Vault at',
      );
  });

  it('are asked for nowhere else than at their address, whoever answers that they have moved', async () => {
    const elsewhere: unknown[] = [];
    const other = createServer((request, response) => {
      elsewhere.push(request.headers['x-vault-token']);
      response.end('{}');
    }).listen(0, '127.0.0.1');
    const vault = await started();
    await keysOf(vault).create();
    const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/v1/transit/decrypt/x`;
    for (const status of [301, 302, 307, 308]) {
      const moved = { status, headers: { location } };
      vault.failNext(moved, moved, moved);
      expect(await refusalOf(() => keysOf(vault).load())).to.be.instanceOf(KeyUnavailableError);
    }
    other.close();
    expect(elsewhere).to.deep.equal([]);
  });

  it('need no more than the policies of the guide allow', async () => {
    const { application, rotation } = vaultPoliciesOf('examples/key-providers.md');
    const vault = await started();
    vault.policy = rotation!;
    await keysOf(vault).create();
    await keysOf(vault).openEpoch(2);
    vault.policy = application!;
    expect((await keysOf(vault).load()).epochs.size).to.equal(2);
    expect((await refusalOf(() => keysOf(vault).openEpoch(3))).code).to.equal('KEY_SERVICE_REFUSED');
    expect((await refusalOf(() => keysOf(vault).destroyEpoch(1))).code).to.equal('KEY_SERVICE_REFUSED');
    vault.policy = rotation!;
    expect((await keysOf(vault).destroyEpoch(1)).is).to.equal('destroyed');
    for (const [verb, of] of [
      ['DELETE', 'keys/oubli--shop--roots'],
      ['POST', 'keys/oubli--shop--roots/config'],
      ['POST', 'keys/oubli--other--epoch-1'],
      ['POST', 'encrypt/oubli--shop--epoch-99'],
    ]) {
      const headers = { 'X-Vault-Token': vault.token };
      const { status } = await fetch(`${vault.address}/v1/transit/${of}`, { method: verb!, headers, body: '{}' });
      expect(status, `${verb} ${of}`).to.equal(403);
    }
  });
});

const nowhere = documentFile({ file: '/nowhere' });
