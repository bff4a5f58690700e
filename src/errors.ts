/**
 * What can go wrong, one class per what the reader does next. Every error carries a stable `code`, the `table` and
 * `column` it speaks of, and a `fix` that can be pasted. The texts stand in `messages.ts`.
 *
 * Names only: no error of ours ever holds a value, a binding, a ciphertext or key bytes (ENVELOPE.md E8).
 */
import { type ErrorCode, type Names, texts } from './messages';

export type { ErrorCode, Names };

/** The base of every error oubli raises; catch this one to catch them all. */
export abstract class OubliError extends Error {
  readonly code: ErrorCode;
  /** What to write instead, with the reader's own names. */
  readonly fix: string;
  readonly table: string | undefined;
  readonly column: string | undefined;

  constructor(code: ErrorCode, names: Names = {}) {
    const text = texts[code];
    super(`${text.says(names)}\n  fix: ${text.fix(names)}`);
    this.name = new.target.name;
    this.code = code;
    this.fix = text.fix(names);
    this.table = asName(names.table);
    this.column = asName(names.column);
  }
}

/** Set up differently: options, providers, versions, key files. */
export class ConfigurationError extends OubliError {}
/** Mend the declaration in the migration. */
export class AnnotationError extends OubliError {}
/** Write the query otherwise; nothing was sent. */
export class UnsupportedQueryError extends OubliError {}
/** Give another value: this one cannot be stored under its declaration. Nothing was sent. */
export class InvalidValueError extends OubliError {}
/** Retry later: a key is not to be had now. */
export class KeyUnavailableError extends OubliError {}
/** Investigate: a sealed value is not what was written, or not where it was written. */
export class TamperedError extends OubliError {}
/** Investigate: a sealed column holds something that was never sealed. */
export class NotSealedError extends OubliError {}
/** Stop writing about this person: she was erased. */
export class SubjectErasedError extends OubliError {}
/** Nothing left to do: the erasure asked for has already happened. */
export class AlreadyErasedError extends OubliError {}
/** Retry later: another transaction holds the person's row. Nothing was touched. */
export class SubjectLockedError extends OubliError {}
/** Ask about somebody else: nobody is known by this name. */
export class SubjectUnknownError extends OubliError {}
/** A human decides: the plan meets data nobody declared. Nothing was touched. */
export class PlanBlockedError extends OubliError {}
/** Look at the plan, then let it pass or mend the dates: far more is due than a day's share. Nothing was touched. */
export class BreakerError extends OubliError {
  /** How many people, or rows, were found to be due; counting ended there. */
  readonly counted: number;

  constructor(code: ErrorCode, names: Names & { readonly counted: number }) {
    super(code, names);
    this.counted = names.counted;
  }
}
/** Plan again: what was planned is not what would be done now. Nothing was touched. */
export class PlanDriftError extends OubliError {}
/** Run `oubli replay`: the database was restored, and does not know any more who was erased. */
export class RestoreReplayRequiredError extends OubliError {}
/** Mend the journal or where it goes; what was written to the ledger stands. */
export class JournalError extends OubliError {
  /** Its name. */
  readonly journal: string;

  constructor(code: ErrorCode, names: Names & { readonly journal: string }) {
    super(code, names);
    this.journal = names.journal;
  }
}
/** Mend how the database is dumped or restored: the drill did not come to its end. The live database is what it was. */
export class DrillError extends OubliError {}
/** Mend the callback: notices could not be sent, and nobody leaves without hers. The next sweep sends them again. */
export class NoticeFailedError extends OubliError {}
/** Mend the callback: it was told of something and threw. What it was told of is done; this comes as a warning of the process. */
export class CallbackFailedError extends OubliError {
  override readonly cause: unknown;

  constructor(code: ErrorCode, names: Names, cause: unknown) {
    super(code, names);
    this.cause = cause;
  }
}
/** Look at each failure: some sweeps failed, and the others did their work. */
export class SweepsFailedError extends OubliError {
  /** What each failed with; of what follows when all of them have ended, `rule` is undefined. */
  readonly failures: readonly SweepFailed[];
  /** Of those that came to their end. */
  readonly reports: readonly Swept[];

  constructor(failures: readonly SweepFailed[], reports: readonly Swept[]) {
    const [fix] = failures.flatMap(({ error }) => (error instanceof OubliError ? [error.fix] : []));
    const reasons = failures.map(reasonOf).join('; ');
    super('SWEEPS_FAILED', { failed: failures.length, ended: reports.length, reasons, rule: failures[0]?.rule, fix });
    this.failures = failures;
    this.reports = reports;
  }
}
export interface SweepFailed {
  readonly rule: string | undefined;
  readonly error: unknown;
}
/** What stands in every report; the reports are those that `sweep()` would have returned. */
export interface Swept {
  readonly rule: string;
  readonly gone: number;
  readonly stillDue: number;
  readonly finished: boolean;
}
/** Wait for the case, or release it: what was asked for is written down, and carried out then. Nothing was touched. */
export class HoldError extends OubliError {}
/** Lift the restriction first, or leave her out: nobody reads or writes what is only to be stored (GDPR Art. 18). */
export class RestrictedError extends OubliError {}
/** Look at the query, or widen the scope: a result goes beyond what this unit of work may open. None of it was opened. */
export class ScopeExceededError extends OubliError {
  /** The scope's; undefined for a statement outside of every scope. */
  readonly purpose: string | undefined;
  /** How many people's values the result holds, and how many of them are nobody's whom the scope names. */
  readonly named: number;
  readonly foreign: number;
  /** Why the ledger could not be told, where it could not. */
  override readonly cause: unknown;

  constructor(overrun: Exceeded, cause?: unknown) {
    const { purpose, max, opened, named, foreign } = overrun;
    const untold = cause === undefined ? undefined : codeOf(cause);
    super('SCOPE_EXCEEDED', { purpose, max, opened, named, foreign, untold });
    this.purpose = purpose;
    this.named = named;
    this.foreign = foreign;
    this.cause = cause;
  }
}
interface Exceeded {
  readonly purpose: string | undefined;
  readonly max: number | undefined;
  readonly opened: number;
  readonly named: number;
  readonly foreign: number;
}
/** Update the library or the schema, whichever is older. */
export class SchemaVersionError extends OubliError {}

/** Texts of ours are names; PostgreSQL's may quote a value, so that of those the code is all. */
function reasonOf({ rule, error }: SweepFailed): string {
  const reason = error instanceof OubliError ? error.message.split('\n')[0] : codeOf(error);
  return `${rule ?? 'afterwards'}: ${reason}`;
}

function codeOf(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: unknown };
  return String(code ?? name ?? 'unknown');
}

function asName(name: Names[string]): string | undefined {
  return name === undefined ? undefined : String(name);
}
