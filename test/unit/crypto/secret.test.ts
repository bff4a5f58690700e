import { expect } from 'chai';
import fc from 'fast-check';
import { base64Of, keyOfBase64 } from '../../../src/crypto/base64';
import { blindIndex, indexKey } from '../../../src/crypto/blind-index';
import { randomKey } from '../../../src/crypto/random';
import { deriveRowKey, wipeRowKey } from '../../../src/crypto/row-key';
import { secretBytes, secretCopy } from '../../../src/crypto/secret';
import { unwrapKey, wrapKey } from '../../../src/crypto/subject-key';
import { ADA, bothEngines, bytes, hex } from './world';

describe('K10 keys stand in memory that is never moved', () => {
  it('zeros, never handed out twice, whatever the lengths', () => {
    const lengths = Array.from({ length: 500 }, (_, i) => [0, 1, 32, 64, 511, 512, 513, 5000][i % 8] as number);
    const each = lengths.map((length) => secretBytes(length));
    for (const [i, part] of each.entries()) {
      expect(part).to.have.length(lengths[i] as number);
      expect(part.every((byte) => byte === 0)).to.equal(true);
      part.fill(0xff);
    }
  });

  it('outside of V8’s heap: each key is a part of a buffer that was there before it', async () => {
    for (const engine of await bothEngines()) {
      const kek = bytes(32, 0x33);
      const wrapped = wrapKey(engine, kek, ADA.dek, ADA.keyId, 1);
      const row = deriveRowKey(engine, ADA.dek, ADA.keyId, bytes(16, 1));
      const made = [
        secretCopy(ADA.dek),
        randomKey(),
        indexKey(engine, kek, 7, 'email', 1),
        unwrapKey(engine, kek, wrapped, ADA.keyId, 1),
        row.cipherKey,
      ];
      for (const key of made) expect(key.buffer.byteLength, 'a pool').to.equal(4096);
      expect(hex(made[0]!)).to.equal(hex(ADA.dek)).and.to.equal(hex(made[3]!));
      wipeRowKey(row);
    }
  });

  it('a row’s key is overwritten when the row is written, and only then another row’s', async () => {
    const [engine] = await bothEngines();
    const [one, two] = [1, 2].map((salt) => deriveRowKey(engine, ADA.dek, ADA.keyId, bytes(16, salt)));
    expect(hex(one!.cipherKey)).not.to.equal(hex(two!.cipherKey));
    const again = hex(two!.cipherKey);
    wipeRowKey(one!);
    expect(hex(one!.derived)).to.equal('00'.repeat(64));
    expect(hex(two!.cipherKey)).to.equal(again);
    const next = deriveRowKey(engine, ADA.dek, ADA.keyId, bytes(16, 3));
    expect(hex(next.cipherKey)).not.to.equal(again);
    expect(hex(two!.cipherKey)).to.equal(again);
  });

  it('the hash of an index is no key and lies anywhere', async () => {
    for (const engine of await bothEngines()) expect(blindIndex(engine, bytes(32, 1), bytes(9, 1))).to.have.length(16);
  });
});

describe('Base64 of keys, from bytes to bytes', () => {
  it('is what Buffer writes and reads', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), (key) => {
        const text = Buffer.from(key).toString('base64');
        const written = base64Of(key);
        expect(Buffer.from(written).toString('latin1')).to.equal(text);
        expect(hex(keyOfBase64(Buffer.from(text), key.length)!)).to.equal(hex(key));
      }),
    );
  });

  it('is strict: one character more, less or other, and it is no key', () => {
    const text = Buffer.from(Buffer.from(bytes(32, 0xc0)).toString('base64'));
    expect(keyOfBase64(text, 32)).to.have.length(32);
    const others = [
      text.subarray(1),
      text.subarray(0, 43),
      Buffer.concat([text, Buffer.from('=')]),
      Buffer.concat([text.subarray(0, 43), Buffer.from('A')]),
      Buffer.from(Buffer.from(bytes(31, 0xc0)).toString('base64')),
      Buffer.from(Buffer.from(bytes(33, 0xc0)).toString('base64')),
      Buffer.from(Buffer.from(bytes(32, 0xc0)).toString('base64url')),
      Buffer.from(String(text).replace('w', ' ')),
      Buffer.alloc(0),
    ];
    for (const other of others) expect(keyOfBase64(other, 32), String(other)).to.equal(undefined);
    // the last two bits of the 43rd character say nothing: what has them set was not written by anybody who writes base64
    const slipped = Buffer.from(text);
    slipped[42]!++;
    expect(keyOfBase64(slipped, 32)).to.equal(undefined);
  });
});
