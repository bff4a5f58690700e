/**
 * A backup of a database, and its restore in the place of the original, as the server itself copies one: whoever was connected is cut
 * off, as by the restore of a real backup.
 */
import knexPackage, { type Knex } from 'knex';

export interface Backup {
  readonly url: string;
  /** The database is what it was then. */
  restore(): Promise<void>;
  drop(): Promise<void>;
}

export async function backUp(url: string): Promise<Backup> {
  const name = new URL(url).pathname.slice(1);
  const copy = `${name}_backup`;
  await onServer(url, (server) => copied(server, name, copy));
  return {
    url: url.replace(name, copy),
    restore: () =>
      onServer(url, async (server) => {
        await server.raw('drop database ?? with (force)', [name]);
        await copied(server, copy, name);
      }),
    drop: () => onServer(url, (server) => server.raw('drop database if exists ?? with (force)', [copy])),
  };
}

async function copied(server: Knex, from: string, to: string): Promise<void> {
  await server.raw('select pg_terminate_backend(pid) from pg_stat_activity where datname = ?', [from]);
  await server.raw('create database ?? template ??', [to, from]);
}

async function onServer(url: string, work: (server: Knex) => Promise<unknown>): Promise<void> {
  const postgres = new URL(url);
  postgres.pathname = '/postgres';
  const server = knexPackage({ client: 'pg', connection: String(postgres), pool: { min: 0, max: 1 } });
  await work(server).finally(() => server.destroy());
}
