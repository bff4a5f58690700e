/**
 * Tells the team's callbacks what happened. One that throws, or whose promise rejects, changes nothing of what was done: Node.js hears of it
 * as a warning, of a class of ours.
 */
import { CallbackFailedError } from '../errors';

/** @param callback of an option of this name */
export function tell<T>(option: string, rule: string, callback: ((what: T) => unknown) | undefined, what: T): void {
  const warn = (cause: unknown): void =>
    process.emitWarning(new CallbackFailedError('CALLBACK_FAILED', { option, rule }, cause));
  try {
    Promise.resolve(callback?.(what)).catch(warn);
  } catch (error) {
    warn(error);
  }
}
