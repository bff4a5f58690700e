/**
 * The requests of people (GDPR Art. 12(3): answered within one month), as the ledger holds them (ERASURE.md L2): each is written and
 * committed before anything is destroyed, outlives the person, and is done when an entry says that she was erased,
 * or that she took it back, or that her row was deleted past the life cycle while it waited for a hold.
 */
import type { Queryable, Row } from '../queryable';

export interface ErasureRequest {
  /** Number of the ledger's entry. */
  readonly entry: number;
  readonly at: Date;
  /** Hex. */
  readonly keyId: string;
  readonly kind: string | undefined;
  /** The reason that was given. */
  readonly because: string;
  /** The entry that ends it: a receipt's number, unless it was withdrawn. Undefined while it is open. */
  readonly doneBy: number | undefined;
}

export interface RequestsOptions {
  /** Only those that are not done, if true. */
  readonly open?: boolean;
  /** At most so many: 100 unless said otherwise. */
  readonly limit?: number;
  /** Only entries before this one: the last `entry` of the page before. */
  readonly before?: number;
}

export const WITHDRAWN = 'erasure withdrawn';
/** What ends a request before it is carried out: whoever asks again after it has a new one. */
const CLOSING: readonly string[] = [WITHDRAWN, 'erasure closed'];
const IS_CLOSING = `in (${CLOSING.map((act) => `'${act}'`).join(', ')})`;

export function isClosing(act: string): boolean {
  return CLOSING.includes(act);
}

/** SQL condition: the entry ends the request, whose entry is `r`. @param alias of the entry */
export function endsRequest(alias: string): string {
  return `${alias}.key_id = any(oubli.names_of(r.key_id)) and (${alias}.act = 'erased' or ${alias}.act ${IS_CLOSING} and ${alias}.entry > r.entry)`;
}

const PAGE = `
select r.entry, r.at, r.key_id, r.because, r.details, d.entry as done from oubli.ledger r
left join lateral (
  select e.entry from oubli.ledger e where ${endsRequest('e')} order by e.entry limit 1) d on true
where r.act = 'requested' and ($1::bigint is null or r.entry < $1) and not ($2::boolean and d.entry is not null)
order by r.entry desc limit $3`;

/** Newest first. */
export async function readRequests(
  connection: Queryable,
  { open = false, before, limit = 100 }: RequestsOptions,
): Promise<ErasureRequest[]> {
  return (await connection.query(PAGE, [before ?? null, open, limit])).rows.map(requestFrom);
}

function requestFrom({ entry, at, key_id, because, details, done }: Row): ErasureRequest {
  return {
    entry: Number(entry),
    at: at as Date,
    keyId: Buffer.from(key_id as Uint8Array).toString('hex'),
    kind: (details as { kind?: string }).kind,
    because: String(because),
    doneBy: done === null ? undefined : Number(done),
  };
}
