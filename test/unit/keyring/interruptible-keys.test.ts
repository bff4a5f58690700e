/** The provider for tests of outages. */
import { expect } from 'chai';
import { ConfigurationError, KeyUnavailableError } from '../../../src';
import { interruptibleKeys } from '../../../src/testing';
import { refusalOf } from '../../support/refusals';

describe('Keys that can be taken away', () => {
  it('are those of a provider: opened, kept, destroyed once', async () => {
    const keys = interruptibleKeys();
    const [first, opened] = [await keys.load(), await keys.openEpoch(2)];
    expect(await keys.openEpoch(2)).to.deep.equal(opened);
    expect((await keys.load()).epochs.get(2)).to.deep.equal(opened);
    expect((await refusalOf(() => keys.destroyEpoch(2))).code).to.equal('NEWEST_EPOCH');
    expect((await refusalOf(() => keys.destroyEpoch(9))).code).to.equal('UNKNOWN_EPOCH');
    for (const _ of 'twice') expect(await keys.destroyEpoch(1)).to.include({ is: 'destroyed', proven: true });
    const now = await keys.load();
    expect([...now.epochs.keys()]).to.deep.equal([2]);
    expect(now.index).to.deep.equal(first.index);
    expect(await refusalOf(() => keys.openEpoch(1))).to.be.instanceOf(ConfigurationError);
  });

  it('are not to be had while they are down, and every call is recorded', async () => {
    const keys = interruptibleKeys();
    await keys.load();
    keys.goDown();
    for (const call of [() => keys.load(), () => keys.openEpoch(2), () => keys.destroyEpoch(1)]) {
      const error = await refusalOf(call);
      expect(error).to.be.instanceOf(KeyUnavailableError).and.to.have.property('code', 'KEY_SERVICE_UNREACHABLE');
    }
    keys.comeBack();
    await keys.openEpoch(2);
    expect(keys.calls).to.deep.equal([
      { call: 'load', epoch: undefined, refused: false },
      { call: 'load', epoch: undefined, refused: true },
      { call: 'openEpoch', epoch: 2, refused: true },
      { call: 'destroyEpoch', epoch: 1, refused: true },
      { call: 'openEpoch', epoch: 2, refused: false },
    ]);
  });

  it('may be those of another provider', async () => {
    const inner = interruptibleKeys();
    const keys = interruptibleKeys(inner);
    expect(keys.name).to.equal(inner.name);
    expect(await keys.load()).to.deep.equal(await inner.load());
    keys.goDown();
    await refusalOf(() => keys.load());
    expect(inner.calls).to.have.length(2);
  });
});
