/**
 * What the library itself writes about restricted and erased people is its work, and the triggers that refuse such writes to
 * everybody else let it pass: a row names the transaction while the statement runs, and nobody else ever sees it.
 */
import type { Queryable } from '../queryable';

export async function beginErrand(connection: Queryable): Promise<void> {
  await connection.query('insert into oubli.errand default values on conflict do nothing');
}

/** What other processes that listen on a channel hear when the transaction commits. */
export interface News {
  readonly channel: string;
  readonly messages: readonly string[];
}

/** @param news goes along, for one round trip in all */
export async function endErrand(connection: Queryable, news?: News): Promise<void> {
  await connection.query(
    `with ended as (delete from oubli.errand where transaction = pg_catalog.pg_current_xact_id())
select pg_notify($1, m.message) from unnest($2::text[]) m(message)`,
    [news?.channel ?? '', news?.messages ?? []],
  );
}
