/** What holds and restrictions leave in the ledger: who by key id only, the case by its name, rows by their number. */
import type { Queryable } from '../queryable';
import type { LedgerEntry } from '../registers/ledger';
import type { Engine } from './engine';

export interface HoldEntry extends LedgerEntry {
  readonly act:
    | 'hold opened'
    | 'hold placed'
    | 'hold released'
    | 'erasure deferred'
    | 'erasure withdrawn'
    | 'restricted'
    | 'restriction lifted';
}

/** Last of all in the transaction that does what it tells of. */
export async function writeEntry({ ledger }: Engine, connection: Queryable, entry: HoldEntry): Promise<void> {
  await ledger.record(connection, [entry]);
}
