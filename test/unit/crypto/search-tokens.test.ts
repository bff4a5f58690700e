import { blake2b } from '@noble/hashes/blake2.js';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Engine } from '../../../src/crypto/engine';
import { assembleHeader, isTombstone, keyIdOf, parseEnvelope, tombstone } from '../../../src/crypto/envelope';
import { Opener } from '../../../src/crypto/open';
import { RowSealer } from '../../../src/crypto/seal';
import {
  asInt8,
  assembleTokens,
  beginnings,
  LONGEST_PREFIX,
  MOST_WORDS,
  normalised,
  searchToken,
  searchTokenKey,
  storedWords,
  wordsOf,
} from '../../../src/crypto/search-tokens';
import { KeyUnavailableError, TamperedError } from '../../../src/errors';
import { ADA, at, bothEngines, bytes, hex, NAMES, refusal } from './world';

const ROOT = bytes(32, 0x20);
const PAYLOAD = Buffer.from('\u0001ada@example.org');
const TOKENS = bytes(24, 0x60);
const INDEX = bytes(16, 0xd0);

let libsodium: Engine;
let noble: Engine;
before(async () => {
  [libsodium, noble] = await bothEngines();
});

describe('search tokens', () => {
  it('are keyed by element, kind, normaliser, its version and epoch, computed here a second time by hand', () => {
    const label = Buffer.from('oubli/tokens/v1');
    const prefix = blake2b(Buffer.concat([label, Buffer.of(0, 0, 0, 7, 1, 3, 1, 0, 0, 0, 1)]), {
      key: ROOT,
      dkLen: 32,
    });
    const words = blake2b(Buffer.concat([label, Buffer.of(0, 0, 0, 7, 2, 5, 1, 0, 0, 0, 1)]), { key: ROOT, dkLen: 32 });
    for (const engine of [libsodium, noble]) {
      const key = searchTokenKey(engine, ROOT, 7, 'prefix', 'lowercase', 1);
      expect(hex(key)).to.equal(hex(prefix));
      expect(hex(searchTokenKey(engine, ROOT, 7, 'words', 'unaccented', 1))).to.equal(hex(words));
      const token = searchToken(engine, key, 'dup');
      expect(hex(token)).to.equal(hex(blake2b(Buffer.from('dup'), { key: prefix, dkLen: 16 }).subarray(0, 8)));
      // as on the day it was fixed: rows already written are found by it
      expect(hex(token)).to.equal('fc8559bbd67faa2c');
      expect(asInt8(token)).to.equal(Buffer.from(token).readBigInt64BE());
    }
    expect(asInt8(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe))).to.equal(-2n);
  });

  it('have a key of their own for each of these', () => {
    const key = (...given: [number, 'prefix' | 'words', 'lowercase' | 'unaccented', number]): string =>
      hex(searchTokenKey(libsodium, ROOT, ...given));
    const keys = [
      key(7, 'prefix', 'lowercase', 1),
      key(8, 'prefix', 'lowercase', 1),
      key(7, 'words', 'lowercase', 1),
      key(7, 'prefix', 'unaccented', 1),
      key(7, 'prefix', 'lowercase', 2),
    ];
    expect(new Set(keys).size).to.equal(5);
    expect(() => searchTokenKey(libsodium, new Uint8Array(32), 7, 'prefix', 'lowercase', 1)).to.throw(
      KeyUnavailableError,
    );
  });

  it('are of every beginning of a text between two lengths, in whole characters', () => {
    expect(beginnings('dupont', { min: 3, max: 5 })).to.deep.equal(['dup', 'dupo', 'dupon']);
    expect(beginnings('dup', { min: 3, max: 5 })).to.deep.equal(['dup']);
    expect(beginnings('du', { min: 3, max: 5 })).to.deep.equal([]);
    expect(beginnings('', { min: 2, max: 2 })).to.deep.equal([]);
    expect(beginnings('𝒳𝒴𝒵', { min: 2, max: 3 })).to.deep.equal(['𝒳𝒴', '𝒳𝒴𝒵']);
  });

  it('are of its different words: runs of letters, numbers and their marks', () => {
    const words = (text: string): string[] => wordsOf(normalised('lowercase', text, NAMES));
    expect(words("L'eau-de-vie, l'EAU; 2024!")).to.deep.equal(['l', 'eau', 'de', 'vie', '2024']);
    expect(words('हिन्दी में')).to.deep.equal(['हिन्दी', 'में']);
    expect(words('e\u0301t\u00e9')).to.deep.equal(['été']);
    expect(words('東京都 庭')).to.deep.equal(['東京都', '庭']);
    expect(words('a_b c\u200dd')).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(words(' -- ')).to.deep.equal([]);
  });

  it('are as many as a value has room for, and more words are refused', () => {
    const words = (count: number): string => Array.from({ length: count }, (_, i) => `w${i}`).join(' ');
    expect(MOST_WORDS + LONGEST_PREFIX).to.equal(1024);
    expect(storedWords(`${words(MOST_WORDS)} w0`, NAMES)).to.have.length(MOST_WORDS);
    const error = refusal(() => storedWords(words(MOST_WORDS + 1), NAMES));
    expect(error).to.include({ code: 'VALUE_HAS_MANY_WORDS', table: 'users', column: 'email' });
  });

  it('are filled up to a number that says little, and sorted', () => {
    const prefix = { min: 3, max: 8 };
    const token = (first: number): Uint8Array => bytes(8, first);
    const count = (begun: number, worded: number, kinds: Parameters<typeof assembleTokens>[1]): number =>
      assembleTokens(
        {
          beginnings: Array.from({ length: begun }, (_, i) => token(i)),
          words: Array.from({ length: worded }, (_, i) => token(100 + i)),
        },
        kinds,
      ).length / 8;
    expect([0, 1, 6].map((n) => count(n, 0, { prefix }))).to.deep.equal([6, 6, 6]);
    expect([0, 1, 4, 5, 8, 9].map((n) => count(0, n, { words: true }))).to.deep.equal([4, 4, 4, 8, 8, 12]);
    expect(count(2, 5, { prefix, words: true })).to.equal(14);
    expect(count(6, MOST_WORDS, { prefix: { min: 1, max: 32 }, words: true })).to.equal(1024);

    const assembled = assembleTokens({ beginnings: [token(200), token(9)], words: [] }, { prefix });
    const all = Array.from({ length: 6 }, (_, i) => hex(assembled.subarray(i * 8, i * 8 + 8)));
    expect(all).to.include.members([hex(token(200)), hex(token(9))]);
    expect(all).to.deep.equal([...all].sort());
    const again = assembleTokens({ beginnings: [token(200), token(9)], words: [] }, { prefix });
    expect(all.filter((each) => hex(again).includes(each))).to.have.length(2);
  });
});

