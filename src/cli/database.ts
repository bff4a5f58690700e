/** Where a verb finds its database, and what else the application gives `oubli()`: one way for all of them. */
import path from 'node:path';
import { type Command, Option } from 'commander';
import knexPackage, { type Knex } from 'knex';
import { afterwards } from '../afterwards';
import { ConfigurationError } from '../errors';
import { environmentKeys } from '../keyring/environment-keys';
import { localKeys } from '../keyring/local-keys';
import { refuseUnsuitable } from '../knex/clients';
import { internalsOf } from '../knex/internals';
import { type Oubli, type OubliOptions, oubli } from '../oubli';
import { withOwnTypes } from '../own-types';
import type { Queryable } from '../queryable';
import { fileJournal } from '../registers/file-journal';
import { knexfileConfig } from './knexfile';

export interface DatabaseOptions {
  readonly url?: string;
  readonly knexfile?: string;
  readonly env?: string;
}

export interface InstanceOptions extends DatabaseOptions {
  readonly keys?: string;
  readonly journal?: string;
  readonly archiveUrl?: string;
  readonly keyStoreUrl?: string;
}

/** `--url` or `--knexfile` with `--env`, the names that Knex's own command has for them. */
export function withDatabaseOptions(verb: Command): Command {
  return verb
    .option('--url <url>', 'the database; unless said otherwise, DATABASE_URL says which')
    .option('--knexfile <file>', 'the knexfile that says which')
    .option('--env <name>', "the environment in it; NODE_ENV unless said otherwise, then 'development'");
}

/** These, and what an instance needs: no verb that opens one may know less than the application. */
export function withInstanceOptions(verb: Command): Command {
  return withDatabaseOptions(verb)
    .addOption(keysOption())
    .addOption(journalOption())
    .addOption(
      new Option(
        '--archive-url <url>',
        'the database of archives that are elsewhere; one with a password belongs into the environment',
      ).env('OUBLI_ARCHIVE_URL'),
    )
    .addOption(
      new Option(
        '--key-store-url <url>',
        'the same database, under the role that alone reads keys, where there is one; with a password as above',
      ).env('OUBLI_KEY_STORE_URL'),
    );
}

/** Its path, from where the command stands: a knexfile may change that. */
export function journalOption(): Option {
  return new Option('--journal <file>', 'what oubli keeps outside the database, where one is in use')
    .env('OUBLI_JOURNAL')
    .argParser((file) => (file === '' ? undefined : path.resolve(file)));
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

/** A protected instance for as long as the work takes. @param role that reads archives */
export async function withInstance<T>(
  options: InstanceOptions,
  verb: string,
  work: (instance: Oubli) => Promise<T>,
  role?: string,
): Promise<T> {
  return withSettings(
    options,
    verb,
    async (knex, settings) => {
      const instance = await oubli(knex, settings);
      return afterwards(
        () => work(instance),
        () => instance.close(),
      );
    },
    role,
  );
}

/** The database, and what the application would give `oubli()`: for verbs that work on one it must not serve. */
export async function withSettings<T>(
  options: InstanceOptions,
  verb: string,
  work: (knex: Knex, settings: OubliOptions) => Promise<T>,
  role?: string,
): Promise<T> {
  const { keys, journal, archiveUrl, keyStoreUrl } = options;
  const at = (url: string | undefined): Knex | undefined =>
    url ? unconnected({ client: 'pg', connection: url }) : undefined;
  const [elsewhere, keyStore] = [at(archiveUrl), at(keyStoreUrl)];
  const settings = {
    keys: keys ? localKeys({ file: keys }) : environmentKeys(),
    archive: { ...(elsewhere && { knex: elsewhere }), ...(role !== undefined && { role }) },
    ...(keyStore && { keyStore: { knex: keyStore } }),
    ...(journal !== undefined && { journal: fileJournal({ file: journal }) }),
  };
  return withKnex(await configOf(options, verb), (knex) => work(knex, settings)).finally(async () => {
    await elsewhere?.destroy();
    await keyStore?.destroy();
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
  const knex = unconnected(config);
  return work(knex).finally(() => knex.destroy());
}

function unconnected(config: Knex.Config): Knex {
  return knexPackage.knex({ ...config, pool: { ...config.pool, min: 0, max: 2 } });
}
