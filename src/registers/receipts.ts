/** The receipts of the ledger, newest first: of requests and of sweeps alike, for whoever has to show them. */
import type { Queryable } from '../queryable';
import { type Receipt, receiptFrom } from './receipt';

export interface ReceiptsOptions {
  /** At most so many: 100 unless said otherwise. */
  readonly limit?: number;
  /** Only entries before this one: the last `entry` of the page before. */
  readonly before?: number;
}

/** What a receipt is made of: an entry, what was looked at beside it, and per table how many rows wait in the archive's outbox or have arrived. */
export const RECEIPT = `l.entry, l.at, l.key_id, l.because, l.details,
  (select e.details from oubli.ledger e where e.act = 'examined' and e.details -> 'entries' @> to_jsonb(l.entry) limit 1) as examined,
  coalesce((select jsonb_object_agg(o.source, o.rows) from (select source, count(*) as rows from oubli.archive_outbox where entry = l.entry group by 1) o), '{}') as waiting,
  coalesce((select jsonb_object_agg(d.source, d.rows) from (
    select t ->> 'table' as source, sum((t ->> 'rows')::bigint) as rows from oubli.ledger a, jsonb_array_elements(a.details -> 'tables') t
    where a.act = 'delivered' and a.key_id = l.key_id and (a.details ->> 'entry')::bigint = l.entry group by 1) d), '{}') as arrived`;

const PAGE = `
select ${RECEIPT} from oubli.ledger l
where l.act = 'erased' and ($1::bigint is null or l.entry < $1) order by l.entry desc limit $2`;

export async function readReceipts(
  connection: Queryable,
  { before, limit = 100 }: ReceiptsOptions,
): Promise<Receipt[]> {
  return (await connection.query(PAGE, [before ?? null, limit])).rows.map(receiptFrom);
}
