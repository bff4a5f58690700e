/**
 * Foreign-key chains as SQL: the tables between a row and the one it belongs to, joined. Used wherever rows are found through
 * their person: erasure, export, backfill.
 */
import { quoteIdentifier as q } from '../queryable';
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
    // The last table need not be read when the foreign key holds the very column that is asked for.
    if (isLast && direct >= 0) return { tables, conditions, root: `${from}.${q(hop.columns[direct] ?? '')}` };
    const to = `p${place + 1}`;
    tables.push(`${(catalogue.table(hop.to) as Table).sqlName} ${to}`);
    conditions.push(...hop.columns.map((column, i) => `${from}.${q(column)} = ${to}.${q(hop.references[i] ?? '')}`));
    from = to;
  }
  return { tables, conditions, root: `${from}.${q(rootColumn)}` };
}
