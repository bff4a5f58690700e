/**
 * `postmaster.pid`, the server's own note about itself (miscadmin.h, LOCK_FILE_LINE_*): line 1 is the pid, line 2 the
 * data directory, line 8 the state, which `pg_ctl -w` waits for as well.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { hasCode } from './failures';

export function pidFileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'postmaster.pid');
}

export function isReady(dataDirectory: string, pid: number | undefined): boolean {
  const lines = read(dataDirectory);
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

/** The pid of the server that says of itself that it serves this data directory. */
export function serverOf(dataDirectory: string): number | undefined {
  const [pid, served] = read(dataDirectory);
  return served === dataDirectory ? Number(pid) : undefined;
}

function read(dataDirectory: string): string[] {
  try {
    return readFileSync(pidFileOf(dataDirectory), 'utf8').split('\n');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}
