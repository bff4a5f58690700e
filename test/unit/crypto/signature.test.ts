import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ed25519, type Signatures, signingSeed } from '../../../src/crypto/signature';
import { sharedData } from '../../support/shared-data';
import { bothEngines, bytes, hex, unhex } from './world';

interface Wycheproof {
  testGroups: { publicKey: { pk: string }; tests: { tcId: number; msg: string; sig: string; result: string }[] }[];
}

describe('L1: an Ed25519 signature', () => {
  let signatures: Signatures;
  before(async () => {
    signatures = await ed25519();
  });

  it('passes every vector of Wycheproof: the valid ones and none of the forged ones', function () {
    const file = sharedData(this, 'vectors/wycheproof-ed25519.json');
    const { testGroups } = JSON.parse(readFileSync(file, 'utf8')) as Wycheproof;
    const counted = { valid: 0, invalid: 0 };
    for (const { publicKey, tests } of testGroups) {
      for (const { tcId, msg, sig, result } of tests) {
        const verified = signatures.verify(unhex(publicKey.pk), unhex(msg), unhex(sig));
        expect(verified, `vector ${tcId}`).to.equal(result === 'valid');
        counted[result as 'valid']++;
      }
    }
    expect(counted.valid).to.be.greaterThan(70);
    expect(counted.invalid).to.be.greaterThan(50);
  });

  it('signs as RFC 8032 §7.1 has it, test 2', () => {
    const own = signatures.signer(unhex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'));
    expect(hex(own.publicKey)).to.equal('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
    expect(hex(own.sign(unhex('72')))).to.equal(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
  });

  it('is of the message and of the key: one bit more, and it is refused', () => {
    const [own, other] = [signatures.signer(bytes(32, 1)), signatures.signer(bytes(32, 2))];
    const message = Buffer.from('a checkpoint');
    const signature = own.sign(message);
    expect(signatures.verify(own.publicKey, message, signature)).to.equal(true);
    expect(signatures.verify(other.publicKey, message, signature)).to.equal(false);
    expect(signatures.verify(own.publicKey, Buffer.from('a checkpoinT'), signature)).to.equal(false);
    for (const malformed of [new Uint8Array(0), signature.subarray(1), new Uint8Array(64)])
      expect(signatures.verify(own.publicKey, message, malformed)).to.equal(false);
    expect(signatures.verify(own.publicKey.subarray(1), message, signature)).to.equal(false);
  });

  it('comes from a seed that both engines derive alike, and that is neither the root nor another key of it', async () => {
    const root = bytes(32, 7);
    const [one, two] = (await bothEngines()).map((engine) => signingSeed(engine, root));
    expect(hex(one!)).to.equal(hex(two!)).and.not.to.equal(hex(root));
    // Never changed again: signatures of years ago must verify. (BLAKE2b-256, key 07…, "oubli/ledger/signing/v1".)
    expect(hex(signatures.signer(one!).publicKey)).to.equal(
      'b5d962e7dbc318450109d4b297be3c6703143985deac5a7c7d03f316167ffd7c',
    );
  });

  it('is made no more after the key was overwritten', () => {
    const own = signatures.signer(bytes(32, 3));
    own.wipe();
    expect(() => own.sign(Buffer.from('late'))).to.throw('overwritten');
  });
});
