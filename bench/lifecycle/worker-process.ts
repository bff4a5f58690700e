/** A worker of its own for `workers.ts`: `node worker-process.ts <url> <key file>` sweeps when it is told to, and prints its reports. */
import { once } from 'node:events';
import knexPackage from 'knex';
import { localKeys, oubli } from '../../src';
import { WHOLE } from './estate';

async function run([url = '', file = '']: string[]): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 2 } });
  const instance = await oubli(knex, { keys: localKeys({ file }) });
  console.log('ready');
  await once(process.stdin, 'data');
  console.log(JSON.stringify(await instance.sweep({ rule: 'subject:user', ...WHOLE })));
  await instance.close();
  await knex.destroy();
  process.stdin.destroy();
}

void run(process.argv.slice(2));
