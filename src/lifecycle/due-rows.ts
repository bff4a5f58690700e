/**
 * The due rows of a rule, chosen a few at a time: oldest first by the anchor's index. Rows that somebody holds are left for
 * the end of the run; where one chunk ended the next goes on, so that people who were anonymised and stay are passed once.
 */
import type { Catalogue } from '../catalogue/model';
import { quoteLiteral as literal, type Queryable } from '../queryable';
import type { HeldBack } from './deferred';
import { anchorType, type DueCondition, dueCondition } from './due';
import { dueSource, stillDue } from './due-source';
import { holdsOn, isFree, rowOf, standing } from './held';
import type { Plan } from './plan';
import { nameOf } from './root';
import type { Rule } from './rule';

export class DueRows {
  private readonly due: DueCondition;
  /** Who was chosen and cannot leave: not to be chosen again in this run. */
  private readonly passedOver = new Set<string>();
  /** Who was chosen and is held by others in some table: tried again at the end of the run. */
  private readonly held = new Set<string>();
  /** SQL of whom no case held when it was looked at last; an erasure looks again when it has locked them. */
  private unheld: string | undefined;
  private since: string | undefined;
  private reached: string | undefined;

  /** @param asOf who is due at this moment (ISO 8601), and not who is due now */
  constructor(
    private readonly rule: Rule,
    private readonly plan: Plan,
    private readonly catalogue: Catalogue,
    private readonly asOf?: string,
  ) {
    this.due = dueCondition(rule, 't');
  }

  /** How many were chosen and cannot leave. */
  get refused(): number {
    return this.passedOver.size;
  }

  /** Chooses and locks the next rows. Asked again without `goOn`, it chooses the same ones: a chunk that failed is repeated. */
  async choose(connection: Queryable, limit: number): Promise<string[]> {
    const apart = [...this.passedOver, ...this.held];
    this.unheld ??= await this.heldByNone(connection);
    const { rows } = await connection.query(this.selection(limit, this.unheld), [apart, this.since ?? null]);
    this.reached = rows.at(-1)?.anchor as string | undefined;
    const names = rows.map((row) => String(row.name));
    const still = await stillDue(connection, this.rule, this.plan, names);
    if (names.length > 0 && still.length === 0) {
      for (const name of names) this.held.add(name);
      return this.choose(connection, limit);
    }
    return still;
  }

  /** The chunk is done. @param passedOver who was chosen and must not hold the others up */
  goOn(passedOver: readonly string[]): void {
    for (const name of passedOver) this.passedOver.add(name);
    if (passedOver.length > 0) this.unheld = undefined;
    this.since = this.reached ?? this.since;
  }

  /** Somebody works on these: they are left until the end of the run. */
  leave(names: readonly string[]): void {
    for (const name of names) this.held.add(name);
    this.since = this.reached ?? this.since;
  }

  /** From the start again: what somebody held may be free by now. */
  again(): void {
    this.held.clear();
    this.unheld = undefined;
    this.since = undefined;
  }

  /** How many are due at this moment and held by no case, whoever has locked them. @param atMost counts no further */
  async count(connection: Queryable, atMost: number): Promise<number> {
    const { rows } = await connection.query(
      `select count(*) as n from (select from ${await this.leaving(connection)} limit ${atMost}) d`,
    );
    return Number(rows[0]?.n);
  }

  /** SQL of all that is due: `from … where …`, the rule's table as `t`. */
  source(): string {
    const { join, where } = dueSource(this.rule, this.due);
    return this.atMoment(`${this.rule.table.sqlName} t ${join} where ${where}`);
  }

  /** The same of what no case holds. */
  async leaving(connection: Queryable): Promise<string> {
    return `${this.source()}${await this.heldByNone(connection)}`;
  }

  /** What is due and stays because a case holds it: by which, and how many. */
  async heldBack(connection: Queryable): Promise<HeldBack[]> {
    const branches = holdsOn(this.catalogue, this.plan, await standing(connection), rowOf(this.plan, 't'));
    if (branches.length === 0) return [];
    const { rows } = await connection.query(`select d.because, count(*) as n from (
  select (select x.held_by from (${branches.join(' union all ')}) x limit 1) as because from ${this.source()}) d
where d.because is not null group by d.because order by d.because`);
    return rows.map((row) => ({ because: String(row.because), count: Number(row.n) }));
  }

  /** Held people are not chosen at all; nothing is asked while nothing is held. */
  private async heldByNone(connection: Queryable): Promise<string> {
    const condition = isFree(this.catalogue, this.plan, await standing(connection), 't');
    return condition === undefined ? '' : ` and ${condition}`;
  }

  private selection(limit: number, unheld: string): string {
    const { anchor } = this.due;
    const name = nameOf(this.plan, 't');
    // The first condition is written so that the planner sees a plain range of the index in either case.
    const after = this.since === undefined ? '$2::text is null' : `${anchor} >= $2::${anchorType(this.rule)}`;
    return `select ${name} as name, (${anchor})::text as anchor
from ${this.source()}${unheld} and ${after} and ${name} <> all($1::text[])
order by ${anchor} limit ${limit} for update of t skip locked`;
  }

  private atMoment(sql: string): string {
    return this.asOf === undefined ? sql : sql.replaceAll('oubli.now()', `timestamptz ${literal(this.asOf)}`);
  }
}
