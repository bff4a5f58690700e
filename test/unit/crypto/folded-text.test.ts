import { expect } from 'chai';
import fc from 'fast-check';
import { NORMALISERS, type Normaliser } from '../../../src/crypto/normaliser';
import { InvalidValueError } from '../../../src/errors';
import { NAMES, refusal } from './world';

const same = (normaliser: Normaliser, normal: string, spellings: readonly string[]): void => {
  for (const text of spellings) expect(NORMALISERS[normaliser].normalise(text, NAMES), text).to.equal(normal);
};
const apart = (normaliser: Normaliser, texts: readonly string[]): void => {
  const forms = texts.map((text) => NORMALISERS[normaliser].normalise(text, NAMES));
  expect(new Set(forms).size, forms.join(' | ')).to.equal(texts.length);
};
/** Every code point that a text can hold. */
const everyCharacter = Array.from({ length: 0x110000 }, (_, code) => code)
  .filter((code) => code > 0 && (code < 0xd800 || code > 0xdfff))
  .map((code) => String.fromCodePoint(code));

describe('I1 the normaliser lowercase', () => {
  it('finds a word in any case, however its accents are composed', () => {
    same('lowercase', 'josé', ['José', 'JOSÉ', 'Jose\u0301', 'josé']);
    same('lowercase', 'οδοσ', ['ΟΔΟΣ', 'οδος', 'οδοσ']);
    same('lowercase', 'i\u0307', ['İ']);
    same('lowercase', ' a b', [' A b']);
  });

  it('tells accents, spaces and letters of their own apart', () => {
    apart('lowercase', ['jose', 'josé', ' jose', 'jo se']);
    apart('lowercase', ['ß', 'ss', 'i', 'ı']);
  });
});

describe('I1 the normaliser unaccented', () => {
  it('finds a word without its accents, its case, its compatibility forms', () => {
    same('unaccented', 'jose', ['José', 'JOSE', 'Jose\u0301', 'Ｊosé', 'jo\u0323se']);
    same('unaccented', 'francois', ['François', 'FRANÇOIS', 'francois']);
    same('unaccented', 'fi', ['ﬁ', 'FI']);
    same('unaccented', 'i', ['İ', 'I', 'i', 'ï']);
    same('unaccented', 'οδοσ', ['Ὁδός', 'ΟΔΟΣ']);
  });

  it('keeps letters that are no accented others, spaces and hyphens', () => {
    apart('unaccented', ['o', 'ø', 'l', 'ł', 'ss', 'ß', 'ae', 'æ']);
    apart('unaccented', ['jean luc', 'jean-luc', 'jeanluc']);
  });
});

describe('I1 the normaliser digits', () => {
  it('finds a number whatever stands between its digits, and in any script', () => {
    same('digits', '33612345678', [
      '+33 6 12 34 56 78',
      '33-612-345-678',
      '(33) 612.345.678',
      '３３６１２３４５６７８',
    ]);
    same('digits', '0123456789', ['٠١٢٣٤٥٦٧٨٩', '०१२३४५६७८९', '𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗', '𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡', '𝟶𝟷𝟸𝟹𝟺𝟻𝟼𝟽𝟾𝟿']);
  });

  it('keeps every digit: what 00 and a leading 0 stand for, it does not know', () => {
    apart('digits', ['+33 6 12', '0033 6 12', '06 12', '6 12']);
    same('digits', '2', ['x²2']); // a superscript is a number, and no decimal digit
  });

  it('refuses a text without any, which all would be equal', () => {
    for (const text of ['', 'none', '+', '½', '²']) {
      const error = refusal(() => NORMALISERS.digits.normalise(text, NAMES));
      expect(error).to.be.instanceOf(InvalidValueError);
      expect(error.code).to.equal('VALUE_HAS_NO_DIGITS');
      expect(text !== '' && error.message.includes(`'${text}'`)).to.equal(false);
    }
  });

  it('knows the value of each digit of Unicode that has a compatibility form', () => {
    const digits = everyCharacter.filter((each) => /^\p{Nd}$/u.test(each) && /^[0-9]$/.test(each.normalize('NFKD')));
    expect(digits.length).to.be.greaterThan(60);
    for (const each of digits) same('digits', each.normalize('NFKD'), [each]);
  });
});

describe('I1 every normaliser of text', () => {
  for (const name of ['lowercase', 'unaccented', 'digits'] as const) {
    const { normalise } = NORMALISERS[name];

    it(`${name} gives the same again when asked again, for every character of Unicode`, () => {
      for (const each of everyCharacter) {
        const once = name === 'digits' ? normalise(`0${each}`) : normalise(each);
        if (normalise(once) !== once) expect.fail(`U+${each.codePointAt(0)?.toString(16)}`);
      }
    });

    it(`${name} gives the same again when asked again, for texts of several`, () => {
      const text = fc.string({ unit: 'grapheme' }).map((made) => `0${made}`);
      fc.assert(fc.property(text, (given) => normalise(normalise(given)) === normalise(given)));
    });

    it(`${name} refuses lone surrogates and NUL`, () => {
      for (const text of ['1\ud800', '1\0']) expect(() => normalise(text, NAMES)).to.throw(InvalidValueError);
    });
  }

  it('has an id and a version that no other has', () => {
    const known = Object.entries(NORMALISERS).map(([name, { id, version }]) => [name, id, version]);
    expect(known).to.deep.equal([
      ['exact', 1, 1],
      ['email', 2, 1],
      ['lowercase', 3, 1],
      ['digits', 4, 1],
      ['unaccented', 5, 1],
    ]);
  });
});
