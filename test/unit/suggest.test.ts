import { expect } from 'chai';
import { refuseUnknownKeys, suggest } from '../../src/catalogue/suggest';

describe('Did you mean', () => {
  const options = ['search', 'unique', 'protect', 'category'];

  it('finds a lost, doubled, wrong or swapped letter', () => {
    expect(['serch', 'seaarch', 'saerch', 'seorch'].map((word) => suggest(word, options))).to.deep.equal(
      Array(4).fill('search'),
    );
  });

  it('does not mind capitals', () => {
    expect(suggest('Unique', options)).to.equal('unique');
    expect(suggest('europe/pari', ['Europe/Paris', 'Europe/Berlin'])).to.equal('Europe/Paris');
  });

  it('finds the only word that ends so', () => {
    expect(suggest('email', ['contact.email', 'contact.phone'])).to.equal('contact.email');
    expect(suggest('name', ['identity.name', 'client.name'])).to.equal(undefined);
  });

  it('stays silent rather than guess', () => {
    expect(suggest('colour', options)).to.equal(undefined);
    expect(suggest('', options)).to.equal(undefined);
    expect(suggest('x', [])).to.equal(undefined);
  });

  it('prefers the nearest of two', () => {
    expect(suggest('contact.phon', ['contact.photo', 'contact.phone'])).to.equal('contact.phone');
  });
});

describe('Options', () => {
  it('are refused when unknown, and let through when known', () => {
    const refuse = (key: string, suggestion: string | undefined): Error => new Error(`${key} -> ${suggestion}`);
    expect(() => refuseUnknownKeys({ interva: 1 }, ['interval'], refuse)).to.throw('interva -> interval');
    expect(() => refuseUnknownKeys({ interval: 1 }, ['interval'], refuse)).not.to.throw();
  });
});
