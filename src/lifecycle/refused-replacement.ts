/**
 * What PostgreSQL said of a replacement: a CHECK, a domain, an exclusion or a unique expression that no declaration speaks of.
 * The one statement was refused as a whole, so nothing was touched (ERASURE.md A1, A6).
 */
import { AnnotationError } from '../errors';
import type { Plan } from './plan';

/** Not null, unique, check, exclusion violation (PostgreSQL manual, appendix A, class 23). */
const CONSTRAINTS = new Set(['23502', '23505', '23514', '23P01']);
/** Data exceptions: too long, out of range, no value of an enum. */
const UNFIT = /^22/;

/** @returns the error to raise instead; any other as it is */
export function refusedReplacement(error: unknown, { steps }: Plan): unknown {
  const { code = '', schema, table, constraint, column } = error as Record<string, string | undefined>;
  const anonymised = steps.filter((step) => step.action === 'anonymise').map((step) => step.table);
  const named = anonymised.find((each) => each.schema === schema && each.name === table);
  const [first] = anonymised;
  if (named && CONSTRAINTS.has(code)) {
    return new AnnotationError('REPLACEMENT_REFUSED', { table: named.displayName, column, constraint });
  }
  // of a value that fits no type PostgreSQL names no table
  return first && UNFIT.test(code) ? new AnnotationError('REPLACEMENT_REFUSED', { table: first.displayName }) : error;
}
