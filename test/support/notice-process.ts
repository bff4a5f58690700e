/** A process that dies, or stops, while it sends a notice: `ts-node notice-process.ts <url> <keys>`. */
import knexPackage from 'knex';
import { localKeys, oubli } from '../../src';

const [url = '', file = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const knex = knexPackage({ client: 'pg', connection: url, pool: { min: 0, max: 3 } });
  const { sweep } = await oubli(knex, { keys: localKeys({ file }) });
  await sweep({
    onNotice: async ({ id }) => {
      process.stdout.write(`told ${id}\n`);
      await new Promise(() => setInterval(() => undefined, 60_000));
    },
  });
}

void main();
