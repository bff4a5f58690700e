/** The receipts of the ledger, newest first: of requests and of sweeps alike, for whoever has to show them. */
import type { Queryable } from '../queryable';
import { type Receipt, receiptFrom } from './receipt';

export interface ReceiptsOptions {
  /** At most so many: 100 unless said otherwise. */
  readonly limit?: number;
  /** Only entries before this one: the last `entry` of the page before. */
  readonly before?: number;
}

/** What a receipt is made of: an entry, what was looked at beside it, and whether rows of it still wait in the archive's outbox. */
export const RECEIPT = `l.entry, l.at, l.key_id, l.because, l.details,
  (select e.details from oubli.ledger e where e.act = 'examined' and e.details -> 'entries' @> to_jsonb(l.entry) limit 1) as examined,
  exists (select from oubli.archive_outbox o where o.entry = l.entry) as waiting`;

const PAGE = `
select ${RECEIPT} from oubli.ledger l
where l.act = 'erased' and ($1::bigint is null or l.entry < $1) order by l.entry desc limit $2`;

export async function readReceipts(
  connection: Queryable,
  { before, limit = 100 }: ReceiptsOptions,
): Promise<Receipt[]> {
  return (await connection.query(PAGE, [before ?? null, limit])).rows.map(receiptFrom);
}
