/** Passes over a table whose application deadlocks with them: a server that is made up breaks the deadlock at their cost. */
import { expect } from 'chai';
import { type Progress, TablePasses, type Transaction } from '../../src/schema/table-passes';
import { failureOf } from '../support/refusals';

const FILE = { name: 'people', schema: 'public', table: 'people', blocks: '40' };
const deadlock = Object.assign(new Error('deadlock detected'), { code: '40P01' });

describe('A pass over a table', () => {
  const transaction: Transaction = (work) => work({ query: async () => ({ rows: [FILE] }) });

  it('does a chunk again that lost a deadlock, and counts its rows once', async () => {
    const chunks: number[] = [];
    const told: Progress[] = [];
    const passes = new TablePasses(
      transaction,
      'people',
      async (_connection, _file, from) => {
        chunks.push(from);
        if (from === 16 && chunks.length < 5) throw deadlock;
        return 100;
      },
      { load: 1, onProgress: (progress) => told.push(progress) },
    );
    expect(await passes.once()).to.equal(300);
    expect(chunks).to.deep.equal([0, 16, 16, 16, 16, 32]);
    expect(told.map(({ done, of, rows }) => [done, of, rows])).to.deep.equal([
      [16, 40, 100],
      [32, 40, 200],
      [40, 40, 300],
    ]);
  });

  for (const [what, error, attempts] of [
    ['a deadlock that does not end', deadlock, 5],
    ['any other failure, at once', new Error('disk full'), 1],
  ] as const) {
    it(`ends with ${what}`, async () => {
      let tried = 0;
      const passes = new TablePasses(
        transaction,
        'people',
        async () => {
          tried += 1;
          throw error;
        },
        { load: 1 },
      );
      expect(await failureOf(() => passes.once())).to.equal(error);
      expect([tried, passes.rows]).to.deep.equal([attempts, 0]);
    });
  }
});
