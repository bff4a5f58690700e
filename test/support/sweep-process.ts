/**
 * A worker in a process of its own, for tests that kill it: `node -r ts-node/register test/support/sweep-process.ts
 * <url> <key file> <chunk> [broken]`. Prints its reports, or waits for whoever kills it.
 */
import knexPackage from 'knex';
import { localKeys, oubli } from '../../src';
import { startProcess, type Worker } from './worker';

export function startWorker(url: string, keyFile: string, chunk: number, mode: 'whole' | 'broken' = 'whole'): Worker {
  return startProcess(__filename, [url, keyFile, String(chunk), mode]);
}

/** What no erasure may do: a commit after each table. A check of wholeness that passes this one checks nothing. */
const BROKEN = [
  'delete from notes n using contracts c where n.contract_id = c.id and c.user_id = $1',
  'delete from contracts where user_id = $1',
  'delete from visits where user_id = $1',
  'update users set name = null where id = $1',
];

async function run([url = '', file = '', chunk = '1', mode = 'whole']: string[]): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  if (mode === 'broken') {
    const ids: number[] = await knex('users').whereNotNull('service_ended_on').orderBy('id').pluck('id');
    for (const id of ids) for (const statement of BROKEN) await knex.raw(statement.replace('$1', String(id)));
  } else {
    const instance = await oubli(knex, { keys: localKeys({ file }) });
    console.log(JSON.stringify(await instance.sweep({ chunk: Number(chunk), breaker: { people: 1, rows: 1 } })));
    await instance.close();
  }
  await knex.destroy();
}

if (require.main === module) void run(process.argv.slice(2));
