/**
 * A person's rows in a table whose rows are several people's (ERASURE.md G3): those of which any column is hers, and of each
 * row what is hers. What is about the others is not even read.
 */
import type { Catalogue } from '../catalogue/model';
import { joinChain } from '../catalogue/path-sql';
import { quoteIdentifier as q } from '../queryable';
import { asText } from './as-text';
import type { PortableShare, PortableTable } from './portable';

/** @returns SQL with her id as $1 */
export function sharedRowsStatement(
  catalogue: Catalogue,
  { table, subjectColumn, subjectType, columns }: PortableTable,
  shares: readonly PortableShare[],
): string {
  const found = shares.map(({ hops }, place) => {
    const chain = joinChain(catalogue, 't', hops, subjectColumn);
    const from = [`${table.sqlName} t`, ...chain.tables].join(', ');
    const where = [...chain.conditions, `${chain.root} = $1::${subjectType}`].join(' and ');
    return `select t.tableoid as part, t.ctid as at, ${place} as way from ${from} where ${where}`;
  });
  const by = shares.map((_, place) => `bool_or(way = ${place}) as by${place}`).join(', ');
  const given = columns.map(({ column: { name } }) => asText(name, hers(shares, name)));
  const order =
    table.primaryKey.length > 0 ? ` order by ${table.primaryKey.map((name) => `t.${q(name)}`).join(', ')}` : '';
  return `select ${given.join(', ')} from ${table.sqlName} t join (
  select part, at, ${by} from (${found.join(' union all ')}) w group by part, at) f
  on t.tableoid = f.part and t.ctid = f.at${order}`;
}

/** SQL condition: she is whom the column is about, in this row. */
function hers(shares: readonly PortableShare[], name: string): string {
  const places = shares.flatMap(({ columns }, place) => (columns.has(name) ? [`f.by${place}`] : []));
  return places.join(' or ') || 'false';
}
