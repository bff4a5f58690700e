/**
 * What the library itself writes about restricted and erased people is its work, and the triggers that refuse such writes to
 * everybody else let it pass: a row names the transaction while the statement runs, and nobody else ever sees it.
 */
import type { Queryable } from '../queryable';

export async function beginErrand(connection: Queryable): Promise<void> {
  await connection.query('insert into oubli.errand default values on conflict do nothing');
}

export async function endErrand(connection: Queryable): Promise<void> {
  await connection.query('delete from oubli.errand where transaction = pg_catalog.pg_current_xact_id()');
}
