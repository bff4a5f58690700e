/**
 * Why a job failed, as pg-boss stores it for a week: errors of ours as they are, for they hold names only; of PostgreSQL's the
 * SQLSTATE and the names, because its messages may quote a value.
 */
import { OubliError } from '../errors';

export class SweepFailure extends Error {
  override readonly name = 'SweepFailure';

  static from(rule: string, error: unknown): Error {
    if (error instanceof OubliError) return error;
    const { code, table, constraint } = error as { code?: string; table?: string; constraint?: string };
    const names = [code, table, constraint].filter((each) => each !== undefined);
    return new SweepFailure(`the sweep of ${rule} failed: ${names.join(' ') || (error as Error)?.name}`);
  }
}

/** Not a failure of anything: the process was asked to stop, and the rest is still due. */
export class SweepInterrupted extends Error {
  override readonly name = 'SweepInterrupted';

  constructor(rule: string) {
    super(`the sweep of ${rule} was interrupted; what is left is still due`);
  }
}
