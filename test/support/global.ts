/** One server for a whole mocha run, parallel workers included: they find it in OUBLI_TEST_URL. */
import { dropRunDatabases, type PostgresServer, startPostgres } from './postgres';

let server: PostgresServer;

export async function mochaGlobalSetup(): Promise<void> {
  const began = performance.now();
  server = await startPostgres();
  process.env.OUBLI_TEST_URL = server.url;
  console.log(`  PostgreSQL: ${server.source}, ready in ${Math.round(performance.now() - began)} ms`);
}

export async function mochaGlobalTeardown(): Promise<void> {
  if (server.source === 'env') await dropRunDatabases(server.url);
  await server.stop();
}
