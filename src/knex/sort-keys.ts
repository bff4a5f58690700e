/** What a statement notes of the order that its rows get after they were opened (`decrypted-order.ts`). */

/** A sealed column that rows are sorted by once they are opened. */
export interface SortKey {
  /** The name of the result's field that was added for it. */
  readonly field: string;
  readonly label: string;
  readonly codec: string;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  readonly locale: string;
}

/** What `orderByDecrypted` asked of a statement. */
export interface DecryptedOrder {
  readonly keys: readonly SortKey[];
  readonly cap: number;
  readonly limit: number | undefined;
  readonly offset: number;
}
