/** Keys that a service wraps: what AWS KMS and Vault must both do, over stand-ins that speak their wire protocols. */
import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'chai';
import { ConfigurationError, KeyUnavailableError, type OubliError } from '../../../src';
import { expectFix, refusalOf } from '../../support/refusals';
import { kmsService, remoteKeysWorld, type Service, vaultService } from '../../support/remote-keys';
import { startUntrusted } from '../../support/untrusted';

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

for (const [name, serviceIn] of [
  ['Vault', vaultService],
  ['AWS KMS', kmsService],
] as const) {
  describe(`Keys wrapped by ${name} (a stand-in)`, () => {
    const world = remoteKeysWorld();
    let service: Service;
    beforeEach(async () => {
      service = serviceIn(world.folder);
      await service.standIn.start();
      await service.keys().create();
    });
    afterEach(async () => {
      await service.standIn.stop();
      await rm(path.join(world.folder(), 'keys.json'), { force: true });
    });

    it('K8 are made once, each 32 bytes of its own, and kept wrapped in a file of their owner’s', async () => {
      const { epochs, index, ledger } = await service.keys().load();
      const all = [...epochs.values(), index, ledger];
      expect(all.map((key) => key.length)).to.deep.equal([32, 32, 32]);
      expect(new Set(all.map(hex)).size).to.equal(3);
      const file = path.join(world.folder(), 'keys.json');
      expect((await stat(file)).mode & 0o777).to.equal(0o600);
      const kept = JSON.stringify(await world.document());
      for (const key of all) {
        expect(kept).not.to.contain(Buffer.from(key).toString('base64'));
        expect(kept).not.to.contain(hex(key));
      }
    });

    it('K9 are made for whole numbers of epochs only, and nothing is kept under another', async () => {
      const before = [await world.document(), service.remoteKeys()];
      for (const epoch of [1.5, 0, -1, Number.NaN, 2 ** 31, '2' as never]) {
        const error = await refusalOf(() => service.keys().openEpoch(epoch));
        expect(error.code, `${epoch}`).to.equal('BAD_EPOCH');
        expectFix(error, /npx oubli keys list/);
      }
      expect([await world.document(), service.remoteKeys()]).to.deep.equal(before);
    });

    it('are never made over others', async () => {
      const before = await world.document();
      const error = await refusalOf(() => service.keys().create());
      expect(error.code).to.equal('WRAPPED_DOCUMENT_EXISTS');
      expect(await world.document()).to.deep.equal(before);
    });

    it('are missed by the name of their document', async () => {
      const error = await refusalOf(() => service.keys({ file: 'none.json' }).load());
      expect(error).to.be.instanceOf(ConfigurationError).and.to.have.property('code', 'WRAPPED_DOCUMENT_MISSING');
      expectFix(error, /keys\.create\(\)/);
    });

    it('K5 stand under one remote key for the roots and one for each epoch', async () => {
      await service.keys().openEpoch(2);
      const { index, ledger, epochs } = await world.document();
      expect(index.key).to.equal(ledger.key);
      expect(new Set([index.key, epochs[1]?.key, epochs[2]?.key]).size).to.equal(3);
    });

    it('of a new epoch are in the document before they are given, and the same when asked for again', async () => {
      const opened = await service.keys().openEpoch(2);
      expect((await world.document()).epochs[2]?.state).to.equal('living');
      expect(hex(await service.keys().openEpoch(2))).to.equal(hex(opened));
      const { epochs } = await service.keys().load();
      expect([...epochs.keys()]).to.deep.equal([1, 2]);
      expect(hex(epochs.get(2))).to.equal(hex(opened));
    });

    it('of an epoch that two processes open at once are one', async () => {
      const [one, other] = await Promise.all([service.keys().openEpoch(2), service.keys().openEpoch(2)]);
      expect(hex(one)).to.equal(hex(other));
      expect(service.remoteKeys().filter((key) => key.endsWith('epoch-2'))).to.have.length(1);
    });

    it('K7 of a destroyed epoch are gone and stay so, and nothing else is', async () => {
      await service.keys().openEpoch(2);
      await service.keys().openEpoch(3);
      const before = await service.keys().load();
      await service.keys().destroyEpoch(2);
      const now = await service.keys().load();
      expect([...now.epochs.keys()]).to.deep.equal([1, 3]);
      for (const epoch of [1, 3]) expect(hex(now.epochs.get(epoch))).to.equal(hex(before.epochs.get(epoch)));
      expect([hex(now.index), hex(now.ledger)]).to.deep.equal([hex(before.index), hex(before.ledger)]);
      expect(service.remoteKeys().filter((key) => key.endsWith('epoch-2'))).to.deep.equal([]);
      expect((await refusalOf(() => service.keys().openEpoch(2))).code).to.equal('EPOCH_DESTROYED');
    });

    it('K5 of a destroyed epoch come back from no copy of the document that was taken before', async () => {
      await service.keys().openEpoch(2);
      const copy = await world.document();
      await service.keys().destroyEpoch(1);
      await world.write(copy);
      const error = await refusalOf(() => service.keys().load());
      expect(error).to.be.instanceOf(ConfigurationError).and.to.have.property('code', 'WRAPPED_KEY_REFUSED');
      expect(error.message).to.contain('epoch 1');
    });

    it('K6 of the newest epoch are not destroyed, nor of one that was never opened', async () => {
      expect((await refusalOf(() => service.keys().destroyEpoch(1))).code).to.equal('NEWEST_EPOCH');
      expect((await refusalOf(() => service.keys().destroyEpoch(7))).code).to.equal('UNKNOWN_EPOCH');
      expect(service.remoteKeys()).to.have.length(2);
    });

    it('of a new epoch are not made while nobody is there, and their document stays as it was', async () => {
      const before = await world.document();
      await service.standIn.stop();
      expect(await refusalOf(() => service.keys().openEpoch(2))).to.be.instanceOf(KeyUnavailableError);
      expect(await world.document()).to.deep.equal(before);
      await service.standIn.start();
      expect(await service.keys().openEpoch(2)).to.have.length(32);
    });

    it('of an epoch whose destruction was interrupted are given to nobody, and it goes on when asked again', async () => {
      await service.keys().openEpoch(2);
      await service.standIn.stop();
      const error = await refusalOf(() => service.keys().destroyEpoch(1));
      expect(error).to.be.instanceOf(KeyUnavailableError);
      expect((await world.document()).epochs[1]?.state).to.equal('destroying');
      await service.standIn.start();
      expect([...(await service.keys().load()).epochs.keys()]).to.deep.equal([2]);
      await service.keys().destroyEpoch(1);
      expect(service.remoteKeys()).to.have.length(2);
    });

    it('are said to be gone by no service where the roots’ key is not', async () => {
      await service.keys().openEpoch(2);
      const elsewhere = serviceIn(world.folder);
      await elsewhere.standIn.start();
      const error = await refusalOf(() => elsewhere.keys().destroyEpoch(1)).finally(() => elsewhere.standIn.stop());
      expect(error.code).to.equal('KEY_SERVICE_ELSEWHERE');
    });

    it('K8 open for their installation and role only', async () => {
      await service.keys().openEpoch(2);
      const { epochs, index, ledger, ...others } = await world.document();
      const theirs = await refusalOf(() => service.keys({ installation: 'staging' }).load());
      expect(theirs.code).to.equal('WRAPPED_ELSEWHERE');
      const moved: [role: string, document: object][] = [
        ['index', { ...others, index: ledger, ledger, epochs }],
        ['epoch 2', { ...others, index, ledger, epochs: { ...epochs, 2: epochs[1] } }],
        ['ledger', { ...others, index, ledger: { ...index, wrapped: index.wrapped }, epochs }],
      ];
      for (const [role, document] of moved) {
        await world.write(document);
        const error = await refusalOf(() => service.keys().load());
        expect(error, role).to.have.property('code', 'WRAPPED_KEY_REFUSED');
        expect(error.message).to.contain(`the ${role} key`);
      }
      await world.write({ ...others, installation: 'staging', index, ledger, epochs });
      const renamed = await refusalOf(() => service.keys({ installation: 'staging' }).load());
      expect(renamed.code, 'a document that was renamed').to.equal('WRAPPED_KEY_REFUSED');
    });

    it('are refused from a document that is malformed, of another service or of a newer version', async () => {
      const sound = await world.document();
      const wrong: object[] = [
        [],
        {},
        { ...sound, format: 2 },
        { ...sound, oubli: 1 },
        { ...sound, index: undefined },
        { ...sound, ledger: { key: sound.ledger.key } },
        { ...sound, epochs: { one: sound.epochs[1] } },
        { ...sound, epochs: { 1: { ...sound.epochs[1], state: 'lost' } } },
        { ...sound, epochs: [sound.epochs[1], 7] },
      ];
      for (const document of wrong) {
        await world.write(document);
        expect((await refusalOf(() => service.keys().load())).code, inspect(document)).to.equal('WRAPPED_DOCUMENT');
      }
      await world.write({ ...sound, service: 'another' });
      expect((await refusalOf(() => service.keys().load())).code).to.equal('WRAPPED_ELSEWHERE');
    });

    it('raise KeyUnavailableError for what passes by itself, and say nothing of what was answered', async () => {
      for (const fault of service.passing) {
        service.standIn.failNext(fault, fault, fault);
        const error = await refusalOf(() => service.keys().load());
        expect(error, inspect(fault)).to.be.instanceOf(KeyUnavailableError);
        expect(error.code).to.equal('KEY_SERVICE_UNREACHABLE');
        expectSilent(error);
      }
    });

    it('raise KeyUnavailableError when nobody answers in time, or nobody is there', async () => {
      service.standIn.failNext('silent', 'silent', 'silent');
      const began = performance.now();
      expect(await refusalOf(() => service.keys({ timeoutMs: 150 }).load())).to.be.instanceOf(KeyUnavailableError);
      expect(performance.now() - began).to.be.below(2_000);
      await service.standIn.stop();
      const error = await refusalOf(() => service.keys().load());
      expect(error).to.be.instanceOf(KeyUnavailableError);
      expect(error.message).to.contain('ECONNREFUSED');
      expectSilent(error);
    });

    it('are asked for again when that may help, and no more often than was said', async () => {
      const [passing] = service.passing as [Service['forbidden']];
      service.standIn.failNext(passing);
      expect((await service.keys({ attempts: 2 }).load()).epochs.size).to.equal(1);
      service.standIn.calls.length = 0;
      service.standIn.failNext(...Array.from({ length: 12 }, () => passing));
      expect(await refusalOf(() => service.keys({ attempts: 2 }).load())).to.be.instanceOf(KeyUnavailableError);
      const unwrapped = service.standIn.calls.filter((call) => call.startsWith(service.unwrapping));
      expect(unwrapped.length).to.be.at.most(6).and.at.least(2);
    });

    it('raise ConfigurationError for what no retry mends, and ask once', async () => {
      for (const [fault, code] of [
        [service.forbidden, 'KEY_SERVICE_REFUSED'],
        [service.malformed, 'KEY_SERVICE_ANSWER'],
      ] as const) {
        service.standIn.calls.length = 0;
        service.standIn.failNext(fault, fault, fault);
        const error = await refusalOf(() => service.keys({ attempts: 4 }).load());
        expect(error).to.be.instanceOf(ConfigurationError).and.to.have.property('code', code);
        expect(service.standIn.calls.length).to.equal(3);
        expectSilent(error);
      }
    });

    it('are asked of nobody whose certificate is not trusted, and it is said which to trust', async () => {
      const { address, server } = await startUntrusted();
      const error = await refusalOf(() => service.keys({ address, attempts: 2 }).load()).finally(() => server.close());
      expect(error).to.be.instanceOf(ConfigurationError).and.to.have.property('code', 'KEY_SERVICE_REFUSED');
      expectFix(error, /NODE_EXTRA_CA_CERTS/);
      expectSilent(error);
    });

    it('refuse a name that policies cannot tell from another’s', () => {
      for (const installation of ['', 'x', 'Shop', 'shop--roots', 'shop/eu', 'shop ', '-shop', 'shop-', 'é'.repeat(4)])
        expect(() => service.keys({ installation }), installation).to.throw(ConfigurationError, 'installation');
    });
  });
}

/** No token, no key id, no text of the service's: neither in what it says nor behind it. */
function expectSilent(error: OubliError): void {
  expect(error.cause).to.equal(undefined);
  const said = [error.message, JSON.stringify(error), `${error.stack}`, inspect(error, { depth: 9 })].join('\n');
  for (const secret of [
    'hvs.',
    'AKIAOFTHETESTS',
    'Rate exceeded',
    'sealed',
    'rate limit',
    'arn:aws:iam',
    'proxy',
    'secret of',
  ])
    expect(said).not.to.contain(secret);
}
