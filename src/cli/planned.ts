/** Plans and reports as an operator reads them. */
import { type PlanFile, type Planned, targetName } from '../lifecycle/plan-file';
import type { SweepReport } from '../lifecycle/sweep-report';

export function sayPlan({ asOf, plans }: PlanFile): string {
  return [`as of ${asOf}`, ...plans.flatMap(linesOf)].join('\n');
}

function linesOf(plan: Planned): string[] {
  const width = Math.max(0, ...plan.tables.map(({ table }) => table.length));
  return [
    `${targetName(plan)}: ${plan.due} due`,
    ...plan.tables.map(({ table, action, rows, because }) => {
      const why = because === undefined ? '' : `  (${because})`;
      return `  ${table.padEnd(width)}  ${action.padEnd(9)}  ${rows} rows${why}`;
    }),
    ...plan.reviews.map(({ reason }) => `  to be decided first: ${reason}`),
  ];
}

export function sayReport({ rule, gone, stillDue, locked, finished }: SweepReport): string {
  const left = stillDue > 0 ? `, ${stillDue} still due${locked > 0 ? `, ${locked} of them locked by others` : ''}` : '';
  return `${rule}: ${gone} gone${left}${finished ? '' : '; stopped before its end, run it again'}`;
}
