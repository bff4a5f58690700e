/** Where a verb finds its database, and the keys if it needs them: one way for all of them. */
import { Option } from 'commander';
import knexPackage from 'knex';
import { ConfigurationError } from '../errors';
import { environmentKeys } from '../keyring/environment-keys';
import { localKeys } from '../keyring/local-keys';
import { type Oubli, oubli } from '../oubli';

export function urlOption(): Option {
  return new Option('--url <url>', 'the database').env('DATABASE_URL');
}

export function keysOption(): Option {
  return new Option('--keys <file>', 'the key file; unless said otherwise, OUBLI_KEYS holds the key document itself');
}

export interface DatabaseOptions {
  readonly url?: string;
  readonly keys?: string;
}

/** @throws ConfigurationError NO_DATABASE_URL */
export function requiredUrl(url: string | undefined, verb: string): string {
  if (!url) throw new ConfigurationError('NO_DATABASE_URL', { verb });
  return url;
}

/** An instance for as long as the work takes. */
export async function withInstance<T>(
  { url, keys }: DatabaseOptions,
  verb: string,
  work: (instance: Oubli) => Promise<T>,
): Promise<T> {
  const knex = knexPackage.knex({ client: 'pg', connection: requiredUrl(url, verb), pool: { min: 0, max: 2 } });
  try {
    const instance = await oubli(knex, { keys: keys ? localKeys({ file: keys }) : environmentKeys() });
    return await work(instance).finally(() => instance.close());
  } finally {
    await knex.destroy();
  }
}
