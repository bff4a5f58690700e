/** What a plan does with ciphertext as if it were what it holds: compares it, computes of it, shows pieces of it. Pure. */
import { columnsMeant, nodesOf, type PlanNode, type SealedColumn } from './plan';
import { comparisonsIn } from './plan-comparisons';
import { computationsIn } from './plan-computations';
import { type BlindUse, expressionsOf, type Meant, masked } from './plan-expressions';

export function blindUses(plan: PlanNode, sealed: readonly SealedColumn[]): BlindUse[] {
  const nodes = nodesOf(plan);
  const found = nodes.flatMap((node) => {
    const meant: Meant = (written) =>
      columnsMeant(written, written.includes('.') || !node['Relation Name'] ? nodes : [node], sealed);
    const expressions = expressionsOf(node).map(masked);
    return expressions.flatMap((each) => [...comparisonsIn(each, meant), ...computationsIn(each, meant)]);
  });
  return [...new Map(found.map((each) => [`${each.table}.${each.column} ${each.operator}`, each])).values()];
}
