/**
 * What a plan rests on, as one text: its steps, and of every table they touch the columns, declarations and foreign keys. The
 * same whatever the order in which PostgreSQL lists them.
 */
import type { Catalogue } from '../catalogue/model';
import type { Plan } from './plan';
import type { Rule } from './rule';

export function foundationOf(catalogue: Catalogue, plan: Plan, rule: Rule | undefined): string {
  const touched = new Set([plan.root, ...plan.steps.map(({ table }) => table)].map(({ oid }) => oid));
  const keys = catalogue.foreignKeys.filter(({ from, to }) => touched.has(from) || touched.has(to));
  return canonical({ plan, keys, retention: rule?.retention });
}

/** JSON with sorted fields; lists of objects are sorted too, lists of names keep their order, for in a foreign key it matters. */
function canonical(value: unknown): string {
  if (value instanceof Map) return canonical([...value.values()]);
  if (Array.isArray(value)) {
    const items = value.map(canonical);
    return `[${(value.every((item) => typeof item === 'object') ? items.sort() : items).join(',')}]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields
    .map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`)
    .sort()
    .join(',')}}`;
}
