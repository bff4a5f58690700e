/**
 * Somebody who can write into the database gives us whatever she likes to open: every bit of a value flipped, every cut, and a great many
 * values that were mutated, spliced and made up. What was not sealed so is refused, always with one and the same error (ENVELOPE.md E3,
 * E8). The mutations are drawn from a seed: a failure names the number of its own. A million of them with OUBLI_LONG_TESTS=1.
 */
import { expect } from 'chai';
import { type Codec, type Decoded, decode, encode } from '../../src/crypto/codec';
import type { Engine } from '../../src/crypto/engine';
import {
  assembleHeader,
  elementOf,
  hasEnvelopeShape,
  hasTokenShape,
  keyIdOf,
  parseEnvelope,
} from '../../src/crypto/envelope';
import { layoutFor, TAG_BYTES } from '../../src/crypto/layout';
import { Opener } from '../../src/crypto/open';
import { type Padding, pad } from '../../src/crypto/padding';
import { deriveRowKey, framePrefix } from '../../src/crypto/row-key';
import { RowSealer } from '../../src/crypto/seal';
import { unwrapKey, wrapKey } from '../../src/crypto/subject-key';
import { OubliError, TamperedError } from '../../src/errors';
import { Mutator } from '../support/mutator';
import { ADA, at, BOB, bothEngines, bytes, hex, NAMES } from '../unit/crypto/world';

const MANY = process.env.OUBLI_LONG_TESTS === '1' ? 1_000_000 : 4_000;
const ELEMENT = 7;
const KEK = bytes(32, 0x33);
const INDEX = bytes(16, 0xd0);
const TOKENS = bytes(24, 0xe0);

interface Kind {
  readonly codec: Codec;
  readonly value: unknown;
  readonly padding: Padding;
  readonly index?: Uint8Array;
  readonly tokens?: Uint8Array;
}
const KINDS: readonly Kind[] = [
  { codec: 'text', value: 'ada@example.org', padding: '32', index: INDEX },
  { codec: 'text', value: '', padding: 'none' },
  { codec: 'text', value: 'Ada Lovelace', padding: 'padme', tokens: TOKENS },
  { codec: 'text', value: 'Zoë', padding: '64', index: INDEX, tokens: TOKENS },
  { codec: 'bytes', value: bytes(5, 0xfc), padding: '16' },
  { codec: 'json', value: { a: [1, null] }, padding: 'none' },
  { codec: 'integer', value: -1n, padding: 'none', index: INDEX },
  { codec: 'numeric', value: '12.50', padding: '16' },
  { codec: 'date', value: '1815-12-10', padding: 'none' },
  { codec: 'timestamp', value: '1815-12-10 01:02:03', padding: 'none' },
  { codec: 'timestamptz', value: '1815-12-10 01:02:03+00', padding: 'padme' },
  { codec: 'boolean', value: true, padding: 'none' },
];

type Outcome = Decoded | OubliError;

