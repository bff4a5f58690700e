/** Keys of kept rows end with them: destroyed and fenced, with a ledger row, in one statement. */
import type { Database } from './database';

const DESTROY = `
with destroyed as (
  delete from oubli.subject_key where keep_until < oubli.now()::date returning key_id, fingerprint),
fenced as (
  insert into oubli.fence (key_id, fingerprint, erased_at) select key_id, fingerprint, oubli.now() from destroyed)
insert into oubli.ledger (act, key_id, because, details)
select 'shredded', key_id, 'the rows it was kept for have left', '{}' from destroyed
returning key_id`;

/** @returns how many keys were destroyed */
export async function destroyExpiredKeys(database: Database): Promise<number> {
  return database.transaction(async (connection) => (await connection.query(DESTROY)).rows.length);
}
