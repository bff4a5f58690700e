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
select entry, at, key_id, because, details,
  exists (select from oubli.archive_outbox o where o.entry = l.entry) as waiting
from oubli.ledger l
where act = 'erased' and ($1::bigint is null or entry < $1) order by entry desc limit $2`;

export async function readReceipts(
  connection: Queryable,
  { before, limit = 100 }: ReceiptsOptions,
): Promise<Receipt[]> {
  return (await connection.query(PAGE, [before ?? null, limit])).rows.map(receiptFrom);
}
