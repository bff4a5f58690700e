/**
 * A worker in a process of its own, for tests that kill it: `node -r ts-node/register test/support/sweep-process.ts
 * <url> <key file> <chunk> [mode]`. Prints its reports, or waits for whoever kills it.
 */
import knexPackage from 'knex';
import { localKeys, oubli } from '../../src';
import { startProcess, type Worker } from './worker';

/** Broken: people leave a table at a time; of a service whose rows are of several people, `torn`. */
export type Mode = 'whole' | 'broken' | 'torn';

export function startWorker(url: string, keyFile: string, chunk: number, mode: Mode = 'whole'): Worker {
  return startProcess(__filename, [url, keyFile, String(chunk), mode]);
}

/** What no erasure may do: a commit after each table. A check of wholeness that passes this one checks nothing. */
const BROKEN = {
  broken: {
    ended: 'service_ended_on',
    statements: [
      'delete from notes n using contracts c where n.contract_id = c.id and c.user_id = $1',
      'delete from contracts where user_id = $1',
      'delete from visits where user_id = $1',
      'update users set name = null where id = $1',
    ],
  },
  torn: {
    ended: 'ended_on',
    statements: [
      'update messages set reply = null, reply_pen = null, mood = null where recipient_id = $1',
      'update messages set body = null where sender_id = $1',
      'delete from pairs where a_id = $1',
      'update users set name = null where id = $1',
    ],
  },
};

async function run([url = '', file = '', chunk = '1', mode = 'whole']: string[]): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  if (mode === 'broken' || mode === 'torn') {
    const { ended, statements } = BROKEN[mode];
    const ids: number[] = await knex('users').whereNotNull(ended).orderBy('id').pluck('id');
    for (const id of ids) for (const statement of statements) await knex.raw(statement.replace('$1', String(id)));
  } else {
    const instance = await oubli(knex, { keys: localKeys({ file }) });
    console.log(JSON.stringify(await instance.sweep({ chunk: Number(chunk), breaker: { people: 1, rows: 1 } })));
    await instance.close();
  }
  await knex.destroy();
}

if (require.main === module) void run(process.argv.slice(2));
