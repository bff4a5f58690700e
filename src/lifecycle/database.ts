/** How the life cycle reaches the database: transactions of its own, on connections that no query rewriter touches. */
import { setTimeout as wait } from 'node:timers/promises';
import { NotSealedError, PlanBlockedError, TamperedError } from '../errors';
import type { Queryable, Settings } from '../queryable';

export interface Database {
  /** Commits when the work resolves, rolls back when it rejects. @param settings PostgreSQL's, for as long as it lasts */
  transaction<T>(work: (connection: Queryable) => Promise<T>, settings?: Settings): Promise<T>;
  /** One view of the database for all that is read in it; nothing can be written. */
  snapshot<T>(work: (connection: Queryable) => Promise<T>): Promise<T>;
  /** Outside of any transaction: each statement by itself. */
  alone<T>(work: (connection: Queryable) => Promise<T>): Promise<T>;
  /**
   * A connection without a transaction, for statements that allow none; advisory locks that the work takes are given back with it.
   * @param patience PostgreSQL's `lock_timeout`
   */
  outside<T>(patience: string, work: (connection: Queryable) => Promise<T>): Promise<T>;
}

/** One whose transactions are told to the journal outside, where there is one. */
export interface ToldDatabase extends Database {
  /** The journal has all that was committed before. @throws JournalError */
  catchUp(): Promise<void>;
}

/** Lock not available (PostgreSQL manual, appendix A): somebody works on the row. */
const LOCKED = '55P03';
/** Query cancelled (the same): by `statement_timeout`, where nobody cancels by hand. */
const TOO_LONG = '57014';
/**
 * Serialisation failure and deadlock; and a foreign key that was violated: a row that refers to one that leaves was written
 * while the statement ran, and the next attempt sees it. Of ours: a key that was replaced meanwhile.
 */
const RACES = new Set(['40001', '40P01', '23503', 'OU050']);
const BY_TRIGGERS = new Set<string>(['TRIGGER_KEPT', 'TRIGGER_WROTE']);
const ATTEMPTS = 5;

export function isLocked(error: unknown): boolean {
  return sqlState(error) === LOCKED;
}

export function isTooLong(error: unknown): boolean {
  return sqlState(error) === TOO_LONG;
}

export function isRace(error: unknown): boolean {
  return RACES.has(sqlState(error));
}

/**
 * What one row or one person may be the reason of, and not the database or the schema: a trigger of the team's that raises, a
 * constraint, a value that is none (classes P0, 23 and 22), a refusal of ours (OU), a sealed value that was changed, and what
 * a trigger of the team's keeps or writes while she leaves.
 */
export function mayBeOnes(error: unknown): boolean {
  if (error instanceof PlanBlockedError) return BY_TRIGGERS.has(error.code);
  return error instanceof TamperedError || error instanceof NotSealedError || /^(?:P0|22|23|OU)/.test(sqlState(error));
}

/** Another attempt, with a little patience, where a race was lost. */
export async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isRace(error)) throw error;
      await wait(20 * attempt * (0.5 + Math.random()));
    }
  }
}

function sqlState(error: unknown): string {
  return error instanceof Error ? String((error as { code?: unknown }).code) : '';
}
