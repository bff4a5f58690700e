import { expect } from 'chai';
import { randomBytes } from '../../../src/crypto/random';
import { hex } from './world';

describe('K1 K2 random bytes come from a pool that never hands out a byte twice', () => {
  it('gives the length asked for, from none to more than the pool holds', () => {
    for (const length of [0, 1, 16, 32, 4095, 4096, 4097, 10_000]) expect(randomBytes(length)).to.have.length(length);
  });

  it('never repeats 16 bytes, also across refills', () => {
    const seen = new Set(Array.from({ length: 5000 }, () => hex(randomBytes(16))));
    expect(seen.size).to.equal(5000);
  });

  it('never hands out bytes that were wiped, whatever the lengths before', () => {
    for (let i = 0; i < 3000; i++) {
      const drawn = randomBytes(16 + (i % 23));
      expect(drawn.every((byte) => byte === 0)).to.equal(false);
    }
  });

  it('gives memory of its own: writing into one draw changes no other', () => {
    const [one, two] = [randomBytes(32), randomBytes(32)];
    const before = hex(two);
    one.fill(0);
    expect(hex(two)).to.equal(before);
    expect(one.buffer).to.not.equal(two.buffer);
  });
});