describe('Somebody who makes up sealed values', function () {
  this.timeout(20 * 60_000);
  let engines: readonly Engine[];
  /** Of each kind, sealed by each engine: what stands in the database. */
  let samples: readonly { readonly engine: Engine; readonly kind: Kind; readonly value: Buffer }[];
  before(async () => {
    engines = await bothEngines();
    samples = engines.flatMap((engine) => KINDS.map((kind) => ({ engine, kind, value: sealed(engine, kind) })));
  });

  it('E3: flips every bit of a value of every kind, and none of them opens', () => {
    for (const { engine, kind, value } of samples) {
      expect(isTampered(open(engine, value)), kind.codec).to.equal(false);
      for (let bit = 0; bit < value.length * 8; bit++) {
        const flipped = Buffer.from(value);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expectRefusal(open(engine, flipped), `${engine.name} ${kind.codec} ${kind.padding}, bit ${bit}`);
      }
    }
  });

  it('E3: cuts a value of every kind at every place, at both ends and in the middle', () => {
    for (const { engine, kind, value } of samples) {
      for (let length = 0; length < value.length; length++) {
        const middle = Buffer.concat([value.subarray(0, length), value.subarray(length + 1)]);
        for (const cut of [value.subarray(0, length), value.subarray(value.length - length), middle])
          expectRefusal(open(engine, cut), `${engine.name} ${kind.codec} ${kind.padding}, ${length}`);
      }
    }
  });

  it('E8: a wrong key, a wrong place, and whatever was damaged are one error, to the letter', () => {
    for (const engine of engines) {
      const [kind] = KINDS as readonly [Kind];
      const value = sealed(engine, kind);
      const renamed = Buffer.from(value);
      renamed.set(BOB.keyId, 24);
      const damaged = (offset: number): Buffer => {
        const copy = Buffer.from(value);
        copy[offset]! ^= 1;
        return copy;
      };
      const outcomes = {
        'another key': open(engine, value, { dek: BOB.dek }),
        'another key, and her name': open(engine, renamed, { dek: BOB.dek }),
        'another column': open(engine, value, { element: 8 }),
        'another installation': open(engine, value, { place: at(engine, bytes(16, 2)) }),
        ...Object.fromEntries(
          [8, 40, 63, 64, 80, 127].map((offset) => [`damage at ${offset}`, open(engine, damaged(offset))]),
        ),
        'no codec': open(engine, crafted(engine, Buffer.of(0x77, 1), '16')),
        'no text': open(engine, crafted(engine, Buffer.of(1, 0xff, 0xfe), 'none')),
        'no padding': open(
          engine,
          crafted(engine, Buffer.alloc(16, 1), '16', (payload) => payload),
        ),
        'padding of a longer class': open(
          engine,
          crafted(engine, Buffer.of(1, 65), '16', (payload) => pad('32', payload)),
        ),
      };
      for (const [what, outcome] of Object.entries(outcomes)) expectRefusal(outcome, `${engine.name}, ${what}`);
      // what can only be told with the key is told at one place, so that a stack says no more than the message
      const stacks = Object.values(outcomes).map((outcome) =>
        String((outcome as Error).stack).replace(/:\d+:\d+\)$/gm, ''),
      );
      expect(
        new Set(
          stacks.map((stack) =>
            stack
              .split('\n')
              .filter((line) => line.includes('/src/'))
              .join('\n'),
          ),
        ).size,
      ).to.equal(1);
    }
  });

  it(`E3: mutates, splices and makes up ${MANY} of them: none opens as what it is not, and nothing else than refusals happens`, () => {
    const mutator = new Mutator(
      20_240_501,
      samples.map(({ value }) => value),
    );
    const whole = new Map(samples.map(({ value, kind }) => [hex(value), kind]));
    const counted = { refused: 0, whole: 0 };
    for (let number = 0; number < MANY; number++) {
      const mutated = mutator.next();
      const engine = engines[number % 20 === 0 ? 1 : 0] as Engine; // noble is slow
      const outcome = open(engine, mutated);
      askQuickly(mutated, number);
      if (!isTampered(outcome) && whole.has(hex(mutated))) {
        counted.whole++;
        continue;
      }
      expectRefusal(outcome, `mutation ${number}: ${hex(mutated)}`);
      counted.refused++;
    }
    expect(counted.refused).to.be.greaterThan(MANY * 0.9);
  });

  it('E8: seals what is no value under the right key, and that is refused alike, or read as what it says', () => {
    const mutator = new Mutator(20_240_502, KINDS.map(payloadOf));
    for (let number = 0; number < MANY / 4; number++) {
      const [engine] = engines as readonly [Engine];
      const payload = mutator.next();
      const outcome = open(engine, crafted(engine, payload, 'none'));
      if (isTampered(outcome) || outcome instanceof OubliError)
        expectRefusal(outcome, `mutation ${number}: ${hex(payload)}`);
      else expect(outcome.codec).to.be.a('string');
    }
  });

  it('K8: gives keys to unwrap that were never wrapped so', () => {
    const wrapped = engines.map((engine) => Buffer.from(wrapKey(engine, KEK, ADA.dek, ADA.keyId, 3)));
    const mutator = new Mutator(20_240_503, wrapped);
    const faces = new Set<string>();
    for (let number = 0; number < MANY / 4; number++) {
      const mutated = mutator.next();
      if (wrapped.some((whole) => whole.equals(mutated))) continue;
      const outcome = outcomeOf(() => unwrapKey(engines[number % 2] as Engine, KEK, mutated, ADA.keyId, 3));
      expect(isTampered(outcome), `mutation ${number}: ${hex(mutated)}`).to.equal(true);
      faces.add(faceOf(outcome as OubliError));
    }
    expect(faces.size).to.equal(1);
  });
});

