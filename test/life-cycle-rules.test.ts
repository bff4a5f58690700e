/** Every numbered rule of the life cycle has a test that names it: the title of a test begins with its number. */
import { expect } from 'chai';
import { allTitles, named, titlesIn } from './support/numbered-rules';

/** D: what is due. G: the graph. A: how a plan is applied. R: the archive. H: holds. L: what is proved. S: after a restore. */
const RULES = { D: 5, G: 4, A: 8, R: 1, H: 1, L: 5, S: 2 } as const;

describe('The rules of the life cycle', () => {
  const titles = allTitles();

  for (const [letter, count] of Object.entries(RULES)) {
    for (let number = 1; number <= count; number++) {
      it(`${letter}${number} has a test`, () => {
        expect(named(titles, `${letter}${number}`)).not.to.have.length(0);
      });
    }
  }

  it('are looked for where tests are named, and nowhere else', () => {
    const source = `it('A1: x', async () => f); it(\`A2: y\`, function () {}); expect('A3', g); describe("D1 z", () => {});
      // describe('D2', whoever) it('D3')`;
    expect(titlesIn(source)).to.deep.equal(['A1: x', 'A2: y', 'D1 z']);
  });

  it('may stand behind others, and are no part of another number', () => {
    const titles = ['E1 E3: x', 'K5, K6 and K7 y', 'K10: z', 'after K1'];
    const found = ['E3', 'E1', 'K7', 'K10', 'K1', 'E2'].map((rule) => named(titles, rule).length);
    expect(found).to.deep.equal([1, 1, 1, 1, 0, 0]);
  });
});
