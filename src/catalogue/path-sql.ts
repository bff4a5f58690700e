/**
 * Chains of references as SQL: the tables between a row and the one it belongs to, joined. Used wherever rows are found through
 * their person: erasure, export, backfill.
 */
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import type { Catalogue, ForeignKey, Table } from './model';

export interface JoinedChain {
  /** `"contracts" p1`, in the order of the chain, without the row's own table. */
  readonly tables: readonly string[];
  /** `t."contract_id" = p1."id"` and so on. */
  readonly conditions: readonly string[];
  /** The column of the last table that names the root: `p1."user_id"` or `t."id"`. */
  readonly root: string;
}

/**
 * @param alias of the row's own table
 * @param rootColumn the column of the last table that names what the rows belong to
 */
export function joinChain(
  catalogue: Catalogue,
  alias: string,
  hops: readonly ForeignKey[],
  rootColumn: string,
): JoinedChain {
  const tables: string[] = [];
  const conditions: string[] = [];
  let from = alias;
  for (const [place, hop] of hops.entries()) {
    const isLast = place === hops.length - 1;
    const direct = hop.references.indexOf(rootColumn);
    conditions.push(...referringConditions(hop, from));
    // The last table need not be read when the reference holds the very column that is asked for.
    if (isLast && direct >= 0) return { tables, conditions, root: referringValue(hop, direct, from) };
    const to = `p${place + 1}`;
    tables.push(`${(catalogue.table(hop.to) as Table).sqlName} ${to}`);
    conditions.push(...hop.references.map((name, i) => `${referringValue(hop, i, from)} = ${to}.${q(name)}`));
    from = to;
  }
  return { tables, conditions, root: `${from}.${q(rootColumn)}` };
}

/** SQL of the n-th value of a reference, as an index has it. */
export function referringValue({ columns, declared }: ForeignKey, place: number, alias: string): string {
  const column = `${alias}.${q(columns[place] ?? '')}`;
  // what stands before the column is ours; a path of the reader's comes after it, and may hold anything
  return declared?.forms[place]?.replace('%s', () => column) ?? column;
}

/** SQL conditions under which the columns refer to this table and not to another one. */
export function referringConditions({ declared }: ForeignKey, alias: string): string[] {
  return (declared?.when ?? []).map(([column, value]) => `${alias}.${q(column)} = ${literal(value)}`);
}

/** SQL of an array of texts. */
export function textArray(texts: readonly string[]): string {
  return `array[${texts.map(literal).join(', ')}]::text[]`;
}
