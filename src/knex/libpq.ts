/**
 * The same database for PostgreSQL's own programs: what `pg` connected with, as the environment of a child process (PostgreSQL manual
 * 34.15), so that no password stands in a list of processes.
 */
import type { Knex } from 'knex';
import { withOwnTypes } from '../own-types';
import { type Connection, internalsOf } from './internals';

/** Of a connected `pg` client: whatever the settings were, a text, an object or a function, this is what they came to. */
interface Connected extends Connection {
  readonly connectionParameters: {
    readonly host: string | undefined;
    readonly port: number | undefined;
    readonly user: string | undefined;
    readonly database: string | undefined;
    readonly password?: string | null;
    readonly ssl?: boolean | { readonly rejectUnauthorized?: boolean };
  };
}

export interface Reached {
  /** The environment of a child process: this process's own, with the database in it. */
  readonly environment: NodeJS.ProcessEnv;
  readonly database: string;
  /** Of the server: 18. */
  readonly major: number;
}

/** A service file would win over what is named here, and a password of the environment may be another database's. */
const OF_ANOTHER = ['PGHOST', 'PGHOSTADDR', 'PGPORT', 'PGUSER', 'PGPASSWORD', 'PGDATABASE', 'PGSERVICE'];

export async function reachedBy(knex: Knex): Promise<Reached> {
  const client = internalsOf(knex);
  const connection = (await client.acquireConnection()) as Connected;
  try {
    const { rows } = await withOwnTypes(connection).query(
      `select current_setting('server_version_num')::int / 10000 as major`,
    );
    const { database = '' } = connection.connectionParameters;
    return { environment: environmentOf(connection), database, major: Number(rows[0]?.major) };
  } finally {
    await client.releaseConnection(connection);
  }
}

function environmentOf({ connectionParameters: { host, port, user, database, password, ssl } }: Connected) {
  const environment: NodeJS.ProcessEnv = { ...process.env };
  for (const name of OF_ANOTHER) delete environment[name];
  const named = { PGHOST: host, PGPORT: port, PGUSER: user, PGDATABASE: database, PGPASSWORD: password };
  for (const [name, given] of Object.entries(named)) if (given) environment[name] = String(given);
  // libpq verifies with PGSSLROOTCERT; it refuses, rather than talk to a stranger, where that names no certificate
  if (ssl) environment.PGSSLMODE ??= isVerified(ssl) ? 'verify-full' : 'require';
  return environment;
}

function isVerified(ssl: true | { readonly rejectUnauthorized?: boolean }): boolean {
  return ssl === true || ssl.rejectUnauthorized !== false;
}
