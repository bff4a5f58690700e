/**
 * The folder where embedded servers live, in memory where there is plenty, or under the system's temporary directory:
 *
 *   run-<pid>-<started>-<random>/   one server: data/ and server.log; the name says which process it belongs to
 *   template-<version>-<day>/       a cluster fresh from initdb, to be copied; a copy takes a fifth of the time
 *
 * What is kept is built in a run folder and renamed into place. A rename is atomic, so starts side by side need no
 * lock: whoever comes second finds the place taken and uses what stands there. Names carry the day, because systems
 * that clean their temporary directory take away single old files; a template of yesterday is not trusted.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import path from 'node:path';
import { type Account, giveTo } from './account';
import { unless } from './failures';
import { type ProcessIdentity, thisProcess } from './processes';

export interface Cache {
  readonly root: string;
  newRunFolder(account: Account): string;
  /** The folder kept under this name, built first if it is missing; `build` answers what it built. */
  keep(name: string, account: Account, build: (runFolder: string) => Promise<string>): Promise<string>;
}

/** @param onDisk for what is measured, and for more data than belongs into memory */
export function openCache(onDisk = false): Cache {
  const root = path.join(onDisk ? tmpdir() : quickPlace(), `oubli-postgres-${process.getuid?.() ?? 'user'}`);
  mkdirSync(root, { recursive: true, mode: 0o755 });
  if (statSync(root).uid !== (process.getuid?.() ?? 0)) throw new Error(`${root} belongs to somebody else`);
  return {
    root,
    newRunFolder: (account) => newRunFolder(root, account),
    keep: (name, account, build) => keep(root, `${name}-${today()}`, account, build),
  };
}

const IN_MEMORY = '/dev/shm';
/** A run takes a few hundred megabytes; far more must be free, or others would miss it. */
const PLENTY = 6 * 2 ** 30;

/** Each test file clones a database, of some 300 files: in Linux' shared memory that takes a fifth of the time. */
function quickPlace(): string {
  if (process.env.TMPDIR || !existsSync(IN_MEMORY) || freemem() < PLENTY) return tmpdir();
  const { bavail, bsize } = statfsSync(IN_MEMORY);
  return bavail * bsize < PLENTY ? tmpdir() : IN_MEMORY;
}

/** The process a run folder belongs to; `undefined` for any other name. */
export function ownerOf(name: string): ProcessIdentity | undefined {
  const parts = /^run-(?<pid>\d+)-(?<started>\d+)-/.exec(name)?.groups;
  return parts && { pid: Number(parts.pid), started: Number(parts.started) };
}

/** True for a kept folder of a day before yesterday: no start can still be copying from it. */
export function isOutdated(name: string): boolean {
  const day = /^(?:template|native)-.*-(?<day>\d{4}-\d\d-\d\d)$/.exec(name)?.groups?.day;
  return day !== undefined && Date.parse(today()) - Date.parse(day) > 24 * 60 * 60 * 1000;
}

function newRunFolder(root: string, account: Account): string {
  const { pid, started } = thisProcess();
  const folder = path.join(root, `run-${pid}-${started}-${randomBytes(4).toString('hex')}`);
  mkdirSync(folder, { mode: 0o755 });
  giveTo(account, folder);
  return folder;
}

async function keep(
  root: string,
  name: string,
  account: Account,
  build: (runFolder: string) => Promise<string>,
): Promise<string> {
  const place = path.join(root, name);
  if (existsSync(place)) return place;
  const runFolder = newRunFolder(root, account);
  await unless(['EEXIST', 'ENOTEMPTY'], rename(await build(runFolder), place));
  await rm(runFolder, { recursive: true, force: true });
  return place;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
