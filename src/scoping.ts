/**
 * Decrypt scopes, as an application asks for them: what one unit of work (a request, a job) may open, of whom and of how many.
 */
import type { Knex } from 'knex';
import { refuseUnknownKeys } from './catalogue/suggest';
import { ConfigurationError } from './errors';
import type { ScopeLimits } from './keyring/decrypt-scope';
import { refuseUnknownKind } from './knex/keys-of-subjects';
import { scopedHandle } from './knex/scoped-handle';
import type { Seam } from './knex/seam';

export interface Scoping<K extends Knex> {
  /**
   * Limits what a unit of work may open. A result that goes beyond the limits is opened not at all: the statement fails, and the ledger
   * says so, once for each scope, by key ids. What is written is not limited, nor what is no sealed value.
   *
   * With `work` everything that runs in it is limited, whichever handle it uses, exports and archives too. Without, the handle that is
   * returned is, and only it: for what runs elsewhere. A scope within a scope is limited by both.
   *
   * @param limits.subjects whose values may be opened: as many as you like, of any kinds; anybody's unless given
   * @param limits.max how many different people's in all, over the whole scope; all `subjects` unless given
   * @param limits.purpose why: a text for an auditor, so nothing personal; it limits nothing by itself
   * @param work gets the handle
   * @throws ConfigurationError BAD_SCOPE, SCOPE_UNLIMITED, SCOPE_UNKNOWN_OPTION, UNKNOWN_KIND
   * @throws ScopeExceededError from the statement that goes beyond it; a stream fails before the rows that do
   * @example
   * const mine = scope({ purpose: 'customer service', subjects: [subject('user', 42)] });
   * await mine('users').where({ id: 42 }).first();
   * await scope({ purpose: 'monthly report', max: 500 }, async (db) => report(db));
   */
  scope(limits: ScopeLimits): K;
  scope<T>(limits: ScopeLimits, work: (db: K) => T | Promise<T>): Promise<T>;
}

/** What limits statements outside of every scope. */
export interface OutsideScopes {
  /** How many different people's values one statement, or one export, may open; 0 where all is to be opened in scopes. */
  readonly max: number;
}

export function scopingOf<K extends Knex>(knex: K, seam: Seam): Scoping<K> {
  function scope(limits: ScopeLimits): K;
  function scope<T>(limits: ScopeLimits, work: (db: K) => T | Promise<T>): Promise<T>;
  function scope<T>(limits: ScopeLimits, work?: (db: K) => T | Promise<T>): K | Promise<T> {
    checkLimits(seam, limits);
    const made = seam.scopes.make({ ...limits, ...(limits.subjects && { subjects: [...limits.subjects] }) });
    const handle = (): K => scopedHandle(knex, seam.scopes, made);
    // awaited within: a builder that is only returned has not been sent yet
    return work ? seam.scopes.within(made, async () => await work(work.length > 0 ? handle() : knex)) : handle();
  }
  return { scope };
}

/** @throws ConfigurationError BAD_SCOPE, SCOPE_UNKNOWN_OPTION */
export function checkOutside(outside: OutsideScopes): void {
  refuseUnknown(outside, ['max']);
  refuseBadMax(outside.max);
}

function checkLimits({ catalogue }: Seam, limits: ScopeLimits): void {
  refuseUnknown(limits, ['purpose', 'subjects', 'max']);
  const { purpose, subjects, max } = limits;
  if (typeof purpose !== 'string' || purpose.trim() === '' || purpose.length > 200)
    throw new ConfigurationError('BAD_SCOPE', { option: 'purpose', choices: 'why, in 1 to 200 characters' });
  if (max !== undefined) refuseBadMax(max);
  if (max === undefined && subjects === undefined) throw new ConfigurationError('SCOPE_UNLIMITED', { purpose });
  if (subjects === undefined) return;
  if (!Array.isArray(subjects) || !subjects.every(isNamed))
    throw new ConfigurationError('BAD_SCOPE', {
      option: 'subjects',
      choices: "a list of people: [subject('user', 42)]",
    });
  for (const { kind } of subjects) refuseUnknownKind(catalogue, kind);
}

function refuseBadMax(max: unknown): void {
  if (!Number.isSafeInteger(max) || Number(max) < 0)
    throw new ConfigurationError('BAD_SCOPE', { option: 'max', choices: 'a number of people, from 0 on' });
}

function refuseUnknown(given: object, allowed: readonly string[]): void {
  refuseUnknownKeys(
    given,
    allowed,
    (key, suggestion) => new ConfigurationError('SCOPE_UNKNOWN_OPTION', { given: key, suggestion }),
  );
}

function isNamed(subject: unknown): boolean {
  const { kind, id } = (subject ?? {}) as { kind?: unknown; id?: unknown };
  return typeof kind === 'string' && ['string', 'number', 'bigint'].includes(typeof id);
}
