/**
 * One PostgreSQL for tests, examples and benchmarks. This file decides which:
 *
 *   DATABASE_URL  >  the one of OUBLI_TEST_POSTGRES  >  a container, when a Docker engine answers  >  the embedded server from npm
 *
 * `fresh: true` always starts an embedded server of its own, whose files and log the caller may read; with `onDisk: true` they do
 * not stand in memory, where there is plenty of it, but on a disk.
 *
 * @example
 * const server = await startPostgres();
 * const database = await createDatabase(server.url);
 * …
 * await database.drop();
 * await server.stop();
 */
import { chosenPostgres } from './postgres/binaries';
import { dockerAnswers, startContainer } from './postgres/container';
import { startEmbedded } from './postgres/embedded';
import type { PostgresServer, Settings } from './postgres/server';

export { createDatabase, dropRunDatabases, type TestDatabase, templateDatabase } from './postgres/databases';
export type { PostgresServer, Settings } from './postgres/server';

/** A server whose files stand on this machine and belong to the caller alone. */
export type FreshServer = PostgresServer & Required<Pick<PostgresServer, 'dataDirectory' | 'logFile' | 'crash'>>;

export async function startPostgres(options: {
  fresh: true;
  settings?: Settings;
  onDisk?: boolean;
}): Promise<FreshServer>;
export async function startPostgres(options?: { fresh?: boolean; settings?: Settings }): Promise<PostgresServer>;
export async function startPostgres({ fresh = false, settings = {}, onDisk = false } = {}): Promise<PostgresServer> {
  const url = process.env.DATABASE_URL;
  if (fresh) return startEmbedded(settings, onDisk);
  if (url) return given(url, settings);
  if (!chosenPostgres() && (await dockerAnswers())) return startContainer(settings);
  return startEmbedded(settings);
}

function given(url: string, settings: Settings): PostgresServer {
  if (Object.keys(settings).length > 0)
    throw new Error('the server behind DATABASE_URL has its own settings: pass fresh: true to start one with yours');
  return {
    url,
    source: 'env',
    stop: async () => {
      /* it was running before, and goes on */
    },
  };
}

/**
 * The server of the running mocha, as test/support/global.ts started it. Ask for it in a hook or a test: while test
 * files load, it is not up yet.
 */
export function testServerUrl(): string {
  const url = process.env.OUBLI_TEST_URL;
  if (!url) throw new Error('no test server yet: ask for its address inside before(), beforeEach() or it()');
  return url;
}
