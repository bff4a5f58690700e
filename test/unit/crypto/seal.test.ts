import { inspect } from 'node:util';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Engine } from '../../../src/crypto/engine';
import { parseEnvelope } from '../../../src/crypto/envelope';
import { Opener } from '../../../src/crypto/open';
import { PADDINGS } from '../../../src/crypto/padding';
import { RowSealer } from '../../../src/crypto/seal';
import { KeyUnavailableError, TamperedError } from '../../../src/errors';
import { ADA, at, BOB, bothEngines, bytes, hex, INSTANCE, NAMES, OTHER_INSTANCE, refusal } from './world';

const PAYLOAD = Buffer.from('\u0001ada@example.org');
const EMAIL = { element: 7, padding: '32', index: bytes(16, 0xd0) } as const;
const NAME = { element: 8, padding: 'none' } as const;

let libsodium: Engine;
let noble: Engine;
before(async () => {
  [libsodium, noble] = await bothEngines();
});

const seal = (engine = libsodium, who = ADA, target: Parameters<RowSealer['seal']>[0] = EMAIL): Buffer =>
  new RowSealer(at(engine), who.keyId, who.dek).seal(target, PAYLOAD);

const open = (value: Uint8Array, who = ADA, element?: number, place = at(libsodium)): Uint8Array =>
  new Opener(place).open(parseEnvelope(value), who.dek, element);

