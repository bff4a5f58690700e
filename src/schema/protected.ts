/**
 * The type of a table's rows for Knex's `Tables`, where personal columns read otherwise than they are written. Of an erased person
 * nothing is left but nulls, also in a column that is NOT NULL: whoever reads a sealed column has to reckon with that.
 */
import type { Knex } from 'knex';

/** What a row reads as: any sealed value may be one that an erasure left. */
type Read<Row, Sealed extends keyof Row> = {
  [Name in keyof Row]: Name extends Sealed ? Row[Name] | null : Row[Name];
};

/** What `pg` takes for a value it gives: dates and intervals also as texts, decimal texts also as numbers. */
type Given<Value, Number> =
  | Value
  | (Extract<Value, Date | { toPostgres(): string }> extends never ? never : string)
  | (Number extends true ? number | bigint : never);

type Written<Row, Numbers extends keyof Row> = {
  [Name in keyof Row]: Given<Row[Name], Name extends Numbers ? true : false>;
};

/**
 * @typeParam Row a row as the columns were declared
 * @typeParam Sealed its columns with `protect: 'encrypt'`: read as `… | null`
 * @typeParam Optional columns that an insert may leave out: nullable, or with a default
 * @typeParam Numbers columns that read as decimal texts (bigint, numeric) and may be written as numbers
 * @example
 * declare module 'knex/types/tables.js' {
 *   interface Tables {
 *     users: Protected<User, 'name' | 'email', 'id'>;
 *   }
 * }
 * // `npx oubli types --out src/tables.d.ts` writes it from the database
 */
export type Protected<
  Row,
  Sealed extends keyof Row = never,
  Optional extends keyof Row = never,
  Numbers extends keyof Row = never,
> = Knex.CompositeTableType<
  Read<Row, Sealed>,
  Omit<Written<Row, Numbers>, Optional> & Partial<Pick<Written<Row, Numbers>, Optional>>,
  Partial<Written<Row, Numbers>>,
  Partial<Written<Row, Numbers>>
>;
