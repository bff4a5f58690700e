/**
 * Golden ciphertexts: what version 1 wrote on the day it was fixed. They stay in the suite for ever, and golden.json is
 * never written again: a value that no longer opens here is a value lost in somebody's database.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { type Codec, decode, encode } from '../../../src/crypto/codec';
import { parseEnvelope } from '../../../src/crypto/envelope';
import { Opener } from '../../../src/crypto/open';
import type { Padding } from '../../../src/crypto/padding';
import { RowSealer } from '../../../src/crypto/seal';
import { unwrapKey } from '../../../src/crypto/subject-key';
import { bothEngines, hex, NAMES, unhex } from './world';

interface Golden {
  readonly instance: string;
  readonly keyId: string;
  readonly dek: string;
  readonly rowSalt: string;
  /** In the order they were sealed, within one row. */
  readonly values: readonly {
    readonly codec: Codec;
    /** Bytes as hex. */
    readonly given: string;
    readonly reads: string;
    readonly element: number;
    readonly padding: Padding;
    readonly index?: string;
    readonly sealed: string;
  }[];
  readonly wrapped: { readonly kek: string; readonly epoch: number; readonly bytes: string };
}

const golden = JSON.parse(readFileSync(path.join(__dirname, 'golden.json'), 'utf8')) as Golden;
const [keyId, dek, rowSalt, instance] = [golden.keyId, golden.dek, golden.rowSalt, golden.instance].map(unhex) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

describe('golden values of version 1, kept for ever', () => {
  it('cover every codec, every padding class, and values with and without an index', () => {
    const { values } = golden;
    expect(new Set(values.map(({ codec }) => codec)).size).to.equal(9);
    expect(new Set(values.map(({ padding }) => padding)).size).to.equal(5);
    expect(new Set(values.map(({ index }) => index === undefined)).size).to.equal(2);
  });

  it('open in both engines, and read as they were written', async () => {
    for (const engine of await bothEngines()) {
      for (const { sealed, element, codec, reads } of golden.values) {
        const decoded = new Opener({ engine, instance }).read(
          parseEnvelope(unhex(sealed)),
          dek,
          element,
          NAMES,
          decode,
        );
        expect(decoded.codec, sealed).to.equal(codec);
        expect(decoded.codec === 'bytes' ? hex(decoded.bytes) : decoded.text).to.equal(reads);
      }
    }
  });

  it('are sealed to the same bytes again, under the same salt', async () => {
    for (const engine of await bothEngines()) {
      const sealer = new RowSealer({ engine, instance }, keyId, dek, rowSalt);
      for (const { codec, given, element, padding, index, sealed } of golden.values) {
        const payload = encode(codec, codec === 'bytes' ? unhex(given) : given, NAMES);
        const target = { element, padding, index: index === undefined ? undefined : unhex(index) };
        expect(hex(sealer.seal(target, payload)), codec).to.equal(sealed);
      }
    }
  });

  it('include a subject key wrapped under an epoch key', async () => {
    const { kek, epoch, bytes } = golden.wrapped;
    for (const engine of await bothEngines())
      expect(hex(unwrapKey(engine, unhex(kek), unhex(bytes), keyId, epoch))).to.equal(golden.dek);
  });
});
