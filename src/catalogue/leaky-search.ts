/**
 * The refusal of a blind index that would give its column away. Equal values have equal indexes, so whoever reads the
 * database counts them; where a column has two or ten values, counting is reading (ENVELOPE.md I2).
 */
import { AnnotationError } from '../errors';
import { factsOf } from './own-category';
import type { PersonalSpec } from './spec';
import { written } from './written';

/**
 * Refuses `search` on a boolean and on a category of few values, unless `acknowledgeLeak` says why that is acceptable.
 *
 * @param codec how the column's values are encoded, as in ENVELOPE.md E7: `'text'`, `'boolean'`, …
 * @throws AnnotationError `LEAKY_SEARCH`
 */
export function refuseLeakySearch(table: string, column: string, spec: PersonalSpec, codec: string): void {
  if (spec.protect !== 'encrypt' || spec.search === undefined || spec.acknowledgeLeak !== undefined) return;
  const leaky = reasonOfLeak(spec, codec);
  if (leaky === undefined) return;
  const { search: _, unique: __, ...unsearched } = spec;
  const corrected = `.personal(${written(unsearched)})  // ${table}.${column}`;
  throw new AnnotationError('LEAKY_SEARCH', { table, column, leaky, corrected });
}

function reasonOfLeak(spec: PersonalSpec, codec: string): string | undefined {
  if (codec === 'boolean') return 'a boolean';
  return factsOf(spec).fewValues ? `of category '${spec.category}'` : undefined;
}
