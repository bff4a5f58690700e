/** Which sealed columns a plan of PostgreSQL sorts, groups or compares by. Pure: the plan is data (`EXPLAIN (FORMAT JSON)`). */

export interface PlanNode {
  readonly 'Node Type': string;
  readonly Schema?: string;
  readonly 'Relation Name'?: string;
  readonly Alias?: string;
  readonly 'Sort Key'?: readonly string[];
  readonly 'Group Key'?: readonly string[];
  readonly 'Grouping Sets'?: readonly { readonly 'Group Keys'?: readonly (readonly string[])[] }[];
  readonly Output?: readonly string[];
  readonly Plans?: readonly PlanNode[];
}

export interface SealedColumn {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
}

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
      const column = columnMeant(key, nodes, sealed);
      if (column) found.set(`${column.table}.${column.column}`, { ...column, by: node['Node Type'] });
    }
  }
  return [...found.values()].map(({ table, column, by }) => ({ table, column, by }));
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

function keysOf(node: PlanNode): string[] {
  const sets = (node['Grouping Sets'] ?? []).flatMap((set) => set['Group Keys'] ?? []).flat();
  const compared = node['Node Type'].includes('SetOp') ? (node.Plans?.[0]?.Output ?? []) : [];
  return [...(node['Sort Key'] ?? []), ...(node['Group Key'] ?? []), ...sets, ...compared, ...insideAggregates(node)];
}

/** `count(DISTINCT u.email)`, `array_agg(u.id ORDER BY u.email)`: sorted inside the aggregate. */
function insideAggregates({ Output = [] }: PlanNode): string[] {
  return Output.flatMap((output) =>
    [...output.matchAll(/\((?:.*\bORDER BY |DISTINCT )([^,)]+(?:\)::\w+)?)/g)].map(([, key]) => key ?? ''),
  );
}

/** A bare column, whatever its cast; an expression over one, such as its blind index, compares something else. */
const COLUMN = /^\(*(?:("(?:[^"]|"")+"|[\w$]+)\.)?("(?:[^"]|"")+"|[\w$]+)\)*(?:::[\w ."]+)?\)*$/;
const SUFFIX = /( COLLATE \S+| USING \S+| DESC| NULLS (FIRST|LAST))*$/;

function columnMeant(
  key: string,
  nodes: readonly PlanNode[],
  sealed: readonly SealedColumn[],
): SealedColumn | undefined {
  const [, alias, name] = COLUMN.exec(key.replace(SUFFIX, '').trim()) ?? [];
  if (name === undefined) return undefined;
  const scans = nodes.filter((node) => node['Relation Name'] !== undefined);
  const own = scans.filter((node) => node.Alias === unquoted(alias));
  // the alias of a sub-select: by the column's name, of any table of the plan
  const among = own.length > 0 ? own : scans;
  return sealed.find(
    ({ schema, table, column }) =>
      column === unquoted(name) && among.some((node) => node['Relation Name'] === table && node.Schema === schema),
  );
}

function unquoted(name: string | undefined): string | undefined {
  return name?.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
