/** Transactions that are waited for before keys are destroyed. */
import { expect } from 'chai';
import { olderHaveEnded } from '../../src/lifecycle/older-transactions';

describe('Older transactions', () => {
  /** What each look finds, the last of them from then on. */
  function database(running: string[][], prepared: string[][]) {
    const looks = { running: 0, prepared: 0 };
    const next = (sort: keyof typeof looks, all: string[][]): string[] =>
      all[Math.min(looks[sort]++, all.length - 1)] ?? [];
    const query = async (sql: string) => ({
      rows: (sql.includes('pg_prepared_xacts') ? next('prepared', prepared) : next('running', running)).map((name) => ({
        name,
      })),
    });
    const alone = <T>(work: (connection: { query: typeof query }) => Promise<T>): Promise<T> => work({ query });
    return { database: { alone } as never, looks };
  }

  it('have ended when those of the first look are gone, whoever began since', async () => {
    const { database: of, looks } = database(
      [
        ['1/7', '2/9'],
        ['2/9', '3/1'],
        ['3/1', '3/2'],
      ],
      [[]],
    );
    expect(await olderHaveEnded(of, () => true)).to.equal(true);
    expect(looks).to.deep.equal({ running: 3, prepared: 1 });
  });

  it('have not where one was prepared, which has no virtual id any more', async () => {
    const { database: of, looks } = database([['1/7'], []], [['741'], ['741'], []]);
    expect(await olderHaveEnded(of, () => true)).to.equal(true);
    expect(looks).to.deep.equal({ running: 2, prepared: 3 });
    const { database: still } = database([[]], [['741']]);
    expect(await olderHaveEnded(still, () => false)).to.equal(false);
  });
});