describe('a sealed value with search tokens', () => {
  const parts = { element: 0x01020304, keyId: ADA.keyId, salt: bytes(24, 0x10), commitment: bytes(16, 0xc0) };
  const seal = (engine = libsodium, index?: Uint8Array, tokens: Uint8Array | undefined = TOKENS): Buffer =>
    new RowSealer(at(engine), ADA.keyId, ADA.dek).seal({ element: 7, padding: '16', index, tokens }, PAYLOAD);
  const open = (value: Uint8Array, engine = libsodium): Uint8Array =>
    new Opener(at(engine)).open(parseEnvelope(value, NAMES), ADA.dek, 7);

  it('has flag bit 5, and behind the commitment their number in two bytes, then 8 bytes each', () => {
    for (const [index, flags] of [
      [undefined, '20'],
      [INDEX, '21'],
    ] as const) {
      const header = assembleHeader({ ...parts, padding: 'none', index, tokens: TOKENS });
      expect(hex(header)).to.equal(
        `a70b01${flags}01020304${index ? hex(index) : ''}${hex(ADA.keyId)}${hex(parts.salt)}${hex(parts.commitment)}0003${hex(TOKENS)}`,
      );
      const value = Uint8Array.of(...header, ...bytes(17, 0xe0));
      const envelope = parseEnvelope(value);
      expect(envelope.index && hex(envelope.index)).to.equal(index && hex(index));
      expect(hex(envelope.tokens!)).to.equal(hex(TOKENS));
      expect(hex(envelope.keyId)).to.equal(hex(ADA.keyId));
      expect(hex(keyIdOf(value))).to.equal(hex(ADA.keyId));
      expect(hex(envelope.commitment)).to.equal(hex(parts.commitment));
      expect(hex(envelope.header)).to.equal(hex(header));
      expect(hex(envelope.ciphertext)).to.equal(hex(bytes(17, 0xe0)));
    }
    expect(
      parseEnvelope(Uint8Array.of(...assembleHeader({ ...parts, padding: 'none' }), ...bytes(17, 0))).tokens,
    ).to.equal(undefined);
  });

  it('E9 opens by both engines, sealed by either, with as many tokens as there may be', () => {
    const counts = fc.integer({ min: 1, max: 1024 });
    fc.assert(
      fc.property(counts, fc.boolean(), (count, searchable) => {
        for (const [from, to] of [
          [libsodium, noble],
          [noble, libsodium],
        ] as const) {
          const value = seal(from, searchable ? INDEX : undefined, bytes(8 * count, 3));
          expect(value).to.have.length((searchable ? 96 : 80) + 2 + 8 * count + 32);
          expect(hex(open(value, to))).to.equal(hex(PAYLOAD));
        }
      }),
      { numRuns: 30 },
    );
    for (const tokens of [new Uint8Array(0), bytes(7, 0), bytes(8 * 1025, 0)]) {
      expect(() => seal(libsodium, undefined, tokens), `${tokens.length}`).to.throw(RangeError);
    }
  });

  it('E1 E3 does not open when a bit of it was flipped, the tokens and their number included', () => {
    for (const index of [undefined, INDEX]) {
      const value = seal(libsodium, index);
      expect(hex(open(value))).to.equal(hex(PAYLOAD));
      for (let bit = 0; bit < value.length * 8; bit++) {
        const flipped = Buffer.from(value);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => open(flipped), `bit ${bit}`).to.throw(TamperedError);
      }
    }
  });

  it('E3 nor when one was taken, added, moved, or exchanged for that of another value', () => {
    const value = seal(libsodium, INDEX);
    const [head, count] = [value.subarray(0, 80), value.subarray(80, 82)];
    const [tokens, rest] = [value.subarray(82, 82 + 24), value.subarray(82 + 24)];
    const counted = (n: number): Buffer => Buffer.of(0, n);
    const flag = (bits: number): Buffer => {
      const copy = Buffer.from(head);
      copy[3] = bits | (copy[3]! & 0b1_1101);
      return copy;
    };
    const changed: Record<string, Buffer[]> = {
      'one taken': [head, counted(2), tokens.subarray(8), rest],
      'one added': [head, counted(4), tokens, Buffer.alloc(8, 1), rest],
      'two exchanged': [head, count, tokens.subarray(8, 16), tokens.subarray(0, 8), tokens.subarray(16), rest],
      'all taken': [flag(0), rest],
      'all taken, with the flag': [head, counted(0), rest],
      'a smaller number': [head, counted(2), tokens, rest],
      'a larger number': [head, counted(4), tokens, rest],
      'a number past the end': [head, Buffer.of(4, 0), tokens, rest],
      'a number past the most': [head, Buffer.of(4, 1), tokens, rest],
      'those of another value': [head, count, bytes(24, 1) as Buffer, rest],
    };
    for (const [what, given] of Object.entries(changed)) {
      expect(() => open(Buffer.concat(given)), what).to.throw(TamperedError);
    }
    expect(hex(open(Buffer.concat([head, count, tokens, rest])))).to.equal(hex(PAYLOAD));
    const plain = seal(libsodium, INDEX, undefined);
    expect(() => open(Buffer.concat([flag(0b10_0001), count, tokens, plain.subarray(80)]))).to.throw(TamperedError);
  });

  it('E3 nor when it was cut at either end, or made longer', () => {
    const value = seal();
    for (let length = 0; length < value.length; length++) {
      expect(() => open(value.subarray(0, length)), `first ${length}`).to.throw(TamperedError);
      expect(() => open(value.subarray(value.length - length)), `last ${length}`).to.throw(TamperedError);
    }
    for (const more of [1, 8, 16]) {
      expect(() => open(Buffer.concat([value, Buffer.alloc(more)])), `${more}`).to.throw(TamperedError);
      const longer = Buffer.concat([value.subarray(0, 64 + 26), Buffer.alloc(more), value.subarray(64 + 26)]);
      expect(() => open(longer), `${more} among them`).to.throw(TamperedError);
    }
  });

  it('I3 is never what an erasure leaves: key id zero goes with nothing else', () => {
    const left = Uint8Array.of(...tombstone(7).subarray(0, 64), 0, 1, ...bytes(8, 0), ...new Uint8Array(16));
    left[3] = 0x20;
    expect(() => parseEnvelope(left)).to.throw(TamperedError);
    expect(isTombstone(parseEnvelope(tombstone(7)))).to.equal(true);
  });

  it('opens for ever as it was sealed on the day it was fixed', () => {
    const fixed = new RowSealer(at(libsodium), ADA.keyId, ADA.dek, bytes(16, 0x30));
    const golden =
      'a70b012500000007d0d1d2d3d4d5d6d7d8d9dadbdcdddedf404142434445464748494a4b4c4d4e4f303132333435363738393a3b3c3d3e3f0000000000000000c5b3566f60f67a9834c4b21f714dfc830003606162636465666768696a6b6c6d6e6f7071727374757677898d32e179515c90547e9acbf9dc6befe6b47790ab7c61bb5c2ab58dcabd33df85b004bbb9cb1234b8f0e3e841fe173d';
    expect(hex(fixed.seal({ element: 7, padding: '16', index: INDEX, tokens: TOKENS }, PAYLOAD))).to.equal(golden);
    for (const engine of [libsodium, noble])
      expect(hex(open(Buffer.from(golden, 'hex'), engine))).to.equal(hex(PAYLOAD));
  });
});
