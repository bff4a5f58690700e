/**
 * What is due under a rule, as SQL between `from` and `order by`: the one place where it is said, for whoever counts, lists,
 * chooses, or asks again under a lock.
 */
import { quoteLiteral as literal, type Queryable, quoteIdentifier as q } from '../queryable';
import { stillPersonal } from './anonymise';
import { type DueCondition, dueCondition } from './due';
import { noticesSent } from './notice-condition';
import { fromName, type Root } from './root';
import type { Rule } from './rule';

export interface DueSource {
  /** What is joined to the rule's table. */
  readonly join: string;
  readonly where: string;
  /** Whether the row alone says it, so that PostgreSQL looks again when it locks the row (manual 13.2.1). */
  readonly isOwn: boolean;
}

/** Rows of the rule's table, alias `t`, that leave now. */
export function dueSource(rule: Rule, due: DueCondition): DueSource {
  const notices = noticesSent(rule);
  const conditions = [due.prefilter, due.exact, isStillThere(rule), ...notices];
  return { join: due.join, where: conditions.join(' and '), isOwn: due.join === '' && notices.length === 0 };
}

/** Whoever was anonymised stays in the table, and is not due again. */
export function isStillThere({ table, kind, retention }: Rule): string {
  if (table.declaration?.is === 'subject') {
    return `not exists (select from oubli.subject_link l where l.kind = ${literal(kind ?? '')}
  and l.subject_id = t.${q(table.declaration.column)}::text and l.erased_at is not null)`;
  }
  return retention.then === 'anonymise' ? stillPersonal(table, 't') : 'true';
}

/**
 * Which of these are due still, now that their rows are locked, by a new snapshot (ERASURE.md A2): a return that was committed
 * meanwhile wins. Where another table says when the clock started, its row is locked too, and whoever is about to stop that
 * clock goes first: she is left for the next sweep.
 *
 * @param names of rows that this transaction has locked
 */
export async function stillDue(
  connection: Queryable,
  rule: Rule,
  of: Root,
  names: readonly string[],
): Promise<string[]> {
  if (names.length === 0) return [];
  const due = dueCondition(rule, 't');
  const { join, where, isOwn } = dueSource(rule, due);
  if (isOwn) return [...names];
  const place = of.rootColumn === 'ctid' ? 't.tableoid = w.part and t.ctid = w.id' : `t.${q(of.rootColumn)} = w.id`;
  const lock = due.event === undefined ? '' : ` for share of ${due.event} skip locked`;
  const sql = `select w.name from (select w.name, ${fromName(of, 'w.name')} from unnest($1::text[]) w(name)) w
join ${rule.table.sqlName} t on ${place} ${join} where ${where}${lock}`;
  const { rows } = await connection.query(sql, [names]);
  const still = new Set(rows.map((row) => String(row.name)));
  return names.filter((name) => still.has(name));
}
