import { expect } from 'chai';
import fc from 'fast-check';
import {
  blindIndex,
  compoundIndexKey,
  compoundInput,
  groupIndexKey,
  indexInput,
  indexKey,
} from '../../../src/crypto/blind-index';
import type { Engine } from '../../../src/crypto/engine';
import { NORMALISERS, type Normaliser } from '../../../src/crypto/normaliser';
import { AnnotationError, InvalidValueError } from '../../../src/errors';
import { bothEngines, bytes, hex, NAMES, refusal } from './world';

const ROOT = bytes(32, 0x20);
const email = (text: string): string => NORMALISERS.email.normalise(text, NAMES);
const code = (text: string): string => {
  const error = refusal(() => email(text));
  expect(error).to.be.instanceOf(InvalidValueError);
  return error.code;
};

describe('I1 the normaliser email', () => {
  it('finds one address in all its spellings', () => {
    const spellings: readonly (readonly [string, string])[] = [
      ['Ada@Example.org', 'ada@example.org'],
      ['  ada@example.org\r\n', 'ada@example.org'],
      ['\u00a0ada@example.org\u3000', 'ada@example.org'],
      ['ADA@BÜCHER.DE', 'ada@xn--bcher-kva.de'],
      ['ada@bu\u0308cher.de', 'ada@xn--bcher-kva.de'],
      ['ada@XN--BCHER-KVA.DE', 'ada@xn--bcher-kva.de'],
      ['ada@例え。jp', 'ada@xn--r8jz45g.jp'],
      ['Jose\u0301@example.org', 'josé@example.org'],
      ['ada@Ｅxample.org', 'ada@example.org'],
      ['a@b@Example.org', 'a@b@example.org'],
      ['ada@localhost', 'ada@localhost'],
      ['ada@faß.de', 'ada@xn--fa-hia.de'],
      ['J\u030can@example.org', '\u01f0an@example.org'],
      ['\u01f0an@example.org', '\u01f0an@example.org'],
    ];
    for (const [given, normal] of spellings) expect(email(given), given).to.equal(normal);
  });

  it('folds neither dots nor plus: only the host knows what they mean', () => {
    expect(new Set(['a.da@example.org', 'ada@example.org', 'ada+x@example.org'].map(email)).size).to.equal(3);
  });

  it('reads a plain address, which is not looked at twice, as it reads any other', () => {
    const of = (alphabet: string) => fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength: 12 });
    const domain = fc.array(of('aZ09-x.'), { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'));
    const answer = (text: string): string => {
      try {
        return email(text);
      } catch (error) {
        return (error as InvalidValueError).code;
      }
    };
    fc.assert(
      fc.property(of('aZ9.+-_!#~"'), domain, of('oRgN1-'), (local, name, top) => {
        const address = `${local}@${name}.${top}`;
        expect(answer(address)).to.equal(answer(`${address} `)); // white space is cut off on the long way only
      }),
      { numRuns: 2000 },
    );
  });

  it('gives the same again when asked again', () => {
    const part = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(part, fc.domain(), (local, domain) => {
        let once: string;
        try {
          once = email(`${local}@${domain}`);
        } catch {
          return;
        }
        expect(email(once)).to.equal(once);
      }),
    );
  });

  it('refuses characters that cannot be seen, wherever they stand', () => {
    const invisible = [
      '\u200b',
      '\u200c',
      '\u200d',
      '\u2060',
      '\u00ad',
      '\ufeff',
      '\u202e',
      '\u2066',
      '\u200e',
      '\u061c',
      '\0',
      '\u0007',
      '\u007f',
      '\u0085x',
      '\u3164',
      '\u115f',
      '\u180e',
      '\ufe0f',
      '\u2800',
      '\u034f',
      '\u{e0041}',
    ];
    for (const character of invisible) {
      for (const address of [`a${character}da@example.org`, `ada@exa${character}mple.org`]) {
        const expected = character === '\0' ? 'VALUE_HAS_NUL' : 'EMAIL_HAS_INVISIBLES';
        expect(code(address), character.codePointAt(0)!.toString(16)).to.equal(expected);
      }
    }
    expect(code('\ufeffada@example.org')).to.equal('EMAIL_HAS_INVISIBLES');
    expect(code('ada lovelace@example.org')).to.equal('EMAIL_HAS_INVISIBLES');
    expect(code('ada@example\u2028.org')).to.equal('EMAIL_HAS_INVISIBLES');
  });

  it('refuses what has no local part or no domain', () => {
    const wrong = [
      '',
      'ada',
      '@',
      '@example.org',
      'ada@',
      'ada@example..org',
      'ada@.example.org',
      'ada@example.org.',
      'ada@example.org/x',
      'ada@example.org:25',
      'ada@example.org?x',
      'ada@ex%61mple.org',
      'ada@127.1',
      'ada@１２７.1',
      'ada@[::1]',
      'ada@[192.0.2.1]',
      'ada@xn--a',
      'ada@example.org\\x',
    ];
    for (const address of wrong) expect(code(address), address).to.equal('VALUE_NOT_EMAIL');
    expect(code('ada\ud800@example.org')).to.equal('VALUE_ILL_FORMED');
  });
});

describe('E8 an address that is refused is not repeated', () => {
  it('neither whole nor in part', () => {
    for (const address of ['lovelace1815@', 'love\u200blace1815@bletchley.uk', 'lovelace1815\ud800@bletchley.uk']) {
      const error = refusal(() => email(address));
      expect(`${error.message}${error.stack}`, error.code).to.not.match(/lace1815|bletchley/);
    }
  });
});

