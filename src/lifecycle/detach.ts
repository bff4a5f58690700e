/**
 * Taking a reference away: rows of other people, and of nobody, that only refer to what leaves. Of a foreign key the columns
 * that may be NULL become NULL, and with one of them the whole key refers to nothing (MATCH SIMPLE, PostgreSQL manual 5.5.5). A
 * polymorphic reference loses the type with the id; out of JSON the id is taken, and the rest stays.
 */
import { textArray } from '../catalogue/path-sql';
import { referringColumns } from '../catalogue/reference';
import { quoteIdentifier as q } from '../queryable';
import type { DetachStep } from './step';

/**
 * The SET list that takes the references away.
 * @param taken SQL of whether a row was found by the n-th way; undefined where there is one way only
 */
export function detachingAssignments({ table, ways }: DetachStep, taken?: (way: number) => string): string[] {
  const emptied = new Map<string, string[]>();
  const cut = new Map<string, string>();
  for (const [place, [key]] of ways.entries()) {
    if (!key) continue;
    const found = taken?.(place);
    for (const name of key.declared?.path ? [] : referringColumns(key)) {
      if (table.columns.get(name)?.notNull === false)
        emptied.set(name, [...(emptied.get(name) ?? []), found ?? 'true']);
    }
    for (const name of key.declared?.path ? key.columns : []) {
      cut.set(name, withoutPath(cut.get(name) ?? `t.${q(name)}::jsonb`, key.declared?.path ?? [], found));
    }
  }
  return [
    ...[...emptied].map(([name, found]) =>
      taken ? `${q(name)} = case when not (${found.join(' or ')}) then t.${q(name)} end` : `${q(name)} = null`,
    ),
    ...[...cut].map(([name, value]) => `${q(name)} = (${value})::${table.columns.get(name)?.type}`),
  ];
}

/** In an object the name goes with its value; in an array the places of the others would move, so that it becomes null there. */
function withoutPath(value: string, path: readonly string[], found: string | undefined): string {
  const at = textArray(path);
  const without = /^-?\d+$/.test(path.at(-1) ?? '') ? `jsonb_set(${value}, ${at}, 'null', false)` : `${value} #- ${at}`;
  return found === undefined ? without : `case when ${found} then ${without} else ${value} end`;
}
