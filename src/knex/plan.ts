/**
 * A plan of PostgreSQL as data (`EXPLAIN (VERBOSE, FORMAT JSON)`), and which sealed column a name in it means. Pure: whoever needs a
 * plan asks for it in `planned.ts`.
 */
import type { Element } from '../catalogue/model';

export interface PlanNode {
  readonly 'Node Type': string;
  readonly Schema?: string;
  readonly 'Relation Name'?: string;
  readonly Alias?: string;
  readonly 'CTE Name'?: string;
  readonly 'Subplan Name'?: string;
  readonly 'Sort Key'?: readonly string[];
  readonly 'Group Key'?: readonly string[];
  readonly 'Grouping Sets'?: readonly { readonly 'Group Keys'?: readonly (readonly string[])[] }[];
  readonly Output?: readonly string[];
  readonly Plans?: readonly PlanNode[];
  readonly [expression: string]: unknown;
}

export interface SealedColumn {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** The element's number: values of two columns that have one element have one index key. */
  readonly element: number;
  readonly protect: Element['protect'];
  /** Whether the index in its values is that of several columns together. */
  readonly compound: boolean;
}

export function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

const NAME = '"(?:[^"]|"")+"|[\\w$]+';
/** A column as a plan writes it, with its alias where the plan has several tables. */
export const COLUMN = `(?:(?:${NAME})\\.)?(?:${NAME})`;
const PARTS = new RegExp(`^(?:(${NAME})\\.)?(${NAME})$`);

/** Every sealed column that a column of the plan can be: of a sub-select or a CTE, any of those that it passes on. */
export function columnsMeant(
  written: string,
  nodes: readonly PlanNode[],
  sealed: readonly SealedColumn[],
): readonly SealedColumn[] {
  const [, alias, name] = PARTS.exec(written) ?? [];
  if (name === undefined) return [];
  const scans = nodes.filter((node) => node['Relation Name'] !== undefined);
  const own = alias === undefined ? [] : scans.filter((node) => node.Alias === unquoted(alias));
  const passing =
    own.length > 0 || alias === undefined ? undefined : nodes.find((node) => node.Alias === unquoted(alias));
  if (passing) {
    const from = nodes.find((node) => node['Subplan Name'] === `CTE ${passing['CTE Name']}`) ?? passing.Plans?.[0];
    return (from?.Output ?? []).flatMap((each) => columnsMeant(each, nodes, sealed));
  }
  const among = own.length > 0 ? own : scans;
  return sealed.filter(
    ({ schema, table, column }) =>
      column === unquoted(name) && among.some((node) => node['Relation Name'] === table && node.Schema === schema),
  );
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
