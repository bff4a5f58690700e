/** The receipts of the ledger, newest first: of requests and of sweeps alike, for whoever has to show them. */
import type { Queryable } from '../queryable';
import { type Receipt, receiptFrom } from './receipt';

export interface ReceiptsOptions {
  /** At most so many: 100 unless said otherwise. */
  readonly limit?: number;
  /** Only entries before this one: the last `entry` of the page before. */
  readonly before?: number;
}

const PAGE = `
select l.entry, l.at, l.key_id, l.because, l.details, x.details as examined
from (
  select * from oubli.ledger where act = 'erased' and ($1::bigint is null or entry < $1) order by entry desc limit $2) l
left join lateral (
  select details from oubli.ledger e where e.act = 'examined' and e.details -> 'entries' @> to_jsonb(l.entry) limit 1) x on true
order by l.entry desc`;

export async function readReceipts(
  connection: Queryable,
  { before, limit = 100 }: ReceiptsOptions,
): Promise<Receipt[]> {
  return (await connection.query(PAGE, [before ?? null, limit])).rows.map(receiptFrom);
}
