/**
 * Processes of their own that make keys: `key-makers-process.ts <url> <key file> race <people> <1 or -1>` makes those of many new people at once,
 * as soon as it gets a lock, and prints them all as one hash; `… insert <id>` inserts a person, and prints that she is there.
 */
import { createHash } from 'node:crypto';
import knexPackage from 'knex';
import { localKeys, oubli } from '../../src';
import { seamOf } from './listening';
import { startProcess, type Worker } from './worker';

/** Whoever has this lock has them wait at the start. */
export const AT_THE_START = 4711;

export function startRacer(url: string, keyFile: string, people: number, direction: 1 | -1): Worker {
  return startProcess(__filename, [url, keyFile, 'race', String(people), String(direction)]);
}

export function startInserter(url: string, keyFile: string, id: number): Worker {
  return startProcess(__filename, [url, keyFile, 'insert', String(id), '1']);
}

async function run([url = '', file = '', what = '', number = '', direction = '']: string[]): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  const { db, close } = await oubli(knex, { keys: localKeys({ file }) });
  if (what === 'insert') {
    // what is not committed is undone when its process dies
    await db.transaction((trx) =>
      trx('users').insert({ id: Number(number), email: `${number}@example.org`, name: 'N' }),
    );
    console.log('inserted');
  } else {
    const ids = Array.from({ length: Number(number) }, (_, i) => String(100_000 + i));
    if (direction === '-1') ids.reverse();
    await knex.raw('select pg_advisory_lock_shared(?)', [AT_THE_START]);
    const keys = await seamOf(db).keys.forSubjects('user', ids);
    const hash = createHash('sha256');
    for (const id of ids.sort()) hash.update(id).update(keys.get(id)?.keyId ?? 'none');
    console.log(hash.digest('hex'));
  }
  await close();
  await knex.destroy();
}

if (require.main === module) void run(process.argv.slice(2));
