/** What holds and restrictions leave in the ledger: who by key id only, the case by its name, rows by their number. */
import type { Queryable } from '../queryable';

export interface HoldEntry {
  readonly act:
    | 'hold opened'
    | 'hold placed'
    | 'hold released'
    | 'erasure deferred'
    | 'restricted'
    | 'restriction lifted';
  readonly keyId?: Uint8Array;
  readonly because: string;
  readonly details: Readonly<Record<string, unknown>>;
}

const ENTRY = 'insert into oubli.ledger (act, key_id, because, details) values ($1, $2, $3, $4)';

/** In the transaction that does what it tells of. */
export async function writeEntry(connection: Queryable, { act, keyId, because, details }: HoldEntry): Promise<void> {
  await connection.query(ENTRY, [act, keyId ?? null, because, JSON.stringify(details)]);
}
