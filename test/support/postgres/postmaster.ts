/** The running server process: started, waited for, and never left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Account, giveTo } from './account';
import type { Binaries } from './binaries';
import { onExit } from './exit';
import { isReady, pidFileOf } from './pidfile';

export interface Postmaster {
  stop(): Promise<void>;
  /** PostgreSQL's immediate shutdown, as of a power cut: nobody is told, nothing is written. Comes back after its recovery. */
  crash(): Promise<void>;
}

/** Somebody took the port between its choice and the start. */
export class PortTakenError extends Error {}

interface Start {
  readonly binaries: Binaries;
  readonly account: Account;
  /** What is deleted when the server has stopped: data directory and log. */
  readonly folder: string;
  readonly dataDirectory: string;
  readonly logFile: string;
  readonly port: number;
  readonly flags: readonly string[];
}

const patience = 60_000;

export async function startPostmaster(start: Start): Promise<Postmaster> {
  let server = launch(start);
  const forget = onExit(() => abandon(server, start));
  try {
    await ready(server, start);
  } catch (error) {
    if (!(error instanceof PortTakenError)) abandon(server, start);
    forget();
    throw error;
  }
  const stop = async () => {
    await shutDown(server, 'SIGINT');
    await rm(start.folder, { recursive: true, force: true });
    forget();
  };
  let stopped: Promise<void> | undefined;
  return {
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
    crash: async () => {
      await shutDown(server, 'SIGQUIT');
      server = launch(start);
      await ready(server, start);
    },
  };
}

/** The server writes its log to the file by itself: a pipe would die with this process and block when it is slow. */
function launch({ binaries, account, dataDirectory, logFile, port, flags }: Start): ChildProcess {
  const log = openSync(logFile, 'w', 0o600);
  giveTo(account, logFile);
  const args = ['-D', dataDirectory, '-p', String(port), ...flags];
  const server = spawn(binaries.postgres, args, { ...account, stdio: ['ignore', log, log] });
  closeSync(log);
  server.unref(); // a caller who forgets stop() still ends, and onExit stops the server then
  return server;
}

async function ready(server: ChildProcess, { dataDirectory, logFile, port }: Start): Promise<void> {
  let refused: Error | undefined;
  server.once('error', (error) => {
    refused = error;
  });
  for (const deadline = Date.now() + patience; !isReady(dataDirectory, server.pid); await sleep(10)) {
    if (refused) throw refused;
    if (hasEnded(server)) throw failure(logFile, port);
    if (Date.now() > deadline) throw new Error(`the embedded PostgreSQL was not ready after ${patience / 1000} s`);
  }
}

function failure(logFile: string, port: number): Error {
  const log = readFileSync(logFile, 'utf8');
  if (log.includes('Address already in use')) return new PortTakenError(`port ${port} was taken`);
  return new Error(`the embedded PostgreSQL did not start:\n${log.slice(-2000)}`);
}

function hasEnded(server: ChildProcess): boolean {
  return server.exitCode !== null || server.signalCode !== null;
}

/** SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back, clients are told; SIGQUIT the immediate one. */
async function shutDown(server: ChildProcess, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
  if (hasEnded(server)) return;
  server.ref();
  const ended = once(server, 'exit');
  server.kill(signal);
  await ended;
}

/**
 * This process is ending and cannot wait for events any more. SIGQUIT is the immediate shutdown; the server takes its
 * pid file away as its last act.
 */
function abandon(server: ChildProcess, { folder, dataDirectory }: Start): void {
  server.kill('SIGQUIT');
  const clock = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; existsSync(pidFileOf(dataDirectory)) && waited < 5_000; waited += 10)
    Atomics.wait(clock, 0, 0, 10);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
