import { expect } from 'chai';
import { KeyUnavailableError } from '../../../src/errors';
import { LedgerKeys } from '../../../src/keyring/ledger-keys';
import { bothEngines, bytes, hex } from '../crypto/world';

const material = (first: number) => ({ epochs: new Map(), index: bytes(32, 9), ledger: bytes(32, first) });

describe('L1: the keys of the ledger', () => {
  it('are the same by both engines, and others under another root', async () => {
    const link = bytes(32, 50);
    const [one, two] = await Promise.all((await bothEngines()).map((engine) => LedgerKeys.from(engine, material(1))));
    const [other] = await Promise.all((await bothEngines()).map((engine) => LedgerKeys.from(engine, material(2))));
    // BLAKE2b-256 keyed with 0102…20 of "oubli/ledger/mac/v1" and the link: never changed again
    expect(hex(one!.mac(link))).to.equal('884b55db2075069ea93c1841758a54a9e6d967edb894ad890d1acf3b614dfecd');
    expect(hex(two!.mac(link))).to.equal(hex(one!.mac(link)));
    expect(hex(other!.mac(link))).not.to.equal(hex(one!.mac(link)));
    expect(two!.verify(link, one!.sign(link))).to.equal(true);
    expect(other!.verify(link, one!.sign(link))).to.equal(false);
    expect(hex(one!.publicKey)).not.to.equal(hex(other!.publicKey));
  });

  it('authenticate and sign nothing once they were overwritten', async () => {
    const [engine] = await bothEngines();
    const given = material(1);
    const keys = await LedgerKeys.from(engine, given);
    keys.wipe();
    given.ledger.fill(0);
    expect(() => keys.mac(bytes(32, 50))).to.throw(KeyUnavailableError);
    expect(() => keys.sign(bytes(32, 50))).to.throw('overwritten');
  });
});
