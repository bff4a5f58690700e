import { expect } from 'chai';
import { checkNotPersonal, checkPersonalSpec } from '../../src/catalogue/check-personal';
import { refusalOf } from '../support/refusals';

const shown = { category: 'contact.email', protect: 'clear', because: 'public' } as const;
const check = (spec: object) => checkPersonalSpec('users', 'email', { ...shown, ...spec });

describe('What is said of anonymised rows', () => {
  it('is kept as it was said', () => {
    for (const anonymise of [{ to: 'year' }, { prefix: 2 }, { range: 10 }, { fake: 'email' }]) {
      expect(check({ anonymise, quasiIdentifier: true, statistics: 'none' })).to.deep.equal({
        ...shown,
        anonymise,
        quasiIdentifier: true,
        statistics: 'none',
        origin: 'provided',
      });
    }
    const measured = { quasiIdentifier: true, sensitive: true } as const;
    expect(checkNotPersonal('users', 'postcode', 'a district', measured)).to.deep.equal({
      notPersonal: 'a district',
      ...measured,
    });
  });

  it('A7: is refused as an anonymisation where it is a hash, with the reason', async () => {
    for (const anonymise of ['hash', 'sha256', 'HMAC', 'md5']) {
      const error = await refusalOf(() => check({ anonymise }));
      expect(error.code).to.equal('HASH_IS_PSEUDONYM');
      expect(error.message).to.contain('users.email: a hash is a pseudonym').and.to.contain('recital 26');
      expect(error.fix).to.contain("anonymise: { to: 'year' }");
    }
  });

  for (const [what, spec, code] of [
    ['two strategies', { anonymise: { to: 'year', prefix: 2 } }, 'BAD_OPTION'],
    ['none', { anonymise: {} }, 'MISSING_OPTION'],
    ['no such strategy', { anonymise: { too: 'year' } }, 'UNKNOWN_OPTION'],
    ['no such precision', { anonymise: { to: 'week' } }, 'BAD_OPTION'],
    ['no such fake', { anonymise: { fake: 'phone' } }, 'BAD_OPTION'],
    ['nothing of a text', { anonymise: { prefix: 0 } }, 'BAD_OPTION'],
    ['a word', { anonymise: 'year' }, 'BAD_OPTION'],
    ['a value beside it', { anonymise: { to: 'year' }, replaceWith: 'x' }, 'REPLACED_TWICE'],
    ['a sealed column', { protect: 'encrypt', because: undefined, anonymise: { to: 'year' } }, 'MISPLACED_OPTION'],
    ['a false mark', { quasiIdentifier: false }, 'BAD_OPTION'],
    ['other statistics', { statistics: 100 }, 'BAD_OPTION'],
  ] as const) {
    it(`is refused for ${what}`, async () => {
      expect((await refusalOf(() => check(spec))).code).to.equal(code);
    });
  }
});
