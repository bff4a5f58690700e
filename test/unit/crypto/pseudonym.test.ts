import { expect } from 'chai';
import { pseudonym } from '../../../src/crypto/pseudonym';
import { InvalidValueError, KeyUnavailableError } from '../../../src/errors';
import { ADA, BOB, bothEngines } from './world';

describe('pseudonyms', () => {
  it('are stable for one subject and purpose, in both engines and in Python', async () => {
    for (const engine of await bothEngines()) {
      expect(pseudonym(engine, ADA.dek, 'statistics', '+33 6 12 34 56 78')).to.equal(
        'psn1.ji8jgjik7IFYtatCbAPgRiRTeiXIJM2hZ6KuA6lNEoE',
      );
    }
  });

  it('differ by subject, purpose and value, also where the two run into each other', async () => {
    const [engine] = await bothEngines();
    const all = [
      pseudonym(engine, ADA.dek, 'ab', 'c'),
      pseudonym(engine, BOB.dek, 'ab', 'c'),
      pseudonym(engine, ADA.dek, 'a', 'bc'),
      pseudonym(engine, ADA.dek, 'abc', ''),
      pseudonym(engine, ADA.dek, 'ab', 'd'),
    ];
    expect(new Set(all).size).to.equal(all.length);
    for (const one of all) expect(one).to.match(/^psn1\.[\w-]{43}$/);
  });

  it('are dead with the key, and refuse text that would be changed on the way', async () => {
    const [engine] = await bothEngines();
    expect(() => pseudonym(engine, new Uint8Array(32), 'a', 'b')).to.throw(KeyUnavailableError);
    expect(() => pseudonym(engine, ADA.dek, 'a', '\ud800')).to.throw(InvalidValueError);
  });
});
