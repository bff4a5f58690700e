/**
 * A worker in a process of its own that sweeps and brings rows to an archive elsewhere, for tests that kill it:
 * `node -r ts-node/register test/support/archive-process.ts <url> <key file> <url of the archive>`.
 */
import knexPackage from 'knex';
import { localKeys, oubli } from '../../src';
import { startProcess, type Worker } from './worker';

export function startCarrier(url: string, keyFile: string, archiveUrl: string): Worker {
  return startProcess(__filename, [url, keyFile, archiveUrl]);
}

async function run([url = '', file = '', archiveUrl = '']: string[]): Promise<void> {
  const [knex, other] = [url, archiveUrl].map((connection) => knexPackage({ client: 'pg', connection }));
  if (!knex || !other) return;
  const instance = await oubli(knex, { keys: localKeys({ file }), archive: { knex: other } });
  // what the dead have left adds up: the breaker is for others
  await instance.sweep({ breaker: { people: 1 } });
  await instance.close();
  await knex.destroy();
  await other.destroy();
}

if (require.main === module) void run(process.argv.slice(2));