function payloadOf({ codec, value }: Kind): Buffer {
  return Buffer.from(encode(codec, value, NAMES));
}

function sealed(engine: Engine, kind: Kind): Buffer {
  const { padding, index, tokens } = kind;
  return new RowSealer(at(engine), ADA.keyId, ADA.dek).seal(
    { element: ELEMENT, padding, index, tokens },
    payloadOf(kind),
  );
}

/** Sealed with the right key, whatever the payload, and padded as somebody else would. */
function crafted(
  engine: Engine,
  payload: Uint8Array,
  padding: Padding,
  padded = (given: Uint8Array) => pad(padding, given),
): Buffer {
  const place = at(engine);
  const salt = bytes(24, 0x50);
  const { cipherKey, commitment } = deriveRowKey(engine, ADA.dek, ADA.keyId, salt.subarray(0, 16));
  const header = { element: ELEMENT, padding, keyId: ADA.keyId, salt, commitment };
  const plain = padded(payload);
  const value = assembleHeader(header, plain.length + TAG_BYTES);
  const layout = layoutFor({});
  engine.sealFrame(cipherKey, framePrefix(place.instance, layout), value, layout, plain);
  return value;
}

function open(
  engine: Engine,
  value: Uint8Array,
  { dek = ADA.dek, element = ELEMENT, place = at(engine) } = {},
): Outcome {
  return outcomeOf(() => new Opener(place).read(parseEnvelope(value, NAMES), dek, element, NAMES, decode));
}

/** Anything but a value and a refusal of ours goes through: it fails the test. */
function outcomeOf<T>(work: () => T): T | OubliError {
  try {
    return work();
  } catch (error) {
    if (error instanceof OubliError) return error;
    throw error;
  }
}

function isTampered(outcome: unknown): boolean {
  return outcome instanceof TamperedError;
}

/** Everything that is public of an error but its stack. */
function faceOf(error: OubliError): string {
  const names = Object.getOwnPropertyNames(error).filter((name) => name !== 'stack');
  const properties = names.map((name) => [name, Object.getOwnPropertyDescriptor(error, name)]);
  return JSON.stringify([error.constructor.name, String(error), properties]);
}

const ONE_FACE = faceOf(new TamperedError('SEALED_VALUE_TAMPERED', NAMES));

function expectRefusal(outcome: Outcome, what: string): void {
  if (!(outcome instanceof OubliError)) expect.fail(`opened: ${what}`);
  const face = faceOf(outcome);
  if (face !== ONE_FACE) expect.fail(`${what} is refused otherwise: ${face}`);
}

/** What is asked of bytes before anybody knows whether they are a value: an answer, whatever they are. */
function askQuickly(mutated: Buffer, number: number): void {
  const answers = [hasEnvelopeShape(mutated), hasTokenShape(mutated), elementOf(mutated), keyIdOf(mutated)];
  const types = answers.map((answer) => typeof answer).join();
  if (types !== 'boolean,boolean,number,object') expect.fail(`mutation ${number}: ${types}`);
}
