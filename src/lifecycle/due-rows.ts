/**
 * The due rows of a rule, chosen a few at a time: oldest first by the anchor's index. Rows that somebody holds are left for
 * the next sweep; where one chunk ended the next goes on, so that people who were anonymised and stay are passed once.
 */
import type { Queryable } from '../queryable';
import { anchorType, type DueCondition, dueCondition } from './due';
import { dueSource, stillDue } from './due-source';
import type { Plan } from './plan';
import { nameOf } from './root';
import type { Rule } from './rule';

export class DueRows {
  private readonly due: DueCondition;
  private readonly passedOver = new Set<string>();
  private since: string | undefined;
  private reached: string | undefined;

  constructor(
    private readonly rule: Rule,
    private readonly plan: Plan,
  ) {
    this.due = dueCondition(rule, 't');
  }

  /** Chooses and locks the next rows. Asked again without `goOn`, it chooses the same ones: a chunk that failed is repeated. */
  async choose(connection: Queryable, limit: number): Promise<string[]> {
    const { rows } = await connection.query(this.selection(limit), [[...this.passedOver], this.since ?? null]);
    this.reached = rows.at(-1)?.anchor as string | undefined;
    const names = rows.map((row) => String(row.name));
    const still = await stillDue(connection, this.rule, this.plan, names);
    if (names.length > 0 && still.length === 0) {
      for (const name of names) this.passedOver.add(name);
      return this.choose(connection, limit);
    }
    return still;
  }

  /** The chunk is done. @param passedOver who was chosen and must not hold the others up */
  goOn(passedOver: readonly string[]): void {
    for (const name of passedOver) this.passedOver.add(name);
    this.since = this.reached ?? this.since;
  }

  /** How many are due at this moment, whoever holds them. */
  async count(connection: Queryable): Promise<number> {
    const { rows } = await connection.query(`select count(*) as n from ${this.source()}`);
    return Number(rows[0]?.n);
  }

  private selection(limit: number): string {
    const { anchor } = this.due;
    const name = nameOf(this.plan, 't');
    // The first condition is written so that the planner sees a plain range of the index in either case.
    const after = this.since === undefined ? '$2::text is null' : `${anchor} >= $2::${anchorType(this.rule)}`;
    return `select ${name} as name, (${anchor})::text as anchor
from ${this.source()} and ${after} and ${name} <> all($1::text[])
order by ${anchor} limit ${limit} for update of t skip locked`;
  }

  private source(): string {
    const { join, where } = dueSource(this.rule, this.due);
    return `${this.rule.table.sqlName} t ${join} where ${where}`;
  }
}
