import { expect } from 'chai';
import type { Engine } from '../../../src/crypto/engine';
import { fingerprint, keyedReference, unwrapKey, wrapKey } from '../../../src/crypto/subject-key';
import { KeyUnavailableError, TamperedError } from '../../../src/errors';
import { ADA, BOB, bothEngines, bytes, hex } from './world';

const KEK = bytes(32, 0x33);

describe('K8 a wrapped key is bound to its key id and epoch', () => {
  let engine: Engine;
  let engines: readonly Engine[];
  before(async () => {
    engines = await bothEngines();
    [engine] = engines as [Engine];
  });

  it('E9 each engine opens what the other wrapped', () => {
    for (const [wraps, opens] of [engines, [...engines].reverse()] as [Engine, Engine][]) {
      const wrapped = wrapKey(wraps, KEK, ADA.dek, ADA.keyId, 3);
      expect(hex(unwrapKey(opens, KEK, wrapped, ADA.keyId, 3)), `${wraps.name}, ${opens.name}`).to.equal(hex(ADA.dek));
    }
  });

  it('opens for them and for nothing else', () => {
    const wrapped = wrapKey(engine, KEK, ADA.dek, ADA.keyId, 3);
    expect(wrapped).to.have.length(72);
    expect(hex(unwrapKey(engine, KEK, wrapped, ADA.keyId, 3))).to.equal(hex(ADA.dek));
    expect(() => unwrapKey(engine, KEK, wrapped, BOB.keyId, 3)).to.throw(TamperedError);
    expect(() => unwrapKey(engine, KEK, wrapped, ADA.keyId, 4)).to.throw(TamperedError, 'epoch key 4');
    expect(() => unwrapKey(engine, bytes(32, 0x34), wrapped, ADA.keyId, 3)).to.throw(TamperedError);
  });

  it('refuses every bit flip, truncation and extension', () => {
    const wrapped = wrapKey(engine, KEK, ADA.dek, ADA.keyId, 3);
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      const flipped = wrapped.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => unwrapKey(engine, KEK, flipped, ADA.keyId, 3), `bit ${bit}`).to.throw(TamperedError);
    }
    for (const length of [0, 1, 24, 40, 71]) {
      expect(() => unwrapKey(engine, KEK, wrapped.subarray(0, length), ADA.keyId, 3)).to.throw(TamperedError);
    }
    expect(() => unwrapKey(engine, KEK, Uint8Array.of(...wrapped, 0), ADA.keyId, 3)).to.throw(TamperedError);
  });

  it('never wraps to the same bytes twice', () => {
    const wrapped = Array.from({ length: 200 }, () => hex(wrapKey(engine, KEK, ADA.dek, ADA.keyId, 3).subarray(0, 24)));
    expect(new Set(wrapped).size).to.equal(200);
  });

  it('K9 refuses keys of wrong length and all zero, on either side', () => {
    for (const wrong of [new Uint8Array(32), bytes(31, 1), new Uint8Array(0)]) {
      expect(() => wrapKey(engine, wrong, ADA.dek, ADA.keyId, 1)).to.throw(KeyUnavailableError);
      expect(() => wrapKey(engine, KEK, wrong, ADA.keyId, 1)).to.throw(KeyUnavailableError);
      expect(() => unwrapKey(engine, wrong, bytes(72, 1), ADA.keyId, 1)).to.throw(KeyUnavailableError);
    }
    expect(() => wrapKey(engine, KEK, ADA.dek, bytes(15, 1), 1)).to.throw(RangeError);
  });
});

describe('what stands for a key and for a person', () => {
  let engines: readonly Engine[];
  before(async () => {
    engines = await bothEngines();
  });

  it('K4 a fingerprint knows a key again and is 16 bytes, as Python computes it', () => {
    for (const engine of engines) {
      expect(hex(fingerprint(engine, ADA.dek))).to.equal('87605ec84b3f93cfd8303de30dce09f7');
      expect(hex(fingerprint(engine, BOB.dek))).to.not.equal(hex(fingerprint(engine, ADA.dek)));
    }
  });

  it('K2 a reference stands for kind and id without naming them, as Python computes it', () => {
    for (const engine of engines) {
      expect(hex(keyedReference(engine, KEK, 'user', '42'))).to.equal('dcf5d5cba4ece6e38df04d8c4d8f3041');
      expect(hex(keyedReference(engine, KEK, 'user4', '2'))).to.not.equal(
        hex(keyedReference(engine, KEK, 'user', '42')),
      );
      expect(hex(keyedReference(engine, ADA.dek, 'user', '42'))).to.not.equal(
        hex(keyedReference(engine, KEK, 'user', '42')),
      );
    }
  });
});
