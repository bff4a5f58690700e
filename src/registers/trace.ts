/**
 * What of somebody erased can still be read where, until when: one line of a certificate (ERASURE.md L4). It claims no more than
 * PostgreSQL told this role: what could not be read is `unknown`, and is a line all the same.
 */
export interface Trace {
  /** `dead tuples`, `WAL`, `backup nightly`, … */
  readonly where: string;
  /** The table, where it is about one. */
  readonly table?: string;
  /**
   * `none`: nothing of her can be there. `sealed`: at most values that open with her destroyed key alone. `possible`: values in clear may
   * be there. `unknown`: nobody here can tell.
   */
  readonly state: 'none' | 'sealed' | 'possible' | 'unknown';
  /** ISO moment after which nothing is there; null where nobody can say. */
  readonly until: string | null;
  readonly says: string;
}

/** A table of the receipt, and what of it was in clear. */
export interface TracedTable {
  readonly table: string;
  /** Undefined where no such table is declared any more. */
  readonly oid: number | undefined;
  readonly schema: string;
  readonly name: string;
  /** Personal columns that are not sealed. */
  readonly clear: readonly string[];
  /** Personal columns that are sealed now and were not once, or are still being sealed. */
  readonly wasClear: readonly WasClear[];
}

export interface WasClear {
  readonly column: string;
  /** ISO moment by which the last value had been sealed; null while some wait. */
  readonly until: string | null;
}

/** What clear columns may have left, also those that are sealed since; and sealed ones at most. */
export function stateOf(tables: readonly TracedTable[]): 'sealed' | 'possible' {
  const wereReadable = ({ clear, wasClear, oid }: TracedTable): boolean =>
    clear.length > 0 || wasClear.length > 0 || oid === undefined;
  return tables.some(wereReadable) ? 'possible' : 'sealed';
}
