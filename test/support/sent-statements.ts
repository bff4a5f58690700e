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
    const [first, values] = given as [string | { text?: string; values?: unknown[] }, unknown];
    if (typeof first === 'string') sent.push({ text: first, values: Array.isArray(values) ? values : [] });
    else sent.push({ text: first?.text ?? '', values: first?.values ?? [] });
    return Reflect.apply(query, this, given);
  } as typeof query;
  try {
    await run();
  } finally {
    pg.Client.prototype.query = query;
  }
  return sent;
}
