import { expect } from 'chai';
import fc from 'fast-check';
import { PADDINGS, type Padding, pad, paddedLength, payloadEnd } from '../../../src/crypto/padding';
import { bytes, hex } from './world';

const payload = fc.uint8Array({ minLength: 1, maxLength: 400 });
const padding = fc.constantFrom(...PADDINGS);
/** Where other bytes stand before and behind it. */
const unpad = (kind: Padding, padded: Uint8Array): string | undefined => {
  const end = payloadEnd(kind, Buffer.concat([bytes(3, 0x80), padded, bytes(5, 0)]), 3, 3 + padded.length);
  return end === undefined ? undefined : hex(padded.subarray(0, end - 3));
};

describe('E7 padding: equal class gives equal length', () => {
  it('takes off exactly what it put on', () => {
    fc.assert(
      fc.property(padding, payload, (kind, given) => {
        const padded = pad(kind, given);
        expect(padded.length).to.equal(paddedLength(kind, given.length));
        expect(unpad(kind, padded)).to.equal(hex(given));
      }),
    );
  });

  it('fills up to multiples, a full one gets a block more, and none adds nothing', () => {
    expect([1, 15, 16, 31].map((n) => paddedLength('16', n))).to.deep.equal([16, 16, 32, 32]);
    expect([1, 31, 32].map((n) => paddedLength('32', n))).to.deep.equal([32, 32, 64]);
    expect([1, 63, 64].map((n) => paddedLength('64', n))).to.deep.equal([64, 64, 128]);
    expect([1, 16, 99].map((n) => paddedLength('none', n))).to.deep.equal([1, 16, 99]);
  });

  it('gives the PADMÉ lengths of the paper, at most 12 % more', () => {
    const padme = (n: number) => paddedLength('padme', n - 1);
    expect([1, 2, 8, 9, 10, 11, 17, 33, 100, 1000, 1025, 1_048_577].map(padme)).to.deep.equal([
      1, 2, 8, 10, 10, 12, 18, 36, 104, 1024, 1088, 1_081_344,
    ]);
    for (let n = 2; n < 100_000; n += 7) expect(padme(n) / n, `${n}`).to.be.within(1, 1.12);
  });

  it('pads as ISO/IEC 7816-4: 80, then zeros', () => {
    expect(hex(pad('16', Uint8Array.of(1, 0, 0)))).to.equal(`01000080${'00'.repeat(12)}`);
  });

  it('refuses what it would not have written', () => {
    const wrong = {
      'no mark': new Uint8Array(16),
      'another mark': Uint8Array.of(...bytes(15, 1), 0x81),
      'a block too many': Uint8Array.of(1, 0x80, ...new Uint8Array(30)),
      'a length of no class': Uint8Array.of(1, 0x80, 0),
      nothing: new Uint8Array(0),
    };
    for (const [what, padded] of Object.entries(wrong)) expect(unpad('16', padded), what).to.equal(undefined);
  });

  it('refuses padding of another class when the lengths differ', () => {
    expect(unpad('64', pad('16', bytes(3, 1)))).to.equal(undefined);
    expect(unpad('16', pad('64', bytes(3, 1)))).to.equal(undefined);
  });
});
