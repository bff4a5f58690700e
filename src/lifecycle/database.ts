/** How the life cycle reaches the database: transactions of its own, on connections that no query rewriter touches. */
import type { Queryable } from '../queryable';

export interface Database {
  /** Commits when the work resolves, rolls back when it rejects. */
  transaction<T>(work: (connection: Queryable) => Promise<T>): Promise<T>;
}

/** Serialisation failure, deadlock, lock not available: another attempt may do (PostgreSQL manual, appendix A). */
const RETRYABLE = new Set(['40001', '40P01', '55P03']);

export function isRetryable(error: unknown): boolean {
  return error instanceof Error && RETRYABLE.has((error as { code?: string }).code ?? '');
}
