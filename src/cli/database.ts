/** Where a verb finds its database, and the keys if it needs them: one way for all of them. */
import path from 'node:path';
import { type Command, Option } from 'commander';
import knexPackage, { type Knex } from 'knex';
import { ConfigurationError } from '../errors';
import { environmentKeys } from '../keyring/environment-keys';
import { localKeys } from '../keyring/local-keys';
import { refuseUnsuitable } from '../knex/clients';
import { internalsOf } from '../knex/internals';
import { type Oubli, type OubliOptions, oubli } from '../oubli';
import { withOwnTypes } from '../own-types';
import type { Queryable } from '../queryable';
import { knexfileConfig } from './knexfile';

export interface DatabaseOptions {
  readonly url?: string;
  readonly knexfile?: string;
  readonly env?: string;
}

export interface InstanceOptions extends DatabaseOptions {
  readonly keys?: string;
}

/** `--url` or `--knexfile` with `--env`, the names that Knex's own command has for them. */
export function withDatabaseOptions(verb: Command): Command {
  return verb
    .option('--url <url>', 'the database; unless said otherwise, DATABASE_URL says which')
    .option('--knexfile <file>', 'the knexfile that says which')
    .option('--env <name>', "the environment in it; NODE_ENV unless said otherwise, then 'development'");
}

export function keysOption(): Option {
  return new Option(
    '--keys <file>',
    'the key file; unless said otherwise, OUBLI_KEYS holds the key document itself',
  ).argParser((file) => path.resolve(file));
}

/** @throws ConfigurationError NO_DATABASE_URL, TWO_DATABASES, ENV_WITHOUT_KNEXFILE, and those of a knexfile */
export async function configOf({ url, knexfile, env }: DatabaseOptions, verb: string): Promise<Knex.Config> {
  if (knexfile && url) throw new ConfigurationError('TWO_DATABASES', { verb, file: knexfile });
  if (env && !knexfile) throw new ConfigurationError('ENV_WITHOUT_KNEXFILE', { verb, given: env });
  if (knexfile) return knexfileConfig(knexfile, env);
  const connection = url || process.env.DATABASE_URL;
  if (!connection) throw new ConfigurationError('NO_DATABASE_URL', { verb });
  return { client: 'pg', connection };
}

/** A protected instance for as long as the work takes. */
export async function withInstance<T>(
  config: Knex.Config,
  keys: string | undefined,
  work: (instance: Oubli) => Promise<T>,
  more: Omit<OubliOptions, 'keys'> = {},
): Promise<T> {
  return withKnex(config, async (knex) => {
    const instance = await oubli(knex, { keys: keys ? localKeys({ file: keys }) : environmentKeys(), ...more });
    return work(instance).finally(() => instance.close());
  });
}

/** One connection, for verbs that need no keys. */
export async function withConnection<T>(config: Knex.Config, work: (connection: Queryable) => Promise<T>): Promise<T> {
  return withKnex(config, async (knex) => {
    refuseUnsuitable(knex);
    const client = internalsOf(knex);
    const connection = await client.acquireConnection();
    return work(withOwnTypes(connection)).finally(() => client.releaseConnection(connection));
  });
}

async function withKnex<T>(config: Knex.Config, work: (knex: Knex) => Promise<T>): Promise<T> {
  const knex = knexPackage.knex({ ...config, pool: { ...config.pool, min: 0, max: 2 } });
  return work(knex).finally(() => knex.destroy());
}
