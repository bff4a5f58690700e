/**
 * Holds of others: rows that a plan writes to may be those of people, too, who do not leave by it: beside her in a row of several
 * (ERASURE.md G3), or below her rows. What is held of them is the row as it is (H1): it would leave, lose what she said in it, or
 * what it refers to. So whoever leaves waits until the case is over, and is counted among what is held.
 */
import type { Catalogue } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { quoteLiteral as literal } from '../queryable';
import { type PersonWay, watchedColumns, waysToPeople } from './hold-graph';
import type { Plan } from './plan';
import type { Step, Way } from './step';

/**
 * Selects of `held_by`: the other people, of these kinds, of rows that the plan would write to.
 * @param row SQL of what names a row of the plan's root, and of its partition where rows are named by their places
 */
export function holdsOfOthers(
  catalogue: Catalogue,
  plan: Plan,
  kinds: ReadonlySet<string>,
  row: { readonly id: string; readonly part: string },
): string[] {
  return plan.steps.flatMap((step) =>
    waysOfWriting(catalogue, step).flatMap((way) => {
      const hers = joinChain(catalogue, 'x', way, plan.rootColumn);
      const end = hers.root.slice(0, hers.root.indexOf('.'));
      const leads = plan.rootColumn === 'ctid' ? [`${end}.tableoid = ${row.part}`] : [];
      const is = [...hers.conditions, `${hers.root} = ${row.id}`, ...leads].join(' and ');
      const others = waysToPeople(catalogue, step.table).filter(
        (other) => kinds.has(other.kind) && !isHers(plan, way, other),
      );
      return others.map((other) => {
        const from = [`${step.table.sqlName} x`, ...hers.tables, heldAt(catalogue, other)].join(', ');
        return `select h.held_by from ${from} where ${is}`;
      });
    }),
  );
}

/** The ways to the rows of a step that holds would keep it from. What refers by a column that anybody may change is let go. */
function waysOfWriting(catalogue: Catalogue, { action, table, shared, ways }: Step): readonly Way[] {
  // rows of several people that leave are those of their step that anonymises
  if (action === 'delete' && shared) return [];
  if (action !== 'detach') return ways;
  const watched = new Set(watchedColumns(catalogue, table).map(({ name }) => name));
  return ways.filter(([key]) => key?.columns.some((name) => watched.has(name)));
}

/** Whether a row's person is found over the very row that leaves: that is asked of the root. */
function isHers({ kind }: Plan, way: Way, other: PersonWay): boolean {
  const isOnTheWay = way.every((key, i) => key === other.way[i]);
  return isOnTheWay && (kind === undefined || (kind === other.kind && way.length === other.way.length));
}

function heldAt(catalogue: Catalogue, { way, kind, subjectColumn }: PersonWay): string {
  const { tables, conditions, root } = joinChain(catalogue, 'x', way, subjectColumn);
  const is = [...conditions, `s.kind = ${literal(kind)}`, `s.subject_id = ${root}::text`].join(' and ');
  return `lateral (select s.held_by from ${[...tables, 'oubli.person_held s'].join(', ')} where ${is} limit 1) h`;
}
