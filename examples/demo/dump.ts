/** A logical dump of the whole database, as a backup would hold it, into files that can be searched. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Client } from 'pg';
import type { FreshServer } from '../../test/support/postgres';

export interface Dump {
  /** Which program made it. */
  readonly by: string;
  readonly files: readonly string[];
}

const run = promisify(execFile);

/** By `pg_dump` where one is as new as the server, which it must be; else by COPY of every table, as text. */
export async function dump(server: FreshServer, psql: Client, folder: string): Promise<Dump> {
  const version = await dumpVersion();
  if (version >= (await serverVersion(psql))) return byPgDump(server, version, path.join(folder, 'dump.sql'));
  return byCopy(psql, path.dirname(server.dataDirectory), version);
}

async function byPgDump({ url }: FreshServer, version: number, file: string): Promise<Dump> {
  await run('pg_dump', ['--file', file, url]);
  return { by: `pg_dump ${version}`, files: [file] };
}

/** Into the server's own folder: it is the server that writes. */
async function byCopy(psql: Client, folder: string, found: number): Promise<Dump> {
  const { rows } = await psql.query(`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema')`);
  const files = rows.map((_, i) => path.join(folder, `dump-${i}.txt`));
  for (const [i, { name }] of rows.entries()) {
    await psql.query(`copy (select * from ${name}) to ${psql.escapeLiteral(files[i] as string)}`);
  }
  const why = found === 0 ? 'there is no pg_dump here' : `pg_dump ${found} is older than the server`;
  return { by: `COPY of ${rows.length} tables (${why})`, files };
}

/** Its major version; 0 when there is none. */
async function dumpVersion(): Promise<number> {
  try {
    const { stdout } = await run('pg_dump', ['--version']);
    return Number.parseInt(/(\d+)/.exec(stdout)?.[1] ?? '0', 10);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

async function serverVersion(psql: Client): Promise<number> {
  const { rows } = await psql.query("select current_setting('server_version_num')::int / 10000 as major");
  return rows[0].major;
}
