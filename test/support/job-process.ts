/**
 * A worker of the sweeps' jobs in a process of its own, for tests that kill it:
 * `node -r ts-node/register test/support/job-process.ts <url> <key file>`. Works until somebody ends it.
 */
import knexPackage from 'knex';
import { PgBoss } from 'pg-boss';
import { localKeys, oubli } from '../../src';
import { startProcess, type Worker } from './worker';

export function startJobProcess(url: string, keyFile: string): Worker {
  return startProcess(__filename, [url, keyFile]);
}

async function work([url = '', file = '']: string[]): Promise<void> {
  const instance = await oubli(knexPackage({ client: 'pg', connection: url }), { keys: localKeys({ file }) });
  const boss = new PgBoss({ connectionString: url, schedule: false });
  boss.on('error', console.error);
  await boss.start();
  await instance.startJobs(boss, { chunk: 1 });
}

if (require.main === module) void work(process.argv.slice(2));
