/**
 * A replay in a process of its own, for tests that kill it: `node -r ts-node/register test/support/replay-process.ts
 * <url> <key file> <journal>`. Prints its report, or waits for whoever kills it.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import knexPackage from 'knex';
import { fileJournal, localKeys, replay } from '../../src';
import type { Worker } from './sweep-process';

export function startReplay(url: string, keyFile: string, journal: string): Worker {
  const child = spawn(process.execPath, ['-r', 'ts-node/register', __filename, url, keyFile, journal], {
    cwd: path.join(__dirname, '..', '..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    process: child,
    output: ended.then(() => text),
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function run([url = '', file = '', journal = '']: string[]): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  const sweeps = { breaker: { people: 1, rows: 1 } };
  const options = { keys: localKeys({ file }), journal: fileJournal({ file: journal }), sweeps };
  console.log(JSON.stringify(await replay(knex, options)));
  await knex.destroy();
}

if (require.main === module) void run(process.argv.slice(2));
