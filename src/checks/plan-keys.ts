/** Which sealed columns a plan of PostgreSQL sorts, groups or compares by. Pure: the plan is data (`EXPLAIN (FORMAT JSON)`). */

import { COLUMN, columnsMeant, nodesOf, type PlanNode, type SealedColumn } from '../knex/plan';

export interface SealedKey {
  readonly table: string;
  readonly column: string;
  readonly by: string;
}

export function sealedKeys(plan: PlanNode, sealed: readonly SealedColumn[]): SealedKey[] {
  const nodes = nodesOf(plan);
  const found = new Map<string, SealedKey>();
  for (const node of nodes) {
    for (const key of keysOf(node)) {
      for (const { table, column } of columnsIn(key, nodes, sealed))
        found.set(`${table}.${column}`, { table, column, by: node['Node Type'] });
    }
  }
  return [...found.values()];
}

function keysOf(node: PlanNode): string[] {
  const sets = (node['Grouping Sets'] ?? []).flatMap((set) => set['Group Keys'] ?? []).flat();
  // before PostgreSQL 18 what is compared may come from an Append, which says no output
  const compared = node['Node Type'].includes('SetOp') ? (node.Plans?.[0]?.Output ?? node.Output ?? []) : [];
  return [...(node['Sort Key'] ?? []), ...(node['Group Key'] ?? []), ...sets, ...compared, ...insideAggregates(node)];
}

/** `count(DISTINCT u.email)`, `array_agg(u.id ORDER BY u.email)`: sorted inside the aggregate. */
function insideAggregates({ Output = [] }: PlanNode): string[] {
  return Output.flatMap((output) =>
    [...output.matchAll(/\((?:.*\bORDER BY |DISTINCT )([^,)]+(?:\)::\w+)?)/g)].map(([, key]) => key ?? ''),
  );
}

/** A bare column, whatever its cast; an expression over one, such as its blind index, compares something else. */
const BARE = new RegExp(`^\\(*(${COLUMN})\\)*(?:::[\\w ."]+)?\\)*$`);
const SUFFIX = /( COLLATE \S+| USING \S+| DESC| NULLS (FIRST|LAST))*$/;

function columnsIn(key: string, nodes: readonly PlanNode[], sealed: readonly SealedColumn[]): readonly SealedColumn[] {
  const [, written] = BARE.exec(key.replace(SUFFIX, '').trim()) ?? [];
  return written === undefined ? [] : columnsMeant(written, nodes, sealed);
}
