/**
 * What can be known of another process. A pid alone is no identity: the system gives it again to somebody else.
 * Linux is read from /proc, since small images carry no `ps`; other systems are asked through `ps`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hasCode } from './failures';

export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in a unit of the system's own: only good for comparing. */
  readonly started: number;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, started: startOf(process.pid) ?? 0 };
}

export function isRunning({ pid, started }: ProcessIdentity): boolean {
  return startOf(pid) === started;
}

/** The command line, empty when there is no such process. */
export function commandOf(pid: number): string {
  if (process.platform !== 'linux') return ps(pid, 'command');
  return (procFile(pid, 'cmdline') ?? '').replaceAll('\0', ' ');
}

function startOf(pid: number): number | undefined {
  if (process.platform !== 'linux') return Date.parse(`${ps(pid, 'lstart')} UTC`) || undefined;
  const stat = procFile(pid, 'stat');
  if (stat === undefined) return undefined;
  // proc(5): state is field 3, starttime field 22; field 2, the name in brackets, may itself hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const gone = fields[0] === 'Z' || fields[0] === 'X';
  return gone ? undefined : Number(fields[19]);
}

function procFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

function ps(pid: number, what: 'command' | 'lstart'): string {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    return execFileSync('ps', ['-o', `${what}=`, '-p', String(pid)], { encoding: 'utf8', env }).trim();
  } catch (error) {
    if ((error as { status?: number }).status === 1) return ''; // ps: no such process
    throw error;
  }
}
