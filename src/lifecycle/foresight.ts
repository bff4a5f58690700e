/**
 * What would leave before a day (ERASURE.md D5), under the rules as they are or under one that is only proposed. Reads; the caller
 * gives a connection in a transaction that cannot write.
 */
import type { Catalogue } from '../catalogue/model';
import { ConfigurationError } from '../errors';
import { quoteLiteral as literal, type Queryable } from '../queryable';
import { anchorName, anchorOf } from './anchor';
import { type DueCondition, dueCondition } from './due';
import { isStillThere } from './due-source';
import { refuseUnfindable } from './findable';
import { idOf } from './notice-condition';
import { type ProposedRule, proposedRule } from './proposed-rule';
import { nameOf, rowColumn } from './root';
import { type Rule, rulesNamed } from './rule';

export interface DueOptions {
  /** ISO date, on the calendar of each rule: who is due before that day begins. */
  readonly before: string;
  /** Only this rule, by its name: `subject:user`, `rows:public.invoices`. */
  readonly rule?: string;
  /** What would be declared in its place: `{ keep: '3 months' }`; what is left out is as it is declared. */
  readonly proposed?: ProposedRule;
  /** Reads every row where no index finds what would be due under a proposed rule. Refused otherwise. */
  readonly scan?: boolean;
  /** Told the ids of what is due, oldest first, up to 1,000 at a time. */
  readonly onIds?: (rule: string, ids: readonly string[]) => void | Promise<void>;
}

export interface DueReport {
  readonly rule: string;
  /** How the rule starts, for people to read: `users.service_ended_on`. */
  readonly from: string;
  /** People, or rows, that are due: also those whom an unsent notice still keeps. */
  readonly count: number;
  /** Days, in the rule's time zone, on which the first and the last of them are due. */
  readonly first?: string;
  readonly last?: string;
}

const PAGE = 1000;

/**
 * @throws ConfigurationError BAD_DAY, UNKNOWN_RULE, PROPOSED_WITHOUT_RULE, PROPOSED_UNINDEXED, PROPOSED_UNRECORDED
 * @throws AnnotationError what a declaration of the proposed rule would be refused with
 */
export async function foresee(catalogue: Catalogue, connection: Queryable, options: DueOptions): Promise<DueReport[]> {
  refuseBadDay(options.before);
  const rules = options.proposed
    ? [proposedRule(catalogue, options.rule, options.proposed)]
    : rulesNamed(catalogue, options.rule);
  await connection.query("select set_config('datestyle', 'ISO', true)");
  const reports: DueReport[] = [];
  for (const rule of rules) {
    if (options.proposed) await refuseUnfindable(catalogue, connection, rule, options.scan ?? false);
    const foresight = new Foresight(rule, options.before);
    reports.push(await foresight.report(connection));
    if (options.onIds) await foresight.list(connection, options.onIds);
  }
  return reports;
}

class Foresight {
  private readonly due: DueCondition;

  constructor(
    private readonly rule: Rule,
    before: string,
  ) {
    const zone = literal(rule.retention.timeZone);
    // a timestamp has microseconds: what is due with the first of the day is not due before it
    const at = `((date ${literal(before)})::timestamp - interval '1 microsecond') at time zone ${zone}`;
    this.due = dueCondition(rule, 't', { at: `(${at})` });
  }

  async report(connection: Queryable): Promise<DueReport> {
    const day = `((${this.due.moment}) at time zone ${literal(this.rule.retention.timeZone)})::date`;
    const [found] = (
      await connection.query(
        `select count(*) as n, min(${day})::text as first, max(${day})::text as last from ${this.source()}`,
      )
    ).rows;
    const count = Number(found?.n);
    const from = anchorName(this.rule);
    if (count === 0) return { rule: this.rule.name, from, count };
    return { rule: this.rule.name, from, count, first: String(found?.first), last: String(found?.last) };
  }

  /** Page by page, for whoever is due may be a million. */
  async list(connection: Queryable, onIds: NonNullable<DueOptions['onIds']>): Promise<void> {
    const { value, type } = anchorOf(this.rule, 't');
    const id = this.id();
    let since: [string | null, string] = [null, ''];
    for (;;) {
      const { rows } = await connection.query(
        `select ${id} as id, (${value})::text as anchor from ${this.source()}
and ($1::text is null or (${value} >= $1::${type} and (${value}, ${id}) > ($1::${type}, $2::text)))
order by ${value}, ${id} limit ${PAGE}`,
        since,
      );
      const last = rows.at(-1);
      if (!last) return;
      await onIds(
        this.rule.name,
        rows.map((row) => String(row.id)),
      );
      since = [String(last.anchor), String(last.id)];
    }
  }

  /** What the application calls it; where a key has several columns, its place in the table. */
  private id(): string {
    const { table, kind } = this.rule;
    return kind === undefined ? `(${nameOf({ root: table, rootColumn: rowColumn(table) }, 't')})` : idOf(this.rule);
  }

  private source(): string {
    const { join, prefilter, exact } = this.due;
    return `${this.rule.table.sqlName} t ${join} where ${prefilter} and ${exact} and ${isStillThere(this.rule)}`;
  }
}

/** `2027-02-30` would be another day's answer, or PostgreSQL's error. */
function refuseBadDay(before: string): void {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(before) && !Number.isNaN(Date.parse(before));
  if (isDay && new Date(before).toISOString().startsWith(before)) return;
  throw new ConfigurationError('BAD_DAY', { given: String(before).slice(0, 40) });
}
