/**
 * Taking a reference away: rows of other people, and of nobody, that only refer to what leaves. Of a foreign key the columns
 * that may be NULL become NULL, and with one of them the whole key refers to nothing (MATCH SIMPLE, PostgreSQL manual 5.5.5).
 */
import type { ForeignKey, Table } from '../catalogue/model';
import { quoteIdentifier as q } from '../queryable';
import type { DetachStep } from './step';

/** Whether a row can do without this reference. */
export function isNullable(table: Table, key: ForeignKey): boolean {
  return key.columns.some((name) => table.columns.get(name)?.notNull === false);
}

/**
 * The SET list that takes the references away.
 * @param taken SQL of whether a row was found by the n-th way; undefined where there is one way only
 */
export function detachingAssignments({ table, ways }: DetachStep, taken?: (way: number) => string): string[] {
  const conditions = new Map<string, string[]>();
  for (const [place, [key]] of ways.entries()) {
    for (const name of key?.columns ?? []) {
      if (table.columns.get(name)?.notNull !== false) continue;
      conditions.set(name, [...(conditions.get(name) ?? []), taken?.(place) ?? 'true']);
    }
  }
  return [...conditions].map(([name, found]) =>
    taken ? `${q(name)} = case when not (${found.join(' or ')}) then t.${q(name)} end` : `${q(name)} = null`,
  );
}
