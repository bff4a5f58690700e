/** A data directory for one server: a copy of a template that `initdb` made once a day. */
import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Account, giveTo } from './account';
import type { Binaries } from './binaries';
import type { Cache } from './folders';

const run = promisify(execFile);

export const superuser = 'postgres';
/** No secret: the server listens on the loopback address for the length of a test run. */
export const password = 'postgres';

export async function clusterFrom(parts: {
  cache: Cache;
  folder: string;
  binaries: Binaries;
  account: Account;
}): Promise<string> {
  const { cache, folder, binaries, account } = parts;
  const template = await cache.keep(`template-${binaries.version}`, account, (place) =>
    initialise(place, binaries, account),
  );
  const dataDirectory = path.join(folder, 'data');
  await run('cp', ['-R', '-p', template, dataDirectory], account);
  return dataDirectory;
}

async function initialise(folder: string, binaries: Binaries, account: Account): Promise<string> {
  const template = path.join(folder, 'template');
  const passwordFile = path.join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  giveTo(account, passwordFile);
  // Encoding and locale are named: initdb would take them from the environment, SQL_ASCII under LANG=C.
  const flags = ['--encoding=UTF8', '--locale=C', '--no-sync', '--auth=scram-sha-256'];
  await run(
    binaries.initdb,
    ['-D', template, `--username=${superuser}`, `--pwfile=${passwordFile}`, ...flags],
    account,
  );
  await rm(passwordFile);
  return template;
}
