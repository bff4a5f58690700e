/** Every numbered rule of bytes and keys has a test that names it: in its own title, or in that of the group it stands in. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';

/** K: keys. E: sealed values. I: blind indexes. */
const RULES = { K: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], E: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], I: [1, 2, 3, 5] } as const;

describe('The rules of bytes and keys', () => {
  const titles = readdirSync(__dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => titlesIn(readFileSync(path.join(__dirname, file), 'utf8')));

  for (const [letter, numbers] of Object.entries(RULES)) {
    for (const number of numbers) {
      it(`have a test of ${letter}${number}`, () => {
        const rule = new RegExp(`^(?:[A-Z]\\d+(?:, | and | ))*${letter}${number}\\b`);
        expect(titles.filter((title) => rule.test(title))).not.to.have.length(0);
      });
    }
  }

  it('are looked for where tests are named, and nowhere else', () => {
    const source = `it('K1 x', f); test(\`E2: y\`, f); describe("I3", g); expect('E4'); visit('K5')`;
    expect(titlesIn(source)).to.deep.equal(['K1 x', 'E2: y', 'I3']);
  });
});

function titlesIn(source: string): string[] {
  return Array.from(source.matchAll(/\b(?:it|test|describe)\(\s*(['"`])(.*?)\1/g), ([, , title]) => title as string);
}
