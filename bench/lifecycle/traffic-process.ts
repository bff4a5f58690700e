/**
 * Point traffic as of pgbench, in a process of its own: a read and an update by primary key, so many a second, on four connections.
 * Prints latencies in milliseconds, waiting included, when its input ends: `node traffic-process.ts <url> <people>`.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';

const CONNECTIONS = 4;
const A_SECOND = 150;

async function run([url = '', people = '1']: string[]): Promise<void> {
  let ended = false;
  process.stdin.resume().once('end', () => {
    ended = true;
  });
  const latencies: number[] = [];
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = new Client({ connectionString: url });
      await client.connect();
      return client;
    }),
  );
  console.log('ready');
  const began = performance.now();
  const interval = (1000 * CONNECTIONS) / A_SECOND;
  await Promise.all(
    clients.map(async (client, place) => {
      for (let n = 0; !ended; n++) {
        // what comes late has waited, as whoever asked has (pgbench -R)
        const asked = began + interval * (n + place / CONNECTIONS);
        const early = asked - performance.now();
        if (early > 0) await wait(early);
        const id = 1 + Math.floor(Math.random() * Number(people));
        await client.query('select * from orders where id = $1', [id]);
        await client.query('update orders set total = total + 1 where id = $1', [id]);
        latencies.push(performance.now() - asked);
      }
    }),
  );
  for (const client of clients) await client.end();
  console.log(JSON.stringify(latencies));
}

void run(process.argv.slice(2));
