import { expect } from 'chai';
import { checkNotPersonal, checkPersonalSpec } from '../../src/catalogue/check-personal';
import { refuseLeakySearch } from '../../src/catalogue/leaky-search';
import type { PersonalSpec } from '../../src/catalogue/spec';
import { AnnotationError, type OubliError } from '../../src/errors';

const email = { category: 'contact.email', protect: 'encrypt' } as const;
const check = (spec: unknown) => checkPersonalSpec('users', 'email', spec);

/** The error a call raises, which must be about a declaration. */
function refusal(call: () => unknown): OubliError {
  try {
    call();
  } catch (error) {
    if (error instanceof AnnotationError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** The object in `.personal({ … })`, as pasting it would give it. */
function pasted(fix: string): unknown {
  const code = /^\.personal\((.*)\) {2}\/\/ users\.email$/.exec(fix)?.[1];
  return new Function(`return ${code}`)();
}

describe('A personal column', () => {
  it('comes out with its defaults written in', () => {
    expect(check(email)).to.deep.equal({ ...email, origin: 'provided', pad: '16' });
    expect(check({ category: 'connection.ip', protect: 'truncate-ip' })).to.deep.equal({
      category: 'connection.ip',
      protect: 'truncate-ip',
      origin: 'provided',
      v4: 24,
      v6: 48,
    });
  });

  it('keeps what was said', () => {
    const said = {
      ...email,
      search: 'email',
      unique: true,
      origin: 'observed',
      basis: 'consent',
      purpose: 'news',
      pad: '64',
    };
    expect(check(said)).to.deep.equal(said);
  });

  it('takes an option set to undefined as left out', () => {
    expect(check({ ...email, search: undefined })).to.deep.equal({ ...email, origin: 'provided', pad: '16' });
  });

  it('G3: may name its own subject, by the key that leads to her', () => {
    const said = { ...email, subject: { via: 'recipient_id', kind: 'user' } };
    expect(check(said)).to.deep.equal({ ...said, origin: 'provided', pad: '16' });
    const wrong: [unknown, string, unknown][] = [
      [{ kind: 'user' }, 'MISSING_OPTION', { kind: 'user', via: 'recipient_id' }],
      [{ via: '' }, 'MISSING_OPTION', { via: 'recipient_id' }],
      ['recipient_id', 'BAD_SPEC', { via: 'recipient_id' }],
      [{ via: 'recipient_id', kynd: 'user' }, 'UNKNOWN_OPTION', { via: 'recipient_id', kind: 'user' }],
    ];
    for (const [subject, code, corrected] of wrong) {
      const error = refusal(() => check({ ...email, subject }));
      expect(error.code).to.equal(code);
      expect(pasted(error.fix)).to.deep.equal({ ...email, subject: corrected });
    }
  });

  it('may have a category of its own, mapped to both taxonomies', () => {
    const mapsTo = { fideslang: 'user.demographic.profile', dpv: 'pd:Profile' };
    const own = { category: 'own.loyalty_tier', mapsTo, protect: 'clear', because: 'printed on the card' };
    expect(check(own)).to.deep.equal({ ...own, origin: 'provided' });
  });

  const wrong: [sentence: string, spec: unknown, code: string, says: RegExp, corrected: unknown][] = [
    ['nothing', undefined, 'BAD_SPEC', /must be an object/, { category: 'identity.name', protect: 'encrypt' }],
    ['a string', 'encrypt', 'BAD_SPEC', /must be an object/, { category: 'identity.name', protect: 'encrypt' }],
    [
      'no category',
      { protect: 'encrypt' },
      'MISSING_OPTION',
      /'category'/,
      { protect: 'encrypt', category: 'identity.name' },
    ],
    ['a misspelt category', { ...email, category: 'contact.emial' }, 'UNKNOWN_CATEGORY', /mean 'contact.email'/, email],
    ['half a category', { ...email, category: 'email' }, 'UNKNOWN_CATEGORY', /mean 'contact.email'/, email],
    [
      'an unheard-of category',
      { category: 'Loyalty tier', protect: 'encrypt' },
      'UNKNOWN_CATEGORY',
      /unknown category 'Loyalty tier'$/m,
      {
        category: 'own.loyalty_tier',
        protect: 'encrypt',
        mapsTo: { fideslang: 'user.demographic.profile', dpv: 'pd:Profile' },
      },
    ],
    [
      'an own category that nothing maps',
      { category: 'own.loyalty_tier', protect: 'encrypt' },
      'OWN_CATEGORY_UNMAPPED',
      /what others call it/,
      {
        category: 'own.loyalty_tier',
        protect: 'encrypt',
        mapsTo: { fideslang: 'user.demographic.profile', dpv: 'pd:Profile' },
      },
    ],
    [
      'an own category mapped to no DPV term',
      { category: 'own.tier', protect: 'encrypt', mapsTo: { fideslang: 'user', dpv: 'Profile' } },
      'BAD_MAPPING',
      /'Profile' is no term/,
      { category: 'own.tier', protect: 'encrypt', mapsTo: { fideslang: 'user', dpv: 'pd:Profile' } },
    ],
    [
      'an own category mapped to no fideslang key',
      { category: 'own.tier', protect: 'encrypt', mapsTo: { dpv: 'pd:Profile' } },
      'BAD_MAPPING',
      /fideslang/,
      {
        category: 'own.tier',
        protect: 'encrypt',
        mapsTo: { dpv: 'pd:Profile', fideslang: 'user.demographic.profile' },
      },
    ],
    [
      'a mapping of a known category',
      { ...email, mapsTo: { fideslang: 'user', dpv: 'pd:Name' } },
      'MAPPED_ALREADY',
      /own/,
      email,
    ],
    ['no protection', { category: 'contact.email' }, 'MISSING_OPTION', /'encrypt', 'pseudonymise'/, email],
    ['a misspelt protection', { ...email, protect: 'encrpyt' }, 'BAD_OPTION', /mean 'encrypt'/, email],
    [
      'an unknown option',
      { ...email, serach: 'exact' },
      'UNKNOWN_OPTION',
      /mean 'search'/,
      { ...email, search: 'exact' },
    ],
    ['an option nobody has', { ...email, colour: 'red' }, 'UNKNOWN_OPTION', /'colour'$/m, email],
    [
      'a misspelt basis',
      { ...email, basis: 'contrat' },
      'BAD_OPTION',
      /mean 'contract'/,
      { ...email, basis: 'contract' },
    ],
    ['a bad origin', { ...email, origin: 'guessed' }, 'BAD_OPTION', /'provided'/, { ...email, origin: 'provided' }],
    [
      'a blank purpose',
      { ...email, purpose: ' ' },
      'MISSING_OPTION',
      /'purpose'/,
      { ...email, purpose: 'what it is for' },
    ],
    [
      'search on a column that is not sealed',
      { category: 'contact.email', protect: 'clear', because: 'public', search: 'exact' },
      'MISPLACED_OPTION',
      /'search' goes with protect: 'encrypt'/,
      { ...email, search: 'exact' },
    ],
    [
      'search on a pseudonym',
      { category: 'account.id', protect: 'pseudonymise', unique: true },
      'MISPLACED_OPTION',
      /'unique' goes with/,
      { category: 'account.id', protect: 'encrypt', search: 'exact', unique: true },
    ],
    [
      'unique without search',
      { ...email, unique: true },
      'NEEDS_SEARCH',
      /'unique'/,
      { ...email, unique: true, search: 'exact' },
    ],
    [
      'a leak acknowledged where nothing leaks',
      { ...email, acknowledgeLeak: 'so be it' },
      'NEEDS_SEARCH',
      /'acknowledgeLeak'/,
      { ...email, acknowledgeLeak: 'so be it', search: 'exact' },
    ],
    [
      'unique set to false',
      { ...email, search: 'exact', unique: false },
      'BAD_OPTION',
      /'unique' cannot be 'false'/,
      { ...email, search: 'exact', unique: true },
    ],
    [
      'an unknown search in a group',
      { ...email, search: { as: 'emial', group: 'contact' } },
      'BAD_OPTION',
      /'search.as' cannot be 'emial', did you mean 'email'/,
      { ...email, search: { as: 'email', group: 'contact' } },
    ],
    [
      'a group that is no word',
      { ...email, search: { as: 'email', group: 'My Contacts' } },
      'BAD_OPTION',
      /'search.group' cannot be 'My Contacts'/,
      { ...email, search: { as: 'email', group: 'contact' } },
    ],
    [
      'a compound index without columns',
      { ...email, search: { as: 'email', with: {} } },
      'MISSING_OPTION',
      /'search.with' is missing/,
      { ...email, search: { as: 'email', with: { birth_date: 'exact' } } },
    ],
    [
      'a compound index with a misspelt search',
      { ...email, search: { as: 'email', with: { born: 'exakt' } } },
      'BAD_OPTION',
      /'search.with.born' cannot be 'exakt', did you mean 'exact'/,
      { ...email, search: { as: 'email', with: { born: 'exact' } } },
    ],
    [
      'a compound index in a group',
      { ...email, search: { as: 'email', group: 'contact', with: { born: 'exact' } } },
      'GROUP_OF_COMPOUND',
      /compares single values/,
      { ...email, search: { as: 'email', with: { born: 'exact' } } },
    ],
    [
      'a misspelt option of a search',
      { ...email, search: { as: 'email', gruop: 'contact' } },
      'UNKNOWN_OPTION',
      /'search.gruop', did you mean 'group'/,
      { ...email, search: { as: 'email', group: 'contact' } },
    ],
    ['an unknown search', { ...email, search: 'emial' }, 'BAD_OPTION', /mean 'email'/, { ...email, search: 'email' }],
    [
      'a limit as a text',
      { ...email, maxBytes: '4 MB' },
      'BAD_OPTION',
      /a whole number of bytes, from 1 to 16777216/,
      { ...email, maxBytes: 4_194_304 },
    ],
    [
      'a limit beyond what is held in memory',
      { ...email, maxBytes: 16_777_217 },
      'BAD_OPTION',
      /'maxBytes'/,
      { ...email, maxBytes: 4_194_304 },
    ],
    ['an unknown padding', { ...email, pad: 16 }, 'BAD_OPTION', /'16', 'none'/, { ...email, pad: '16' }],
    [
      'tokens without a reason',
      { ...email, tokens: { prefix: { min: 3, max: 8 }, as: 'lowercase' } },
      'LEAKY_TOKENS',
      /share a beginning or a word/,
      { ...email, tokens: { prefix: { min: 3, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'say why' },
    ],
    [
      'tokens of nothing',
      { ...email, tokens: { as: 'lowercase' }, acknowledgeLeak: 'we look' },
      'MISSING_OPTION',
      /'tokens.prefix' is missing/,
      { ...email, tokens: { prefix: { min: 3, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'tokens that tell case apart',
      { ...email, tokens: { words: true, as: 'exact' }, acknowledgeLeak: 'we look' },
      'BAD_OPTION',
      /'tokens.as' cannot be 'exact'.*lowercase.*unaccented/,
      { ...email, tokens: { words: true, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'tokens of one letter',
      { ...email, tokens: { prefix: { min: 1, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
      'BAD_OPTION',
      /'tokens.prefix.min' cannot be '1'; it is one of a number from 2 to 32/,
      { ...email, tokens: { prefix: { min: 3, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'tokens of very long beginnings',
      { ...email, tokens: { prefix: { min: 4, max: 33 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
      'BAD_OPTION',
      /'tokens.prefix.max' cannot be '33'; it is one of a number from 4 to 32/,
      { ...email, tokens: { prefix: { min: 4, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'tokens whose longest beginning is shorter than the shortest',
      { ...email, tokens: { prefix: { min: 9, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
      'BAD_OPTION',
      /'tokens.prefix.max' cannot be '8'/,
      { ...email, tokens: { prefix: { min: 9, max: 9 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'tokens of half a letter, and of no number',
      { ...email, tokens: { prefix: { min: 2.5, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
      'BAD_OPTION',
      /'tokens.prefix.min' cannot be '2.5'/,
      { ...email, tokens: { prefix: { min: 3, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'a beginning without an end',
      { ...email, tokens: { prefix: { min: 2 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
      'MISSING_OPTION',
      /'tokens.prefix.max' is missing.*a number from 2 to 32/,
      { ...email, tokens: { prefix: { min: 2, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'a misspelt option of tokens',
      { ...email, tokens: { word: true, as: 'lowercase' }, acknowledgeLeak: 'we look' },
      'UNKNOWN_OPTION',
      /unknown option 'tokens.word', did you mean 'words'/,
      { ...email, tokens: { words: true, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'tokens that are no object',
      { ...email, tokens: true, acknowledgeLeak: 'we look' },
      'BAD_SPEC',
      /'tokens' must be an object/,
      { ...email, tokens: { prefix: { min: 3, max: 8 }, as: 'lowercase' }, acknowledgeLeak: 'we look' },
    ],
    [
      'a reason for what is sealed',
      { ...email, because: 'we like it' },
      'MISPLACED_OPTION',
      /'because' goes with protect: 'clear'/,
      email,
    ],
    ['a replacement for what is sealed', { ...email, replaceWith: 'x' }, 'MISPLACED_OPTION', /'clear'/, email],
    [
      'clear text without a reason',
      { category: 'contact.email', protect: 'clear' },
      'CLEAR_WITHOUT_BECAUSE',
      /nothing says why/,
      { category: 'contact.email', protect: 'clear', because: 'say why' },
    ],
    [
      'clear text with a blank reason',
      { category: 'contact.email', protect: 'clear', because: '  ' },
      'CLEAR_WITHOUT_BECAUSE',
      /nothing says why/,
      { category: 'contact.email', protect: 'clear', because: 'say why' },
    ],
    [
      'an address cut to bits no authority names',
      { category: 'connection.ip', protect: 'truncate-ip', v4: 32 },
      'BAD_OPTION',
      /24, 16/,
      { category: 'connection.ip', protect: 'truncate-ip', v4: 24 },
    ],
  ];
  for (const [sentence, spec, code, says, corrected] of wrong) {
    it(`is refused with ${sentence}, and the fix can be pasted`, () => {
      const error = refusal(() => check(spec));
      expect(error).to.include({ code, table: 'users', column: 'email' });
      expect(error.message)
        .to.match(says)
        .and.to.match(/^users\.email/);
      expect(pasted(error.fix)).to.deep.equal(corrected);
      expect(() => check(corrected)).not.to.throw();
    });
  }

  it('quotes the reader’s own words so that they can be pasted', () => {
    const { fix } = refusal(() => check({ ...email, purpose: `it's "news"\n\\`, unique: true }));
    expect(pasted(fix)).to.include({ purpose: `it's "news"\n\\` });
  });
});

describe('A column that is not personal', () => {
  it('says why', () => {
    expect(checkNotPersonal('users', 'locale', 'a language tag')).to.deep.equal({ notPersonal: 'a language tag' });
  });

  for (const because of [undefined, '', '  ', 7]) {
    it(`is refused with the reason ${JSON.stringify(because)}`, () => {
      expect(refusal(() => checkNotPersonal('users', 'locale', because))).to.include({
        code: 'NOT_PERSONAL_WITHOUT_BECAUSE',
        fix: ".notPersonal('say why')  // users.locale",
      });
    });
  }
});

describe('A blind index that would give its column away', () => {
  const gender: PersonalSpec = { category: 'identity.gender', protect: 'encrypt', search: 'exact' };
  const searched: PersonalSpec = { ...email, search: 'exact' };

  it('is refused on a category of few values', () => {
    const error = refusal(() => refuseLeakySearch('users', 'gender', gender, 'text'));
    expect(error.code).to.equal('LEAKY_SEARCH');
    expect(error.message).to.contain("of category 'identity.gender'");
    expect(error.fix).to.equal(
      ".personal({ category: 'identity.gender', protect: 'encrypt' })  // users.gender, " +
        "or keep 'search' and add acknowledgeLeak: 'say why'",
    );
  });

  it('is refused on a boolean, whatever its category', () => {
    expect(refusal(() => refuseLeakySearch('users', 'verified', searched, 'boolean')).message).to.contain('a boolean');
  });

  it('is let through when the leak is acknowledged, and where values are many', () => {
    refuseLeakySearch('users', 'gender', { ...gender, acknowledgeLeak: 'a statistic by law' }, 'text');
    refuseLeakySearch('users', 'email', searched, 'text');
    refuseLeakySearch('users', 'gender', { category: 'identity.gender', protect: 'encrypt' }, 'boolean');
  });
});
