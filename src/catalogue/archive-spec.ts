/** What a migration says of the intermediate archive of a table, as types; `check-archive.ts` says the same at run time. */
import type { Period } from '../period';

/**
 * The intermediate archive (POLICY.md P8): a place of its own, closed to the application's role, to which the named columns go,
 * sealed as one value under a key that was made for this. What is not named is gone with the row.
 */
export interface Archive<Column extends string = string> {
  /** What the legal ground names, and nothing more (GDPR Art. 5(1)(c)). */
  readonly columns: readonly [Column, ...Column[]];
  /** `'oubli_archive'` unless said otherwise; never the schema of the table, nor `public`. */
  readonly schema?: string;
  /** The role that owns it; named like the schema unless said otherwise, and made where it is missing. */
  readonly owner?: string;
  /** Another database, which `oubli(knex, { archive: { knex } })` names; until a worker has brought the rows there they wait in an outbox. */
  readonly elsewhere?: true;
}

/** An archive that rows reach on a date of their own, whoever still lives. */
export interface LaterArchive<Column extends string = string> extends Archive<Column> {
  /** Counted, like the rule's own period, from the date in `from`: 3 years, then 10 years in all. */
  readonly keep: Period;
  /** The date column that this period starts from, where it is not the rule's own. */
  readonly from?: string;
  readonly then: 'delete';
  /** The law that has it kept. */
  readonly because: string;
}
