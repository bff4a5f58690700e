/** Servers whose process was killed before it could stop them, found by their run folder, whose name says whose they are. */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from './failures';
import { type Cache, isOutdated, ownerOf } from './folders';
import { serverOf } from './pidfile';
import { commandOf, isRunning } from './processes';

const patience = 10_000;

export async function reapOrphans({ root }: Cache): Promise<void> {
  for (const name of await readdir(root)) {
    const owner = ownerOf(name);
    if (owner && !isRunning(owner)) await reap(path.join(root, name));
    if (isOutdated(name)) await remove(path.join(root, name));
  }
}

async function reap(folder: string): Promise<void> {
  const dataDirectory = path.join(folder, 'data');
  const pid = serverOf(dataDirectory);
  if (pid !== undefined) await stop(pid, dataDirectory);
  await remove(folder);
}

/** Two witnesses before a signal is sent: the pid file names this directory, and so does the process's command line. */
async function stop(pid: number, dataDirectory: string): Promise<void> {
  const serves = () => commandOf(pid).includes(`-D ${dataDirectory} `);
  if (!serves()) return;
  quit(pid);
  for (const deadline = Date.now() + patience; serves(); await sleep(20))
    if (Date.now() > deadline) throw new Error(`the orphaned PostgreSQL ${pid} does not stop`);
}

/** SIGQUIT is PostgreSQL's immediate shutdown: nobody will miss what it holds. */
function quit(pid: number): void {
  try {
    process.kill(pid, 'SIGQUIT');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** Another start may be clearing up the same folder: retries let both come to the end. */
async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
}
