/** Every numbered rule of bytes and keys has a test that names it: the title of a test, or of its suite, begins with its number. */
import { expect } from 'chai';
import { allTitles, named } from './support/numbered-rules';

/** K: keys, epochs and the fence. E: the sealed value. I: the blind index. */
const RULES = { K: 10, E: 10, I: 5 } as const;

/** Rules that are not kept yet, and why. What has a test is taken out. */
const PENDING: Readonly<Record<string, string>> = { I4: 'index keys do not rotate yet' };

describe('The rules of bytes and keys', () => {
  const titles = allTitles();

  for (const [letter, count] of Object.entries(RULES)) {
    for (let number = 1; number <= count; number++) {
      const rule = `${letter}${number}`;
      if (rule in PENDING) it(`${rule} has a test (pending: ${PENDING[rule]})`);
      else it(`${rule} has a test`, () => expect(named(titles, rule)).not.to.have.length(0));
    }
  }
});
