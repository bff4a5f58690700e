/**
 * What was looked at when somebody was erased, beside what was done: an entry of the ledger in the same transaction, which names
 * the entries it speaks of. Names of tables and columns, and numbers; never a value (ERASURE.md A7, L5).
 */
import type { Queryable, Row } from '../queryable';

/** Where something that a person was known by stands outside of what the plan takes. */
export interface ResidueHit {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
}

/** A table that was not looked through, and why. */
export interface Unseen {
  /** Its name; `*` for all of them. */
  readonly table: string;
  readonly why: string;
}

/** What the residue probe saw (ERASURE.md L5). */
export interface ProbeReport {
  /** Tables that were looked through to the end. */
  readonly tables: number;
  readonly found: readonly ResidueHit[];
  readonly notLookedThrough: readonly Unseen[];
}

/** How many rows share a combination of quasi-identifiers: of those that the erasure touched. */
export interface Figures {
  /** The fewest rows that share one of the combinations. Counted up to 1,000. */
  readonly k: number;
  /** The fewest different values of the sensitive column among them; undefined where none is declared. */
  readonly l?: number;
  /** Combinations that one row alone has. */
  readonly unique: number;
  /** Combinations that were looked at. */
  readonly combinations: number;
}

export interface Measurement {
  readonly table: string;
  readonly quasiIdentifiers: readonly string[];
  readonly sensitive?: string;
  readonly before?: Figures;
  readonly after?: Figures;
  /** Whether what anonymises if its tests pass has passed: k and l after are no less than the thresholds, and could be measured. */
  readonly tests: 'passed' | 'not passed';
  /** Why it could not be measured. */
  readonly why?: string;
}

export interface Examined {
  readonly probe?: ProbeReport;
  readonly measured?: readonly Measurement[];
}

/**
 * @param entries of the ledger that it speaks of
 * @returns its own, with its text, to be linked with them
 */
export async function recordExamined(
  connection: Queryable,
  entries: readonly number[],
  examined: Examined,
): Promise<Row[]> {
  const details = JSON.stringify({ entries, ...examined });
  const { rows } = await connection.query(
    `insert into oubli.ledger as l (act, because, details) values ('examined', 'what was looked at beside it', $1)
returning l.entry, oubli.ledger_text(l) as text`,
    [details],
  );
  return rows;
}
