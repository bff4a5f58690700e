/** What reaches PostgreSQL over any connection of this process while something runs. */
import pg from 'pg';

export interface SentStatement {
  readonly text: string;
  readonly values: unknown[];
}

export async function statementsOf(run: () => PromiseLike<unknown>): Promise<SentStatement[]> {
  const sent: SentStatement[] = [];
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
    sent.push(statementIn(given));
    return Reflect.apply(query, this, given);
  } as typeof query;
  try {
    await run();
  } finally {
    pg.Client.prototype.query = query;
  }
  return sent;
}

/** Of the statements of the library's own that match, the n-th waits until something else was done. @param n from 1 */
export async function beforeStatement<T>(
  matching: RegExp,
  n: number,
  first: () => PromiseLike<unknown>,
  run: () => Promise<T>,
): Promise<T> {
  const { query } = pg.Client.prototype;
  let seen = 0;
  pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
    const go = (): unknown => Reflect.apply(query, this, given);
    return matching.test(statementIn(given).text) && ++seen === n ? first().then(go) : go();
  } as typeof query;
  const result = await run().finally(() => {
    pg.Client.prototype.query = query;
  });
  if (seen < n) throw new Error(`only ${seen} statements match ${matching}`);
  return result;
}

function statementIn([first, values]: unknown[]): SentStatement {
  if (typeof first === 'string') return { text: first, values: Array.isArray(values) ? values : [] };
  const { text = '', values: own = [] } = (first ?? {}) as Partial<SentStatement>;
  return { text, values: own };
}
