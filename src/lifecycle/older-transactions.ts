/**
 * Transactions of others that are under way. What they have written is seen by nobody yet, and what they see may be older than what was
 * committed since: whoever looks for the last values under a key waits for them first, as CREATE INDEX CONCURRENTLY does (PostgreSQL manual,
 * "Building Indexes Concurrently").
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Queryable } from '../queryable';
import type { Database } from './database';

const LOOK_AGAIN_MS = 100;
/**
 * Every transaction has its virtual id locked from its first statement on, and every role may see that. Those that autovacuum runs for
 * nobody write no values.
 */
const RUNNING = `
select l.virtualtransaction as name from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'virtualxid' and l.mode = 'ExclusiveLock' and l.pid <> pg_catalog.pg_backend_pid() and a.usesysid is not null
  and a.datid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())`;
/** It has no virtual id any more, and no connection. */
const PREPARED = `
select p.transaction::text as name from pg_catalog.pg_prepared_xacts p where p.database = pg_catalog.current_database()`;

/**
 * Waits for all that are under way when it is called, and for no others. One that is prepared meanwhile has its new name then.
 *
 * @param goesOn asked again and again
 * @returns false where there are some still, and it does not go on
 */
export async function olderHaveEnded(database: Database, goesOn: () => boolean): Promise<boolean> {
  return (await haveEnded(database, RUNNING, goesOn)) && (await haveEnded(database, PREPARED, goesOn));
}

async function haveEnded(database: Database, sort: string, goesOn: () => boolean): Promise<boolean> {
  const look = (): Promise<ReadonlySet<string>> => database.alone((connection) => named(connection, sort));
  let older = await look();
  while (older.size > 0) {
    if (!goesOn()) return false;
    await wait(LOOK_AGAIN_MS);
    const now = await look();
    older = new Set([...older].filter((name) => now.has(name)));
  }
  return true;
}

async function named(connection: Queryable, sort: string): Promise<ReadonlySet<string>> {
  return new Set((await connection.query(sort)).rows.map(({ name }) => String(name)));
}
