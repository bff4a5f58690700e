/** Puts the seam into a Knex instance, and makes handles beside it. The only file that touches an instance's own client. */
import type { Knex } from 'knex';
// Not among Knex's public exports, but the path by which knexfiles and dialect packages import the class.
import PostgresClient from 'knex/lib/dialects/postgres';
import { ConfigurationError } from '../errors';
import { annotatingClient } from './annotating-client';
import { sealBatchesAhead } from './batch-ahead';
import { type Class, type InternalClient, internalsOf } from './internals';
import { PROTECTED, protectedClient } from './protected-client';
import { databaseNames } from './scope';
import type { Seam } from './seam';

/**
 * Knex's PostgreSQL client with `.personal()` understood, for knexfiles: migrations run with it need no keys.
 * @example export default { client: AnnotatingClient, connection: process.env.DATABASE_URL };
 */
export const AnnotatingClient = annotatingClient(
  PostgresClient as Class<InternalClient>,
) as unknown as typeof Knex.Client;

/**
 * Protects an instance in place: every handle, builder and transaction of it, made before or after. One that was protected and
 * closed is protected by the new seam instead.
 */
export function protectInPlace(knex: Knex, seam: Seam): void {
  const client = internalsOf(knex);
  const Base = unprotectedPrototype(client).constructor as Class<InternalClient>;
  Object.setPrototypeOf(client, protectedClient(annotatingClient(Base), seam).prototype);
  sealBatchesAhead(knex, (table) => holdsSealed(seam, client, table));
}

function holdsSealed(seam: Seam, client: InternalClient, table: unknown): boolean {
  if (typeof table !== 'string') return false;
  const { path } = databaseNames(table, client, undefined);
  const found = seam.catalogue.named(path.at(-1) ?? '', path.at(-2));
  return found.some(({ columns }) => [...columns.values()].some(({ element }) => element?.protect === 'encrypt'));
}

/** @throws ConfigurationError when the instance is a transaction or not on PostgreSQL through `pg` */
export function refuseUnsuitable(knex: Knex): void {
  const client = internalsOf(knex) as InternalClient & { driverName?: string };
  if (client.driverName !== 'pg') throw new ConfigurationError('NOT_POSTGRES', { driver: client.driverName });
  if (client.transacting) throw new ConfigurationError('IS_TRANSACTION');
  // pg refuses custom queries in this mode: neither raw parameters could be described nor rows streamed (KNEX.md trap 21).
  if ((client.connectionSettings as { pipeline?: boolean } | undefined)?.pipeline)
    throw new ConfigurationError('PIPELINE');
}

/** A handle on the same pool that reads ciphertext and must write it: the explicit escape hatch. */
export function unprotectedHandle(knex: Knex): Knex {
  const client = internalsOf(knex);
  const handle = knex.withUserParams({});
  // withUserParams deep-copies the settings and loses the password, which Knex hides from enumeration.
  internalsOf(handle).connectionSettings = client.connectionSettings;
  Object.setPrototypeOf(internalsOf(handle), unprotectedPrototype(client));
  return handle;
}

function unprotectedPrototype(client: object): object {
  let prototype = Object.getPrototypeOf(client) as object;
  while (PROTECTED in prototype) prototype = Object.getPrototypeOf(prototype) as object;
  return prototype;
}
