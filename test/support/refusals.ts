/** What a call refuses with: the assertion that most tests of declarations and start need. */
import { expect } from 'chai';
import { OubliError, SweepsFailedError } from '../../src';

/** The error of ours that a call raises; fails where it raises none, or another's. */
export async function refusalOf(call: () => unknown): Promise<OubliError> {
  const error = await failureOf(call);
  if (error instanceof OubliError) return error;
  throw error;
}

/** PostgreSQL's own error, with the fields that could carry a value. */
export interface DatabaseFailure extends Error {
  readonly code?: string;
  readonly detail?: string;
  readonly where?: string;
  readonly hint?: string;
}

export async function failureOf(call: () => unknown): Promise<DatabaseFailure> {
  try {
    await call();
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** What the one rule failed with whose sweep failed, of a call that swept all of them. */
export async function failureOfSweep(call: () => unknown): Promise<DatabaseFailure> {
  const error = await failureOf(call);
  if (!(error instanceof SweepsFailedError)) throw error;
  expect(error.failures).to.have.length(1);
  return error.failures[0]?.error as DatabaseFailure;
}

/** Every error says what to write instead, with the reader's own names, and never what was written. */
export function expectFix(error: OubliError, fix: RegExp, unsaid: readonly string[] = []): void {
  expect(error.fix).to.match(fix);
  expect(error.message).to.contain(error.fix);
  for (const value of unsaid) expect(error.message).not.to.contain(value);
}
