/**
 * A worker in a process of its own that sweeps and brings rows to an archive elsewhere, for tests that kill it:
 * `node -r ts-node/register test/support/archive-process.ts <url> <key file> <url of the archive>`.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import knexPackage from 'knex';
import { localKeys, oubli } from '../../src';

export interface Carrier {
  readonly ended: Promise<number | null>;
  kill(): Promise<void>;
}

export function startCarrier(url: string, keyFile: string, archiveUrl: string): Carrier {
  const child = spawn(process.execPath, ['-r', 'ts-node/register', __filename, url, keyFile, archiveUrl], {
    cwd: path.join(__dirname, '..', '..'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return {
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function run([url = '', file = '', archiveUrl = '']: string[]): Promise<void> {
  const [knex, other] = [url, archiveUrl].map((connection) => knexPackage({ client: 'pg', connection }));
  if (!knex || !other) return;
  const instance = await oubli(knex, { keys: localKeys({ file }), archive: { knex: other } });
  await instance.sweep();
  await instance.close();
  await knex.destroy();
  await other.destroy();
}

if (require.main === module) void run(process.argv.slice(2));
