/** The statements of the notices of one rule: who waits for one, and the three steps of sending it. */
import type { Notices } from '../catalogue/anchor-spec';
import { type Period, toInterval } from '../period';
import { quoteLiteral as literal } from '../queryable';
import { anchorOf } from './anchor';
import { dueCondition } from './due';
import { isStillThere } from './due-source';
import { dueOn, idOf, inOrder } from './notice-condition';
import { rootType } from './root';
import type { Rule } from './rule';

/** A process that died while it sent is not waited for longer; one that takes longer to send one notice sends it twice. */
const LEASE = "interval '15 minutes'";

export class NoticeStatements {
  private readonly before: readonly Period[];

  /** @param free SQL condition: no case holds her; whoever is held does not leave, and is not told that she does */
  constructor(
    private readonly rule: Rule,
    private readonly free: string = 'true',
  ) {
    this.before = inOrder(rule.retention.notices as Notices);
  }

  /** $1 the anchor to go on from, $2 ids to leave out. A range of the anchor's index, oldest first. */
  waiting(limit: number): string {
    const { value, type } = anchorOf(this.rule, 't');
    return `select ${idOf(this.rule)} as id, (${value})::text as anchor from ${this.near()}
and ($1::text is null or ${value} >= $1::${type}) and ${idOf(this.rule)} <> all($2::text[])
and not exists (select from oubli.notice n where ${this.isMine('n')} and n.notice = ${this.stage()}
  and (n.sent_at is not null or n.claimed_at > oubli.now() - ${LEASE}))
order by ${value} limit ${limit}`;
  }

  /** $1 id. Answers with what to tell her, when it is this process that shall. */
  claim(): string {
    const { declaration } = this.rule.table;
    const column = declaration?.is === 'subject' ? declaration.column : '';
    const named = `${idOf(this.rule).replace(/::text$/, '')} = $1::${rootType({ root: this.rule.table, rootColumn: column })}`;
    const zone = literal(this.rule.retention.timeZone);
    return `with her as (
  select ${this.stage()} as notice, ${dueOn(this.rule)} as due_on, ${this.dueLocal()} as due, ${this.purgeLocal()} as purge
  from ${this.near()} and ${named}),
claimed as (
  insert into oubli.notice as n (rule, subject_id, due_on, notice, claimed_at, attempts)
  select ${literal(this.rule.name)}, $1::text, due_on, notice, oubli.now(), 1 from her
  on conflict (rule, subject_id, due_on, notice) do update set claimed_at = excluded.claimed_at, attempts = n.attempts + 1
    where n.sent_at is null and (n.claimed_at is null or n.claimed_at <= oubli.now() - ${LEASE})
  returning notice)
select her.notice, her.due_on::text as "dueOn", purge::date::text as "purgeOn",
  extract(epoch from due at time zone ${zone}) * 1000 as due, extract(epoch from purge at time zone ${zone}) * 1000 as purge
from her, claimed`;
  }

  /** $1 id, $2 due date, $3 notice. Sent, by the clock of the moment after. */
  record(): string {
    return `update oubli.notice n set sent_at = oubli.now(), claimed_at = null where ${this.isMarked()} and n.sent_at is null`;
  }

  /** $1 id, $2 due date, $3 notice. Not sent: the next sweep may. */
  release(): string {
    return `update oubli.notice n set claimed_at = null where ${this.isMarked()} and n.sent_at is null`;
  }

  private isMarked(): string {
    return `n.rule = ${literal(this.rule.name)} and n.subject_id = $1 and n.due_on = $2::date and n.notice = $3`;
  }

  /** Everybody who is due already, or will be within the longest of the notices. */
  private near(): string {
    const { join, prefilter, exact } = dueCondition(this.rule, 't', { lead: this.before[0] as Period });
    return `${this.rule.table.sqlName} t ${join} where ${prefilter} and ${exact} and ${isStillThere(this.rule)} and ${this.free}`;
  }

  private isMine(alias: string): string {
    const { name } = this.rule;
    return `${alias}.rule = ${literal(name)} and ${alias}.subject_id = ${idOf(this.rule)} and ${alias}.due_on = ${dueOn(this.rule)}`;
  }

  /** The last notice whose time has come: whoever was not told for 60 days is told once, and not three times. */
  private stage(): string {
    const come = [...this.before.slice(1)].reverse().map((each) => {
      return `when ${dueCondition(this.rule, 't', { lead: each }).exact} then ${literal(each)}`;
    });
    const first = literal(this.before[0] as Period);
    return come.length === 0 ? first : `case ${come.join(' ')} else ${first} end`;
  }

  private dueLocal(): string {
    return `(${anchorOf(this.rule, 't').start} + interval '${toInterval(this.rule.retention.keep)}')`;
  }

  /** As far as it can be told now: a later notice that is late makes it later. */
  private purgeLocal(): string {
    const { notices, timeZone } = this.rule.retention;
    const last = `interval '${toInterval(this.before.at(-1) as Period)}'`;
    const now = `oubli.now() at time zone ${literal(timeZone)}`;
    const grace = `interval '${toInterval((notices as Notices).minimum)}'`;
    return `greatest(${this.dueLocal()}, greatest(${this.dueLocal()} - ${last}, ${now}) + ${grace})`;
  }
}
