/**
 * Whether what is due under a rule that is only proposed can be found, and is known at all. A declaration makes its index and its
 * triggers itself; a proposal has them only where somebody else needed them, too.
 */
import type { Anchor } from '../catalogue/anchor-spec';
import type { Catalogue } from '../catalogue/model';
import { dateColumnsOf } from '../catalogue/verify-anchor';
import { ConfigurationError } from '../errors';
import { type Queryable, quoteIdentifier as q } from '../queryable';
import { anchorName, eventOf } from './anchor';
import { type Rule, rulesOf } from './rule';

/** An index whose first column is this expression, over all rows whose clock has started. */
const INDEXED = `
select from pg_catalog.pg_index i
where i.indrelid = $1::regclass and i.indisvalid and i.indisready
  and pg_get_indexdef(i.indexrelid, 1, true) in ($2, '(' || $2 || ')')
  and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) in ('(' || $2 || ' IS NOT NULL)', '((' || $2 || ') IS NOT NULL)'))`;

/** @throws ConfigurationError PROPOSED_UNINDEXED with the statement that makes it, PROPOSED_UNRECORDED */
export async function refuseUnfindable(
  catalogue: Catalogue,
  connection: Queryable,
  rule: Rule,
  scan: boolean,
): Promise<void> {
  const { from } = rule.retention;
  const columns = dateColumnsOf(from);
  if (columns.length === 0) return refuseUnrecorded(catalogue, rule);
  if (scan) return;
  const { sqlName, displayName } = rule.table;
  const quoted = await Promise.all(columns.map((name) => quotedAsPrinted(connection, name)));
  const printed = quoted.length === 1 ? (quoted[0] as string) : `GREATEST(${quoted.join(', ')})`;
  if ((await connection.query(INDEXED, [sqlName, printed])).rows.length > 0) return;
  const of = columns.map(q).join(', ');
  const create = `create index concurrently on ${sqlName} (${columns.length === 1 ? of : `(greatest(${of}))`})`;
  throw new ConfigurationError('PROPOSED_UNINDEXED', {
    rule: rule.name,
    table: displayName,
    column: columns.join(', '),
    create,
  });
}

/** PostgreSQL quotes only where it must. */
async function quotedAsPrinted(connection: Queryable, name: string): Promise<string> {
  return String((await connection.query('select quote_ident($1) as name', [name])).rows[0]?.name);
}

/** Nothing would be due where nobody wrote down what happened: that is no answer to what would be. */
function refuseUnrecorded(catalogue: Catalogue, rule: Rule): void {
  const { from } = rule.retention;
  const declared = rulesOf(catalogue).some((each) => {
    if (each.person || rule.person)
      return each.person?.kind === rule.person?.kind && isSameEvent(each.retention.from, from);
    return each.table.oid === rule.table.oid && isSameReference(each.retention.from, from);
  });
  if (!declared) throw new ConfigurationError('PROPOSED_UNRECORDED', { rule: rule.name, anchor: anchorName(rule) });
}

function isSameEvent(one: Anchor, other: Anchor): boolean {
  const [a, b] = [eventOf(one), eventOf(other)];
  return a.event === b.event && a.purpose === b.purpose;
}

function isSameReference(one: Anchor, other: Anchor): boolean {
  const reference = (anchor: Anchor) =>
    typeof anchor === 'object' && 'deletionOf' in anchor ? anchor.deletionOf : undefined;
  return reference(one) === reference(other);
}
