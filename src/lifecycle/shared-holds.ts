/**
 * Holds and rows of several people: what is held is the row as it is, so whoever else stands in it waits until the case is over.
 * Her own columns would be taken out of evidence, or the row leave with her as the last of them (ERASURE.md G3, H1).
 */
import type { Catalogue } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { quoteLiteral as literal } from '../queryable';
import type { Plan } from './plan';

/**
 * Selects of `held_by`: the other people, of these kinds, of rows that the plan would write to.
 * @param id SQL of what names who leaves
 */
export function holdsOfSharers(catalogue: Catalogue, plan: Plan, kinds: ReadonlySet<string>, id: string): string[] {
  if (plan.kind === undefined) return [];
  const shared = plan.steps.filter(({ action }) => action === 'anonymise' || action === 'keep');
  return shared.flatMap(({ table, shared }) =>
    (shared?.shares ?? []).flatMap(({ way }) => {
      const hers = joinChain(catalogue, 'x', way, plan.rootColumn);
      const from = [`${table.sqlName} x`, ...hers.tables];
      const others = shared?.people.filter(({ path }) => kinds.has(path.kind)) ?? [];
      return others.map(({ path: { hops, kind, subjectColumn } }) => {
        const other = joinChain(catalogue, 'x', hops, subjectColumn);
        const is = [...other.conditions, `s.kind = ${literal(kind)}`, `s.subject_id = ${other.root}::text`].join(
          ' and ',
        );
        const held = `lateral (select s.held_by from ${[...other.tables, 'oubli.person_held s'].join(', ')} where ${is} limit 1) h`;
        const where = [...hers.conditions, `${hers.root} = ${id}`].join(' and ');
        return `select h.held_by from ${[...from, held].join(', ')} where ${where}`;
      });
    }),
  );
}