describe('E9 a value sealed by either engine opens by both', () => {
  it('for every padding class, length, and with or without an index', () => {
    const payload = fc.uint8Array({ minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fc.constantFrom(...PADDINGS), payload, fc.boolean(), (padding, given, searchable) => {
        for (const [from, to] of [
          [libsodium, noble],
          [noble, libsodium],
          [libsodium, libsodium],
          [noble, noble],
        ] as const) {
          const target = searchable ? { element: 7, padding, index: EMAIL.index } : { element: 7, padding };
          const value = new RowSealer(at(from), ADA.keyId, ADA.dek).seal(target, given);
          expect(hex(open(value, ADA, 7, at(to)))).to.equal(hex(given));
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('the format as ENVELOPE.md writes it, computed here a second time by hand', () => {
  it('K1 derives key and commitment per row, and never uses the DEK as a cipher key', () => {
    const value = seal();
    const [keyId, salt, commitment, sealed] = [
      value.subarray(24, 40),
      value.subarray(40, 64),
      value.subarray(64, 80),
      value.subarray(80),
    ];
    const message = Buffer.concat([Buffer.from('oubli/v1'), Buffer.of(1), keyId, salt.subarray(0, 16)]);
    const derived = blake2b(message, { key: ADA.dek, dkLen: 64 });
    expect(hex(commitment)).to.equal(hex(derived.subarray(32, 48)));

    const header = value.subarray(0, 80);
    const aad = Buffer.concat([Buffer.of(0, 0, 0, 16), INSTANCE, Buffer.of(0, 0, 0, 80), header]);
    const plain = xchacha20poly1305(derived.subarray(0, 32), salt, aad).decrypt(sealed);
    expect(hex(plain)).to.equal(`${hex(PAYLOAD)}80${'00'.repeat(15)}`);
    expect(() => xchacha20poly1305(ADA.dek, salt, aad).decrypt(sealed)).to.throw();
  });

  it('costs 80 bytes over the padded payload, 96 when searchable', () => {
    expect(seal(libsodium, ADA, NAME)).to.have.length(80 + PAYLOAD.length);
    expect(seal(libsodium, ADA, EMAIL)).to.have.length(96 + 32);
  });
});

describe('E3 nothing that was changed opens', () => {
  const refused = (value: Uint8Array, what: string, who = ADA): void => {
    expect(() => open(value, who), what).to.throw(TamperedError);
  };

  it('refuses every single bit flip, of a searchable value and of a plain one', () => {
    for (const target of [EMAIL, NAME]) {
      const value = seal(libsodium, ADA, target);
      for (let bit = 0; bit < value.length * 8; bit++) {
        const flipped = Buffer.from(value);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        refused(flipped, `bit ${bit}`);
      }
      expect(hex(open(value))).to.equal(hex(PAYLOAD));
    }
  });

  it('refuses every truncation, at either end', () => {
    const value = seal();
    for (let length = 0; length < value.length; length++) {
      refused(value.subarray(0, length), `first ${length}`);
      refused(value.subarray(value.length - length), `last ${length}`);
    }
  });

  it('refuses every extension', () => {
    const value = seal();
    for (const more of [1, 16, 32]) {
      refused(Buffer.concat([value, Buffer.alloc(more)]), `${more} behind`);
      refused(Buffer.concat([value, value.subarray(-more)]), `${more} repeated`);
    }
  });

  it('refuses a value of another subject under her key, and one whose key id was exchanged', () => {
    refused(seal(libsodium, BOB), 'a row of another subject');
    const value = seal();
    value.set(BOB.keyId, 24);
    refused(value, 'an exchanged key id', BOB);
    refused(value, 'an exchanged key id', ADA);
  });

  it('refuses a value moved to another column, even of one row', () => {
    const sealer = new RowSealer(at(libsodium), ADA.keyId, ADA.dek);
    const [first, second] = [sealer.seal(NAME, PAYLOAD), sealer.seal({ ...NAME, element: 9 }, PAYLOAD)];
    expect(() => open(first, ADA, 9)).to.throw(TamperedError);
    first.copy(second, 0, 0, 8);
    refused(second, 'another element’s header');
  });

  it('refuses a blind index taken from another value, and one taken away', () => {
    const value = seal();
    value.set(bytes(16, 0xaa), 8);
    refused(value, 'another index');
    const bare = Buffer.concat([seal().subarray(0, 8), seal().subarray(24)]);
    bare[3]! &= ~1;
    refused(bare, 'no index');
  });

  it('refuses a value of another installation', () => {
    expect(() => open(seal(), ADA, 7, at(libsodium, OTHER_INSTANCE))).to.throw(TamperedError);
  });

  it('refuses ciphertexts exchanged between two values of one row', () => {
    const sealer = new RowSealer(at(libsodium), ADA.keyId, ADA.dek);
    const [first, second] = [sealer.seal(NAME, PAYLOAD), sealer.seal(NAME, PAYLOAD)];
    refused(Buffer.concat([first.subarray(0, 64), second.subarray(64)]), 'the ciphertext of a sibling');
  });
});

describe('E4 a value read from a column must be of its element', () => {
  it('opens where it belongs or where that is not known, and nowhere else', () => {
    expect(hex(open(seal(), ADA, 7))).to.equal(hex(PAYLOAD));
    expect(hex(open(seal(), ADA))).to.equal(hex(PAYLOAD));
    expect(() => open(seal(), ADA, 8)).to.throw(TamperedError);
    expect(() => open(seal(libsodium, ADA, { ...NAME, element: 0 }), ADA, 8)).to.throw(TamperedError);
  });
});

describe('E2 the commitment is compared before anything is decrypted', () => {
  it('asks the engine to open nothing under a wrong key', () => {
    let opened = 0;
    const counting: Engine = {
      ...libsodium,
      openFrame: (...given) => {
        opened++;
        return libsodium.openFrame(...given);
      },
    };
    const place = at(counting);
    expect(() => new Opener(place).open(parseEnvelope(seal()), BOB.dek)).to.throw(TamperedError);
    expect(opened).to.equal(0);
    new Opener(place).open(parseEnvelope(seal()), ADA.dek);
    expect(opened).to.equal(1);
  });
});

describe('E5 the values of one row share 16 random bytes and differ by counter', () => {
  it('counts 0, 1, 2 … and never repeats', () => {
    const sealer = new RowSealer(at(libsodium), ADA.keyId, ADA.dek);
    const salts = Array.from({ length: 2000 }, () => parseEnvelope(sealer.seal(NAME, PAYLOAD)).salt);
    expect(new Set(salts.map((salt) => hex(salt.subarray(0, 16)))).size).to.equal(1);
    expect(salts.map((salt) => Number(Buffer.from(salt).readBigUInt64BE(16)))).to.deep.equal(
      Array.from({ length: 2000 }, (_, i) => i),
    );
  });

  it('takes a new row salt for every row', () => {
    const salts = Array.from({ length: 500 }, () => hex(parseEnvelope(seal()).salt.subarray(0, 16)));
    expect(new Set(salts).size).to.equal(500);
  });

  it('derives once per row, when sealing and when opening', () => {
    let derived = 0;
    const counting: Engine = {
      ...libsodium,
      derive: (...given) => {
        derived++;
        libsodium.derive(...given);
      },
    };
    const sealer = new RowSealer(at(counting), ADA.keyId, ADA.dek);
    const row = [sealer.seal(EMAIL, PAYLOAD), sealer.seal(NAME, PAYLOAD), sealer.seal(NAME, PAYLOAD)];
    expect(derived).to.equal(1);

    const opener = new Opener(at(counting));
    for (const value of row) expect(hex(opener.open(parseEnvelope(value), ADA.dek))).to.equal(hex(PAYLOAD));
    expect(derived).to.equal(2);
    opener.open(parseEnvelope(seal()), ADA.dek);
    expect(derived).to.equal(3);
  });

  it('uses no remembered key for another subject, salt or DEK', () => {
    const opener = new Opener(at(libsodium));
    const value = seal();
    expect(hex(opener.open(parseEnvelope(value), ADA.dek))).to.equal(hex(PAYLOAD));
    expect(() => opener.open(parseEnvelope(value), BOB.dek)).to.throw(TamperedError);
    expect(hex(opener.open(parseEnvelope(seal(noble, BOB)), BOB.dek))).to.equal(hex(PAYLOAD));
    expect(hex(opener.open(parseEnvelope(value), ADA.dek))).to.equal(hex(PAYLOAD));
    opener.wipe();
    expect(hex(opener.open(parseEnvelope(value), ADA.dek))).to.equal(hex(PAYLOAD));
  });

  it('derives anew for another key id, even under the same salt and DEK', () => {
    let opened = 0;
    const counting: Engine = {
      ...libsodium,
      openFrame: (...given) => {
        opened++;
        return libsodium.openFrame(...given);
      },
    };
    const opener = new Opener(at(counting));
    const value = seal();
    opener.open(parseEnvelope(value), ADA.dek);
    const renamed = Buffer.from(value);
    renamed.set(BOB.keyId, 24);
    expect(() => opener.open(parseEnvelope(renamed), ADA.dek)).to.throw(TamperedError);
    expect(opened, 'refused by the commitment').to.equal(1);
  });

  it('is not deceived by a buffer that is used again for another row', () => {
    const opener = new Opener(at(libsodium));
    const [buffer, next] = [seal(), seal()];
    opener.open(parseEnvelope(buffer), ADA.dek);
    next.copy(buffer);
    expect(hex(opener.open(parseEnvelope(buffer), ADA.dek))).to.equal(hex(PAYLOAD));
  });
});

describe('what the caller does with its buffers afterwards changes nothing', () => {
  it('copies the key id, which came as a Buffer from the database', () => {
    const keyId = Buffer.from(ADA.keyId);
    const sealer = new RowSealer(at(libsodium), keyId, ADA.dek);
    keyId.fill(0xee);
    expect(hex(open(sealer.seal(NAME, PAYLOAD)))).to.equal(hex(PAYLOAD));
  });
});

describe('K9 K10 a wiped or wrong key seals nothing and opens nothing', () => {
  it('is retryable, for the key may come back', () => {
    for (const dek of [new Uint8Array(32), bytes(31, 1), bytes(33, 1), new Uint8Array(0)]) {
      expect(() => new RowSealer(at(libsodium), ADA.keyId, dek)).to.throw(KeyUnavailableError);
      expect(() => new Opener(at(libsodium)).open(parseEnvelope(seal()), dek)).to.throw(KeyUnavailableError);
    }
  });

  it('stops an Opener whose cache was wiped between two values of one row', () => {
    const opener = new Opener(at(libsodium));
    const dek = ADA.dek.slice();
    const value = seal();
    opener.open(parseEnvelope(value), dek);
    dek.fill(0);
    expect(() => opener.open(parseEnvelope(value), dek)).to.throw(KeyUnavailableError);
  });

  it('seals nothing after the row’s key was wiped, nor for key id zero', () => {
    const sealer = new RowSealer(at(libsodium), ADA.keyId, ADA.dek);
    sealer.wipe();
    sealer.wipe();
    expect(() => sealer.seal(NAME, PAYLOAD)).to.throw(RangeError);
    expect(() => new RowSealer(at(libsodium), new Uint8Array(16), ADA.dek)).to.throw(RangeError);
  });
});

describe('E8 one public error, and nothing secret in it', () => {
  it('says the same whichever check failed', () => {
    const flip = (offset: number) => {
      const value = seal();
      value[offset]! ^= 1;
      return refusal(() => new Opener(at(libsodium)).open(parseEnvelope(value, NAMES), ADA.dek, 7, NAMES));
    };
    // magic, suite, flags, element, index, key id, row salt, counter, commitment, ciphertext, tag
    const errors = [0, 2, 3, 4, 8, 24, 40, 63, 64, 80, 127].map(flip);
    for (const error of errors) expect(error).to.be.instanceOf(TamperedError);
    expect(new Set(errors.map((error) => error.message)).size).to.equal(1);
    expect(errors[0]).to.include({ code: 'SEALED_VALUE_TAMPERED', table: 'users', column: 'email' });
  });

  it('carries no cause, and no byte of key or value in message, JSON, stack or inspection', () => {
    const value = seal();
    value[127]! ^= 1;
    const error = refusal(() => new Opener(at(libsodium)).open(parseEnvelope(value), ADA.dek, 7, NAMES));
    expect(error.cause).to.equal(undefined);
    const said = [error.message, JSON.stringify(error), String(error.stack), inspect(error, { depth: 9 })].join('\n');
    for (const secret of ['ada@example', hex(ADA.dek).slice(0, 8), hex(value).slice(100, 116)]) {
      expect(said).to.not.include(secret);
    }
  });
});
