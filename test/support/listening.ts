/** Ears for tests of the seam: what was sent to the database, and how often the key store was asked. */
import type { Knex } from 'knex';
import { internalsOf } from '../../src/knex/internals';
import type { Seam } from '../../src/knex/seam';

/** The seam of a protected instance, as its client holds it. */
export function seamOf(db: Knex): Seam {
  return (internalsOf(db) as unknown as Record<symbol, Seam>)[Symbol.for('oubli.protected')] as Seam;
}

/** The texts of the statements an instance announced while `work` ran. */
export async function sentDuring(db: Knex, work: () => unknown): Promise<string[]> {
  const sent: string[] = [];
  const listen = ({ sql }: { sql: string }): void => {
    sent.push(sql);
  };
  db.on('query', listen);
  try {
    await work();
  } finally {
    db.removeListener('query', listen);
  }
  return sent;
}

/** How many statements the key store ran for people's keys while `work` did. */
export async function keyQueries(db: Knex, work: () => Promise<unknown>): Promise<number> {
  const { store } = seamOf(db).keys as unknown as { store: { query: (...args: unknown[]) => unknown } };
  const { query } = store;
  let count = 0;
  store.query = (...args) => {
    // which epoch is the newest is asked once a minute, and for nobody in particular
    if (String(args[0]).includes('oubli.subject_key')) count++;
    return query.apply(store, args);
  };
  try {
    await work();
  } finally {
    store.query = query;
  }
  return count;
}

interface Store {
  query(sql: string): Promise<unknown>;
}

/** An instance that no longer hears what other processes declare, as when the announcement is still on its way. */
export async function deafened(db: Knex): Promise<void> {
  await (seamOf(db).keys as unknown as { store: Store }).store.query('unlisten oubli_schema');
}
