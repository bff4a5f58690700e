import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Engine } from '../../../src/crypto/engine';
import { bothEngines, bytes, hex, unhex } from './world';

const VECTORS = path.join(__dirname, '../../../../shared/data/vectors');

interface Wycheproof {
  testGroups: {
    tests: {
      tcId: number;
      key: string;
      iv: string;
      aad: string;
      msg: string;
      ct: string;
      tag: string;
      result: string;
    }[];
  }[];
}
type KnownAnswers = { in: string; key: string; out: string }[];

/** Published vectors lie beside the repository, never in it. In CI a missing file is a failure (E9). */
function vectors<Content>(running: Mocha.Context, file: string): Content {
  const found = path.join(VECTORS, file);
  if (!existsSync(found) && !process.env.CI) {
    process.stdout.write(`      skipped: ${found} is missing; in CI this is a failure\n`);
    running.skip();
  }
  return JSON.parse(readFileSync(found, 'utf8')) as Content;
}

describe('E9 both engines open each other’s values and pass the published vectors', () => {
  let engines: readonly Engine[];
  before(async () => {
    engines = await bothEngines();
  });

  it('passes every XChaCha20-Poly1305 vector of Wycheproof', function () {
    const { testGroups } = vectors<Wycheproof>(this, 'wycheproof-xchacha20_poly1305.json');
    let valid = 0;
    for (const engine of engines) {
      for (const vector of testGroups.flatMap((group) => group.tests)) {
        const [key, nonce, aad, plain] = [vector.key, vector.iv, vector.aad, vector.msg].map(unhex) as Uint8Array[];
        const sealed = unhex(vector.ct + vector.tag);
        const open = () => engine.open(key!, nonce!, aad!, sealed);
        if (vector.result === 'valid') {
          valid++;
          expect(hex(engine.seal(key!, nonce!, aad!, plain!)), `${engine.name} ${vector.tcId}`).to.equal(hex(sealed));
          expect(hex(open()), `${engine.name} ${vector.tcId}`).to.equal(vector.msg);
        } else {
          expect(open, `${engine.name} ${vector.tcId}`).to.throw();
        }
      }
    }
    expect(valid).to.be.greaterThan(400);
  });

  it('passes every keyed BLAKE2b vector of the reference implementation', function () {
    const keyed = vectors<KnownAnswers>(this, 'blake2b-kat.json').filter(({ key }) => key !== '');
    expect(keyed).to.have.length(256);
    for (const engine of engines) {
      for (const vector of keyed) {
        expect(hex(engine.hash(64, unhex(vector.key), unhex(vector.in))), engine.name).to.equal(vector.out);
      }
    }
  });

  it('hashes to 16 and 32 bytes as Python’s hashlib does, not by cutting 64', () => {
    for (const engine of engines) {
      expect(hex(engine.hash(16, bytes(32, 0), Buffer.from('ada@example.org')))).to.equal(KEYED_16);
      expect(hex(engine.hash(32, bytes(32, 0), Buffer.from('ada@example.org')))).to.equal(KEYED_32);
    }
  });

  it('refuses an empty key: an unkeyed hash protects nobody', () => {
    for (const engine of engines) expect(() => engine.hash(32, new Uint8Array(0), bytes(3, 1))).to.throw(RangeError);
  });

  it('seals to the same bytes and opens what the other sealed', () => {
    const [one, two] = engines as [Engine, Engine];
    const text = fc.uint8Array({ maxLength: 300 });
    const length = (n: number) => fc.uint8Array({ minLength: n, maxLength: n });
    fc.assert(
      fc.property(length(32), length(24), text, text, (key, nonce, aad, plain) => {
        const [a, b] = [one.seal(key, nonce, aad, plain), two.seal(key, nonce, aad, plain)];
        expect(hex(a)).to.equal(hex(b));
        expect(hex(one.open(key, nonce, aad, b))).to.equal(hex(plain));
        expect(hex(two.open(key, nonce, aad, a))).to.equal(hex(plain));
        expect(hex(one.hash(64, key, plain))).to.equal(hex(two.hash(64, key, plain)));
      }),
    );
  });

  it('seals a frame in place to the same bytes, and opens it, whatever lies where', () => {
    const [one, two] = engines as [Engine, Engine];
    const text = fc.uint8Array({ maxLength: 6000 });
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        text,
        text,
        fc.nat(99),
        (key, prefix, plain, nonceAt) => {
          const layout = { headerLength: nonceAt + 24 + 7, nonceAt };
          const header = bytes(layout.headerLength, 5);
          const sealed = one.seal(key, header.subarray(nonceAt, nonceAt + 24), Buffer.concat([prefix, header]), plain);
          for (const [engine, other] of [
            [one, two],
            [two, one],
          ] as const) {
            const frame = Buffer.concat([header, Buffer.alloc(plain.length + 16, 0xee)]);
            engine.sealFrame(key, prefix, frame, layout, plain);
            expect(hex(frame)).to.equal(hex(Buffer.concat([header, sealed])));
            expect(other.openFrame(key, prefix, frame, layout, asHex)).to.equal(hex(plain));
            frame[layout.headerLength - 1]! ^= 1;
            expect(() => other.openFrame(key, prefix, frame, layout, asHex)).to.throw();
            const cut = frame.subarray(0, layout.headerLength + 15);
            expect(() => other.openFrame(key, prefix, cut, layout, asHex)).to.throw();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reads keys and values that are views into larger buffers', () => {
    for (const engine of engines) {
      const slab = bytes(200, 0);
      const [key, nonce, aad] = [slab.subarray(3, 35), slab.subarray(50, 74), slab.subarray(80, 99)];
      const sealed = engine.seal(key, nonce, aad, slab.subarray(100, 110));
      const within = new Uint8Array(100);
      within.set(sealed, 7);
      expect(hex(engine.open(key.slice(), nonce.slice(), aad.slice(), within.subarray(7, 7 + sealed.length)))).to.equal(
        hex(slab.subarray(100, 110)),
      );
    }
  });
});

const asHex = (memory: Buffer, start: number, end: number): string => hex(memory.subarray(start, end));

const KEYED_16 = '6cb7e3b2a2755a1f82ce1d842717a98d';
const KEYED_32 = 'f566a3370884a402d6d2c110bdd23f340c0200267f7687a8a98cd61cfde28277';
