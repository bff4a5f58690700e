/** The `references` of a declaration, as types: what a table's rows refer to without a foreign key (ERASURE.md G1). */

/**
 * What a row refers to without a foreign key: like one, it says whose the row is, and what becomes of it.
 *
 * @example { columns: ['user_ref'], to: 'users', on: ['uuid'] }
 * @example { columns: ['owner_id'], to: 'users', when: { owner_type: 'User' } }
 * @example { json: 'payload', path: ['user', 'id'], to: 'users' }
 */
export type ReferenceSpec = {
  /** The table it refers to, with its schema where that is not on the search path: `billing.customers`. */
  readonly to: string;
  /** The columns of that table; the one that names its subject, or its primary key, unless said otherwise. */
  readonly on?: readonly string[];
} & (
  | {
      readonly columns: readonly string[];
      /** Only rows in which these columns have these values refer to that table: a polymorphic reference. */
      readonly when?: { readonly [column: string]: string };
      readonly json?: never;
      readonly path?: never;
    }
  | {
      /** A column of type json or jsonb, and where in it the value stands. */
      readonly json: string;
      readonly path: readonly string[];
      readonly when?: { readonly [column: string]: string };
      readonly columns?: never;
    }
);

export interface Referring {
  /** What PostgreSQL has no foreign key for. The index that finds the rows is created where there is none. */
  readonly references?: readonly ReferenceSpec[];
}
