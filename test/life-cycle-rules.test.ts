/** Every numbered rule of the life cycle has a test that names it: the title of a test begins with its number. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';

/** D: what is due. G: the graph. A: how a plan is applied. R: the archive. H: holds. L: what is proved. S: after a restore. */
const RULES = { D: 5, G: 4, A: 8, R: 1, H: 1, L: 5, S: 2 } as const;

describe('The rules of the life cycle', () => {
  const titles = readdirSync(__dirname, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => titlesIn(readFileSync(path.join(__dirname, file), 'utf8')));

  for (const [letter, count] of Object.entries(RULES)) {
    for (let number = 1; number <= count; number++) {
      it(`${letter}${number} has a test`, () => {
        const rule = new RegExp(`^(?:[A-Z]\\d(?:, | and ))*${letter}${number}\\b`);
        expect(titles.filter((title) => rule.test(title))).not.to.have.length(0);
      });
    }
  }

  it('are looked for where tests are named, and nowhere else', () => {
    expect(titlesIn(`it('A1: x', f); it(\`A2: y\`, f); expect('A3'); describe("D1", g)`)).to.deep.equal([
      'A1: x',
      'A2: y',
    ]);
  });
});

function titlesIn(source: string): string[] {
  return Array.from(source.matchAll(/\bit\(\s*(['"`])(.*?)\1/g), ([, , title]) => title as string);
}
