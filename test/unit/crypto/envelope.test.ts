import { expect } from 'chai';
import {
  assembleHeader,
  isEnvelope,
  isTombstone,
  keyIdOf,
  parseEnvelope,
  token,
  tombstone,
} from '../../../src/crypto/envelope';
import { OVERHEAD } from '../../../src/crypto/layout';
import { PADDINGS } from '../../../src/crypto/padding';
import { TamperedError } from '../../../src/errors';
import { ADA, bytes, hex, NAMES } from './world';

const PARTS = { element: 0x01020304, keyId: ADA.keyId, salt: bytes(24, 0x10), commitment: bytes(16, 0xc0) };
const INDEX = bytes(16, 0xd0);
const SEALED = bytes(17, 0xe0);

const sealed = (options: { index?: Uint8Array; padding?: (typeof PADDINGS)[number] } = {}): Uint8Array =>
  Uint8Array.of(...assembleHeader({ padding: 'none', ...options, ...PARTS }), ...SEALED);

function edited(value: Uint8Array, offset: number, byte: number): Uint8Array {
  const copy = Uint8Array.from(value);
  copy[offset] = byte;
  return copy;
}

describe('the envelope, version 1', () => {
  it('lies byte by byte as the table in ENVELOPE.md says', () => {
    expect(hex(sealed())).to.equal(
      ['a70b', '01', '00', '01020304', hex(ADA.keyId), hex(PARTS.salt), hex(PARTS.commitment), hex(SEALED)].join(''),
    );
    expect(hex(sealed({ index: INDEX, padding: '32' }))).to.equal(
      [
        'a70b',
        '01',
        '09',
        '01020304',
        hex(INDEX),
        hex(ADA.keyId),
        hex(PARTS.salt),
        hex(PARTS.commitment),
        hex(SEALED),
      ].join(''),
    );
    expect(OVERHEAD).to.equal(80);
  });

  it('parses into what it was assembled from, for every padding class, with and without index', () => {
    for (const padding of PADDINGS) {
      for (const index of [INDEX, undefined]) {
        const value = sealed(index ? { index, padding } : { padding });
        const envelope = parseEnvelope(value);
        expect(envelope).to.include({ suite: 1, hasIndex: index !== undefined, isToken: false, padding });
        expect(envelope.element).to.equal(PARTS.element);
        expect(envelope.index && hex(envelope.index)).to.equal(index && hex(index));
        expect(hex(envelope.keyId)).to.equal(hex(ADA.keyId));
        expect(hex(envelope.salt)).to.equal(hex(PARTS.salt));
        expect(hex(envelope.commitment)).to.equal(hex(PARTS.commitment));
        expect(hex(envelope.ciphertext)).to.equal(hex(SEALED));
        expect(hex(envelope.header) + hex(SEALED)).to.equal(hex(value));
        expect(hex(keyIdOf(value))).to.equal(hex(ADA.keyId));
        expect(isTombstone(envelope)).to.equal(false);
      }
    }
  });

  it('writes the padding class into flag bits 2 to 4', () => {
    expect(PADDINGS.map((padding) => sealed({ padding })[3])).to.deep.equal([0x00, 0x04, 0x08, 0x0c, 0x10]);
  });

  it('reads a value that lies within a larger buffer', () => {
    const slab = Buffer.concat([bytes(5, 0), sealed(), bytes(9, 0)]);
    expect(parseEnvelope(slab.subarray(5, -9)).element).to.equal(PARTS.element);
  });

  it('E10 is told from plaintext by two bytes that no UTF-8 text begins with', () => {
    expect(isEnvelope(sealed())).to.equal(true);
    for (const other of ['', 'ada@example.org', '\u00a7\u000b', '§']) {
      expect(isEnvelope(Buffer.from(other))).to.equal(false);
    }
    expect(isEnvelope(Uint8Array.of(0xa7))).to.equal(false);
    expect(() => new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.of(0xa7, 0x0b))).to.throw();
  });

  it('E3 refuses whatever is ill-formed', () => {
    const value = sealed();
    const flags = (bits: number) => edited(value, 3, bits);
    const wrong: Record<string, Uint8Array> = {
      nothing: new Uint8Array(0),
      'the magic only': value.subarray(0, 2),
      'another magic': edited(value, 1, 0x0c),
      'suite 0': edited(value, 2, 0),
      'suite 2': edited(value, 2, 2),
      'flag bit 5': flags(0x20),
      'flag bit 6': flags(0x40),
      'flag bit 7': flags(0x80),
      'padding class 5': flags(5 << 2),
      'padding class 6': flags(6 << 2),
      'padding class 7': flags(7 << 2),
      'the token bit': flags(0x02),
      'an index bit without room for one': flags(0x01),
      'a byte too short for its tag': value.subarray(0, 79),
      'no ciphertext': value.subarray(0, 80),
      'a token': token(7, INDEX),
      'a token with a value behind it': Uint8Array.of(...token(7, INDEX), ...bytes(80, 1)),
    };
    for (const [what, given] of Object.entries(wrong)) {
      expect(() => parseEnvelope(given, NAMES), what).to.throw(TamperedError, 'users.email');
    }
  });

  it('I5 a query token names element and index in 24 bytes, and nothing else', () => {
    expect(hex(token(0x01020304, INDEX))).to.equal(`a70b010301020304${hex(INDEX)}`);
    expect(token(1, INDEX)).to.have.length(24);
  });

  it('refuses an element id that does not fit', () => {
    for (const element of [-1, 1.5, 2 ** 32, Number.NaN]) expect(() => token(element, INDEX)).to.throw(RangeError);
    expect(hex(token(0xffffffff, INDEX)).slice(8, 16)).to.equal('ffffffff');
  });
});

describe('I3 a tombstone is what an erasure leaves in a NOT NULL column', () => {
  it('keeps the element and nothing else, and names nobody', () => {
    expect(hex(tombstone(7))).to.equal(`a70b010000000007${'00'.repeat(72)}`);
    const envelope = parseEnvelope(tombstone(7));
    expect(isTombstone(envelope)).to.equal(true);
    expect(envelope.element).to.equal(7);
    expect(envelope.hasIndex).to.equal(false);
  });

  it('carries an index that belongs to no value, where a unique column must stay valid', () => {
    const envelope = parseEnvelope(tombstone(7, INDEX));
    expect(isTombstone(envelope)).to.equal(true);
    expect(envelope).to.include({ hasIndex: true, element: 7 });
    expect(hex(envelope.index!)).to.equal(hex(INDEX));
    expect(hex(tombstone(7, INDEX))).to.equal(`a70b010100000007${hex(INDEX)}${'00'.repeat(72)}`);
  });

  it('is refused with a padding class, a ciphertext, or anything else left in it', () => {
    for (const [left, keyIdAt] of [[tombstone(7), 8] as const, [tombstone(7, INDEX), 24] as const]) {
      expect(() => parseEnvelope(edited(left, 3, left[3]! | 0x04))).to.throw(TamperedError);
      expect(() => parseEnvelope(Uint8Array.of(...left, 0))).to.throw(TamperedError);
      for (let offset = keyIdAt; offset < left.length; offset++) {
        expect(() => parseEnvelope(edited(left, offset, 1)), `${offset}`).to.throw(TamperedError);
      }
    }
  });
});
