/**
 * A replay in a process of its own, for tests that kill it: `node -r ts-node/register test/support/replay-process.ts
 * <url> <key file> <journal>`. Prints its report, or waits for whoever kills it.
 */
import knexPackage from 'knex';
import { fileJournal, localKeys, replay } from '../../src';
import { startProcess, type Worker } from './worker';

export function startReplay(url: string, keyFile: string, journal: string): Worker {
  return startProcess(__filename, [url, keyFile, journal]);
}

async function run([url = '', file = '', journal = '']: string[]): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  const sweeps = { breaker: { people: 1, rows: 1 } };
  const options = { keys: localKeys({ file }), journal: fileJournal({ file: journal }), sweeps };
  console.log(JSON.stringify(await replay(knex, options)));
  await knex.destroy();
}

if (require.main === module) void run(process.argv.slice(2));