describe('I1 the normaliser exact', () => {
  it('keeps the code points, and refuses lone surrogates and NUL', () => {
    const exact = NORMALISERS.exact.normalise;
    for (const text of ['Ada', 'é', 'e\u0301', ' x ', '']) expect(exact(text)).to.equal(text);
    expect(() => exact('\ud800', NAMES)).to.throw(InvalidValueError);
    expect(() => exact('\0', NAMES)).to.throw(InvalidValueError);
  });

  it('has ids and versions that are part of every index ever written', () => {
    expect(NORMALISERS.exact).to.include({ id: 1, version: 1 });
    expect(NORMALISERS.email).to.include({ id: 2, version: 1 });
  });
});

describe('I1 the blind index', () => {
  let engines: readonly Engine[];
  before(async () => {
    engines = await bothEngines();
  });

  it('is keyed BLAKE2b-128 of the normalised value, alike in both engines and in Python', () => {
    for (const engine of engines) {
      const key = indexKey(engine, ROOT, 7, 'email', 3);
      expect(hex(key)).to.equal(INDEX_KEY);
      expect(hex(blindIndex(engine, key, indexInput('text', 'email', 'Ada@Example.org', NAMES)))).to.equal(INDEX);
    }
  });

  it('has another key for another root, element, normaliser or epoch', () => {
    const [engine] = engines as [Engine];
    const keys = [
      indexKey(engine, ROOT, 7, 'email', 3),
      indexKey(engine, bytes(32, 0x21), 7, 'email', 3),
      indexKey(engine, ROOT, 8, 'email', 3),
      indexKey(engine, ROOT, 7, 'exact', 3),
      indexKey(engine, ROOT, 7, 'email', 4),
    ];
    expect(new Set(keys.map(hex)).size).to.equal(keys.length);
  });

  it('has one key for a search group, and another for another group, normaliser, epoch or root', () => {
    const [engine, other] = engines as [Engine, Engine];
    const keys = [
      groupIndexKey(engine, ROOT, 'contact', 'email', 3),
      groupIndexKey(engine, ROOT, 'contacts', 'email', 3),
      groupIndexKey(engine, ROOT, 'contact', 'exact', 3),
      groupIndexKey(engine, ROOT, 'contact', 'email', 4),
      groupIndexKey(engine, bytes(32, 0x21), 'contact', 'email', 3),
      indexKey(engine, ROOT, 7, 'email', 3),
    ];
    expect(new Set(keys.map(hex)).size).to.equal(keys.length);
    expect(hex(groupIndexKey(other, ROOT, 'contact', 'email', 3))).to.equal(hex(keys[0] as Uint8Array));
    expect(hex(keys[0] as Uint8Array)).to.equal(GROUP_KEY);
  });

  it('over several values, has a key of its own and tells their borders, alike in Python', () => {
    const part = (normaliser: Normaliser, text: string) => ({
      normaliser,
      input: indexInput('text', normaliser, text, NAMES),
    });
    for (const engine of engines) {
      const key = compoundIndexKey(engine, ROOT, 7, 3);
      const input = compoundInput([part('unaccented', 'Zoé'), part('exact', 'London')]);
      expect(hex(blindIndex(engine, key, input))).to.equal(COMPOUND_INDEX);
    }
    const inputs = [
      [part('exact', 'ab'), part('exact', 'c')],
      [part('exact', 'a'), part('exact', 'bc')],
      [part('lowercase', 'a'), part('exact', 'bc')],
      [part('exact', 'bc'), part('exact', 'a')],
      [part('exact', 'abc')],
    ].map((parts) => hex(compoundInput(parts)));
    expect(new Set(inputs).size).to.equal(inputs.length);
  });

  it('finds equal values of one type however they were passed', () => {
    const equalInputs: readonly (readonly [Parameters<typeof indexInput>[0], readonly unknown[]])[] = [
      ['integer', [42, 42n, '42', '+042']],
      ['numeric', ['1.5', '1.50', 1.5, '15e-1', '01.500']],
      ['numeric', ['0', '-0.00', 0n]],
      ['numeric', ['100', '1e2', '100.0']],
      ['date', ['2024-05-01', new Date(2024, 4, 1)]],
      ['timestamptz', ['2024-05-01T10:00:00Z', '2024-05-01 12:00:00.000+02', new Date('2024-05-01T10:00:00Z')]],
      ['boolean', [true, 't', 'true']],
    ];
    for (const [codec, values] of equalInputs) {
      const inputs = values.map((value) => hex(indexInput(codec, 'exact', value, NAMES)));
      expect(new Set(inputs).size, codec).to.equal(1);
    }
    const apart = ['1', '10', '100', '0.1', '-1'].map((value) => hex(indexInput('numeric', 'exact', value, NAMES)));
    expect(new Set(apart).size).to.equal(5);
  });

  it('refuses a text normaliser on another type, JSON, and values the type cannot hold', () => {
    expect(refusal(() => indexInput('integer', 'email', 1, NAMES)).code).to.equal('NORMALISER_NEEDS_TEXT');
    expect(() => indexInput('integer', 'email', 1, NAMES)).to.throw(AnnotationError);
    expect(refusal(() => indexInput('json', 'exact', {}, NAMES)).code).to.equal('JSON_NOT_SEARCHABLE');
    expect(() => indexInput('text', 'exact', 1, NAMES)).to.throw(InvalidValueError);
    expect(() => indexInput('date', 'exact', 'x', NAMES)).to.throw(InvalidValueError);
  });
});

const INDEX_KEY = '7f5ec99d3df3ed29f4654469d002774df5d42de2a1acb97f1ce1bf58714378c7';
const GROUP_KEY = 'f2080416a8757537bdcb0e18c68e82bd1e374ee3c639881af86b5f11c79d3d65';
const COMPOUND_INDEX = 'b071b68b3d210cd88817a2800b94609b';
const INDEX = '503fec72d9608af75636e5176f161d0d';
