import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { publicDigest } from '../../../src/crypto/digest';
import { sharedData } from '../../support/shared-data';
import { bothEngines, hex, unhex } from './world';

type KnownAnswers = readonly { in: string; key: string; out: string }[];

describe('L1: the digest that chains the ledger, which everybody can compute', () => {
  it('is BLAKE2b-256 without a key, of label and parts one after the other, as Python’s hashlib has it', () => {
    const digest = publicDigest(Buffer.from('oubli/label/v1'), Buffer.from('one'), Buffer.from('two'));
    expect(hex(digest)).to.equal('535da979707cc7f9c6572a773fa6d9cf964588b554fb3553221042c9f38bb652');
    expect(hex(publicDigest(new Uint8Array(0)))).to.equal(
      '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8',
    );
  });
});

describe('E9 deriving a key is hashing, to where keys stand', () => {
  it('passes every keyed BLAKE2b vector of the reference implementation', async function () {
    const known = JSON.parse(readFileSync(sharedData(this, 'vectors/blake2b-kat.json'), 'utf8')) as KnownAnswers;
    const keyed = known.filter(({ key }) => key !== '');
    expect(keyed).to.have.length(256);
    for (const engine of await bothEngines()) {
      const derived = new Uint8Array(64);
      for (const { key, in: message, out } of keyed) {
        engine.derive(derived, unhex(key), unhex(message));
        expect(hex(derived), engine.name).to.equal(out);
      }
      expect(() => engine.derive(derived, new Uint8Array(0), unhex('00'))).to.throw(RangeError);
    }
  });
});
