/** `--subject user:42`: a person, as the application names her. */
import { ConfigurationError } from '../errors';

/** @throws ConfigurationError BAD_SUBJECT_NAME; what was given is not repeated, for it may name her */
export function subjectNamed(given: string, verb: string): { kind: string; id: string } {
  const at = given.indexOf(':');
  if (at < 1 || at === given.length - 1) throw new ConfigurationError('BAD_SUBJECT_NAME', { verb });
  return { kind: given.slice(0, at), id: given.slice(at + 1) };
}
