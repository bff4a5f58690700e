/** One server for a whole mocha run, parallel workers included: they find it in OUBLI_TEST_URL. */
import { Client } from 'pg';
import { dropRunDatabases, type PostgresServer, startPostgres } from './postgres';

let server: PostgresServer;

export async function mochaGlobalSetup(): Promise<void> {
  const began = performance.now();
  server = await startPostgres();
  process.env.OUBLI_TEST_URL = server.url;
  const took = Math.round(performance.now() - began);
  console.log(`  PostgreSQL ${await versionOf(server)}: ${server.source}, ready in ${took} ms`);
}

export async function mochaGlobalTeardown(): Promise<void> {
  if (server.source === 'env') await dropRunDatabases(server.url);
  await server.stop();
}

async function versionOf({ url }: PostgresServer): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ version: string }>(
    "select split_part(current_setting('server_version'), ' ', 1) as version",
  );
  await client.end();
  return rows[0]?.version ?? '';
}
