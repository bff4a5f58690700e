/**
 * A worker of the sweeps' jobs in a process of its own, for tests that kill it:
 * `node -r ts-node/register test/support/job-process.ts <url> <key file>`. Works until somebody ends it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import knexPackage from 'knex';
import { PgBoss } from 'pg-boss';
import { localKeys, oubli } from '../../src';

export function startJobProcess(url: string, keyFile: string): { process: ChildProcess; kill(): Promise<void> } {
  const file = path.join(__dirname, 'job-process.ts');
  const child = spawn(process.execPath, ['-r', 'ts-node/register', file, url, keyFile], {
    cwd: path.join(__dirname, '..', '..'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    process: child,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function work([url = '', file = '']: string[]): Promise<void> {
  const instance = await oubli(knexPackage({ client: 'pg', connection: url }), { keys: localKeys({ file }) });
  const boss = new PgBoss({ connectionString: url, schedule: false });
  boss.on('error', console.error);
  await boss.start();
  await instance.startJobs(boss, { chunk: 1 });
}

if (require.main === module) void work(process.argv.slice(2));
