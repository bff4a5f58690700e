/** What is AWS KMS's own of keys that it wraps: its waiting periods, aliases, credentials and permissions. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { KMSClient } from '@aws-sdk/client-kms';
import { expect } from 'chai';
import { awsKmsKeys, ConfigurationError, documentFile, KeyUnavailableError, type RemoteKeys } from '../../../src';
import { setEnvironment } from '../../support/key-services';
import { KmsStandIn } from '../../support/kms-stand-in';
import { iamActionsOf } from '../../support/policies';
import { refusalOf } from '../../support/refusals';
import { remoteKeysWorld } from '../../support/remote-keys';

const DAY_MS = 86_400_000;

describe('Keys wrapped by AWS KMS (a stand-in)', () => {
  const world = remoteKeysWorld();
  let kms: KmsStandIn;
  beforeEach(async () => {
    kms = await new KmsStandIn().start();
  });
  afterEach(async () => {
    await kms.stop();
    await rm(path.join(world.folder(), 'keys.json'), { force: true });
  });

  function keys(over: Partial<Parameters<typeof awsKmsKeys>[0]> = {}): RemoteKeys {
    const document = documentFile({ file: path.join(world.folder(), 'keys.json') });
    const { region, address: endpoint } = kms;
    return awsKmsKeys({ installation: 'shop', region, endpoint, document, attempts: 1, ...over });
  }
  const arnOf = (epoch: number): string => kms.aliases.get(`alias/oubli/shop/epoch-${epoch}`) as string;

  it('are found by their aliases, kept by their ARN, and tagged with what they wrap', async () => {
    await keys().create();
    expect([...kms.aliases.keys()]).to.deep.equal(['alias/oubli/shop/roots', 'alias/oubli/shop/epoch-1']);
    expect((await world.document()).epochs[1]?.key).to.equal(arnOf(1));
    expect(kms.keys.get(arnOf(1))?.tags).to.deep.equal([
      { TagKey: 'oubli:installation', TagValue: 'shop' },
      { TagKey: 'oubli:wraps', TagValue: 'epoch 1' },
    ]);
  });

  it('K7 are scheduled to be destroyed, on the day that AWS says, and destroyed after it', async () => {
    await keys().create();
    await keys().openEpoch(2);
    const arn = arnOf(1);
    const scheduled = await keys({ waitingDays: 8 }).destroyEpoch(1);
    if (scheduled.is !== 'scheduled') throw new Error(`it is ${scheduled.is}`);
    expect(scheduled.on.getTime() - Date.now()).to.be.closeTo(8 * DAY_MS, 60_000);
    expect(kms.keys.get(arn)?.state).to.equal('PendingDeletion');
    expect(await keys().destroyEpoch(1), 'asked again').to.deep.equal(scheduled);
    kms.passDays(7);
    expect((await keys().destroyEpoch(1)).is).to.equal('scheduled');
    kms.passDays(1);
    expect(await keys().destroyEpoch(1)).to.deep.equal({
      is: 'destroyed',
      proven: true,
      how: `${arn} is gone from AWS KMS in eu-west-3`,
    });
    const { epochs } = await world.document();
    expect(epochs[1]).to.deep.equal({ key: arn, state: 'destroyed' });
  });

  it('K7 are scheduled anew where somebody cancelled it', async () => {
    await keys().create();
    await keys().openEpoch(2);
    await keys().destroyEpoch(1);
    kms.cancelDeletion(arnOf(1));
    expect((await keys().destroyEpoch(1)).is).to.equal('scheduled');
    expect(kms.keys.get(arnOf(1))?.state).to.equal('PendingDeletion');
  });

  it('wait 7 to 30 whole days', () => {
    for (const waitingDays of [0, 6, 31, 7.5, Number.NaN])
      expect(() => keys({ waitingDays }), `${waitingDays}`).to.throw(ConfigurationError, '7 to 30');
  });

  it('are waited for while AWS does not know them everywhere', async () => {
    kms.settlesAfter = 1;
    await keys({ attempts: 3 }).create();
    kms.settlesAfter = 100;
    expect(await refusalOf(() => keys().openEpoch(2))).to.be.instanceOf(KeyUnavailableError);
    expect(Object.keys((await world.document()).epochs)).to.deep.equal(['1']);
  });

  it('of which two were made at once are one, and the other is given back', async () => {
    await keys().create();
    await Promise.all([keys().openEpoch(2), keys().openEpoch(2), keys().openEpoch(2)]);
    const states = [...kms.keys.values()].map(({ arn, state }) => [arn === arnOf(2), state]);
    expect(states.filter(([isOurs]) => isOurs)).to.deep.equal([[true, 'Enabled']]);
    expect(states.filter(([, state]) => state === 'Enabled')).to.have.length(3);
  });

  it('are asked for by a client of the team’s own', async () => {
    const client = new KMSClient({ region: kms.region, endpoint: kms.address, maxAttempts: 1 });
    const theirs = awsKmsKeys({
      installation: 'shop',
      client,
      document: documentFile({ file: path.join(world.folder(), 'keys.json') }),
      timeoutMs: 200,
      attempts: 1,
    });
    await theirs.create();
    expect(theirs.name).to.contain('AWS KMS, file');
    kms.failNext('silent', 'silent', 'silent');
    expect(await refusalOf(() => theirs.load())).to.be.instanceOf(KeyUnavailableError);
    client.destroy();
  });

  it('cannot be asked for by nobody, or in no region', async () => {
    await keys().create();
    const restore = setEnvironment({
      HOME: world.folder(),
      AWS_ACCESS_KEY_ID: '',
      AWS_REGION: '',
      AWS_DEFAULT_REGION: '',
      AWS_PROFILE: '',
    });
    try {
      for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE'])
        delete process.env[name];
      const nobody = await refusalOf(() => keys().load());
      expect(nobody).to.be.instanceOf(ConfigurationError).and.to.have.property('code', 'KEY_SERVICE_REFUSED');
      process.env.AWS_ACCESS_KEY_ID = 'AKIAOFTHETESTS';
      const document = documentFile({ file: path.join(world.folder(), 'keys.json') });
      const nowhere = await refusalOf(() => awsKmsKeys({ installation: 'shop', document }).load());
      expect(nowhere).to.be.instanceOf(ConfigurationError).and.to.have.property('code', 'KEY_SERVICE_REFUSED');
    } finally {
      restore();
    }
  });

  it('need no more than the permissions of the guide', async () => {
    const { OubliApplication, OubliRotation } = iamActionsOf('examples/key-providers.md');
    kms.allowed = new Set([...OubliApplication!, ...OubliRotation!]);
    await keys().create();
    await keys().openEpoch(2);
    kms.allowed = new Set(OubliApplication!);
    expect((await keys().load()).epochs.size).to.equal(2);
    expect((await refusalOf(() => keys().openEpoch(3))).code).to.equal('KEY_SERVICE_REFUSED');
    expect((await refusalOf(() => keys().destroyEpoch(1))).code).to.equal('KEY_SERVICE_REFUSED');
    kms.allowed = new Set([...OubliApplication!, ...OubliRotation!]);
    expect((await keys().destroyEpoch(1)).is).to.equal('scheduled');
    const all = [...kms.allowed];
    for (const action of all) {
      kms.allowed = new Set(all.filter((each) => each !== action));
      const file = path.join(world.folder(), `without-${action.replace(':', '-')}.json`);
      const less = keys({ installation: action.slice(4).toLowerCase(), document: documentFile({ file }) });
      const live = async (): Promise<void> => {
        await less.create();
        await less.openEpoch(2);
        await less.destroyEpoch(1);
      };
      expect((await refusalOf(live)).code, `without ${action}`).to.equal('KEY_SERVICE_REFUSED');
    }
  });
});
