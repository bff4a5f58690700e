import { expect } from 'chai';
import { CATEGORIES, CATEGORY_KEYS, type CategoryFacts } from '../../src/catalogue/categories';
import { factsOf, isFideslangKey, isPdTerm } from '../../src/catalogue/own-category';
import { BASES, GROUPS, ORIGINS } from '../../src/catalogue/vocabulary';

const rows: [string, CategoryFacts][] = Object.entries(CATEGORIES);

describe('The vocabulary', () => {
  it('has categories in each of the five groups of the policy (P1)', () => {
    const groups = new Set(rows.map(([, facts]) => facts.group));
    expect([...groups]).to.include.members(['identity', 'client', 'activity', 'navigation', 'usage']);
    for (const group of groups) expect(GROUPS).to.have.property(group);
  });

  it('maps every category to fideslang and to DPV, under a label a person can read', () => {
    for (const [key, facts] of rows) {
      expect(key).to.match(/^[a-z]+\.[a-z_]+$/);
      expect(isFideslangKey(facts.fideslang), facts.fideslang).to.equal(true);
      expect(isPdTerm(facts.dpv), facts.dpv).to.equal(true);
      expect(facts.label).to.match(/^[A-Z]/);
    }
  });

  it('marks what GDPR Art. 9(1) lists, and nothing else', () => {
    const special = rows.filter(([, facts]) => facts.special).map(([key]) => key);
    expect(special.sort()).to.deep.equal(
      ['biometric', 'ethnicity', 'genetic', 'health', 'philosophy', 'politics', 'religion', 'sexuality', 'union'].map(
        (word) => `special.${word}`,
      ),
    );
  });

  it('leaves the own. words to applications', () => {
    expect(CATEGORY_KEYS.filter((key) => key.startsWith('own.'))).to.deep.equal([]);
  });

  it('knows the six bases of Art. 6(1) in their order', () => {
    expect(Object.values(BASES).map(({ article }) => article)).to.deep.equal(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((letter) => `GDPR 6(1)(${letter})`),
    );
  });

  it('writes every DPV term with a known prefix', () => {
    for (const { dpv } of [...Object.values(BASES), ...Object.values(ORIGINS), ...rows.map(([, facts]) => facts)]) {
      expect(['dpv', 'pd', 'eu-gdpr']).to.include(dpv.split(':')[0]);
    }
  });
});

describe('The facts of a category', () => {
  it('are those of the list', () => {
    expect(factsOf({ category: 'contact.email' })).to.deep.equal({
      label: 'E-mail address',
      group: 'identity',
      fideslang: 'user.contact.email',
      dpv: 'pd:EmailAddress',
    });
  });

  it('are those of its mapping when it is an own one', () => {
    const mapsTo = { fideslang: 'user.health', dpv: 'pd:Health', special: true } as const;
    expect(factsOf({ category: 'own.blood_donor', mapsTo })).to.deep.equal({
      label: 'blood donor',
      group: 'own',
      ...mapsTo,
    });
  });
});
