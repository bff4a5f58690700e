/**
 * Notice, then grace, then purge (ERASURE.md D4). Before each sweep of a rule that asks for notices, whoever comes near her end is
 * told, by the team's own callback. At least once: a notice is claimed before the callback is called and recorded when it has
 * returned, and only a crash between the two sends it again.
 */

import { ConfigurationError, NoticeFailedError } from '../errors';
import type { Period } from '../period';
import type { Queryable, Row } from '../queryable';
import type { Engine } from './engine';
import { isFree, standing } from './held';
import { NoticeStatements } from './notice-statements';
import type { Plan } from './plan';
import type { Rule } from './rule';
import { planOf } from './rule-plan';

/** What a person is told. */
export interface Notice {
  /** The kind of person, and what the application calls her. */
  readonly kind: string;
  readonly id: string;
  readonly rule: string;
  /** Which notice, as the rule has it: `'7 days'` before the due date. Of those that were missed only the last is sent. */
  readonly notice: Period;
  /** The day on which she is due, in the rule's time zone: `'2027-02-28'`; and the moment. */
  readonly dueOn: string;
  readonly due: Date;
  /** Not before this day she leaves: the due date, or the minimum after the last notice, if that is later; and the moment. */
  readonly purgeOn: string;
  readonly purge: Date;
}

/** Sends one notice. What it throws holds the purge of this person back; the next sweep calls it again. */
export type OnNotice = (notice: Notice) => Promise<void> | void;

export interface NoticesSent {
  readonly sent: number;
  readonly failure: NoticeFailedError | undefined;
}

const PAGE = 500;
/** A mail server that is down fails for everybody: ten people in a row are enough to know. */
const IN_A_ROW = 10;

/** @throws ConfigurationError NO_ON_NOTICE when the rule asks for notices and nobody sends them */
export async function sendNotices(
  engine: Engine,
  rule: Rule,
  onNotice: OnNotice | undefined,
  signal: AbortSignal,
): Promise<NoticesSent> {
  if (!rule.retention.notices) return { sent: 0, failure: undefined };
  if (!onNotice) throw noOnNotice(rule, 'sweep');
  const run = new NoticeRun(engine, rule, onNotice, signal);
  while (await run.page());
  return run.result();
}

/** How many wait for a notice, for the breaker: a script that sets all dates would have everybody told. @param atMost counts no further */
export async function countWaiting(engine: Engine, rule: Rule, connection: Queryable, atMost: number): Promise<number> {
  if (!rule.retention.notices) return 0;
  const free = isFree(engine.catalogue, planOf(engine, rule), await standing(connection), 't');
  const waiting = new NoticeStatements(rule, free).waiting(atMost);
  const { rows } = await connection.query(`select count(*) as n from (${waiting}) w`, [null, []]);
  return Number(rows[0]?.n);
}

/** Jobs that could not send what their rules ask for do not start. @throws ConfigurationError NO_ON_NOTICE */
export function refuseWithoutNotices(rules: readonly Rule[], onNotice: OnNotice | undefined): void {
  const silent = rules.find(({ retention }) => retention.notices !== undefined);
  if (silent && !onNotice) throw noOnNotice(silent, 'startJobs');
}

function noOnNotice({ name }: Rule, call: string): ConfigurationError {
  return new ConfigurationError('NO_ON_NOTICE', { rule: name, call });
}

class NoticeRun {
  private readonly plan: Plan;
  /** Whom this run has no more to say to: it failed, or another process is about to. */
  private readonly apart = new Set<string>();
  private since: string | undefined;
  private sent = 0;
  private failed = 0;
  private inARow = 0;
  private failure = '';

  constructor(
    private readonly engine: Engine,
    private readonly rule: Rule,
    private readonly onNotice: OnNotice,
    private readonly signal: AbortSignal,
  ) {
    this.plan = planOf(engine, rule);
  }

  /** @returns whether there may be more */
  async page(): Promise<boolean> {
    const rows = await this.run((notices) => notices.waiting(PAGE), [this.since ?? null, [...this.apart]]);
    for (const { id } of rows) {
      if (this.isOver) return false;
      await this.tell(String(id));
    }
    this.since = rows.at(-1)?.anchor as string | undefined;
    return rows.length > 0;
  }

  result(): NoticesSent {
    const { sent, failed: count, failure } = this;
    const names = { rule: this.rule.name, count, failure };
    return { sent, failure: count === 0 ? undefined : new NoticeFailedError('NOTICE_FAILED', names) };
  }

  private get isOver(): boolean {
    return this.signal.aborted || this.inARow === IN_A_ROW;
  }

  private async tell(id: string): Promise<void> {
    this.apart.add(id);
    const [claimed] = await this.run((notices) => notices.claim(), [id]);
    if (!claimed) return;
    const mark = [id, claimed.dueOn, claimed.notice];
    try {
      await this.onNotice({
        kind: this.rule.kind as string,
        id,
        rule: this.rule.name,
        notice: claimed.notice as Period,
        dueOn: String(claimed.dueOn),
        due: new Date(Number(claimed.due)),
        purgeOn: String(claimed.purgeOn),
        purge: new Date(Number(claimed.purge)),
      });
    } catch (error) {
      await this.run((notices) => notices.release(), mark);
      this.failed += 1;
      this.inARow += 1;
      this.failure ||= nameOf(error);
      return;
    }
    await this.run((notices) => notices.record(), mark);
    this.sent += 1;
    this.inARow = 0;
  }

  private run(statement: (notices: NoticeStatements) => string, parameters: unknown[]): Promise<Row[]> {
    return this.engine.database.transaction(async (connection) => {
      await connection.query("select set_config('datestyle', 'ISO', true)");
      const free = isFree(this.engine.catalogue, this.plan, await standing(connection), 't');
      return (await connection.query(statement(new NoticeStatements(this.rule, free)), parameters)).rows;
    });
  }
}

/** What a callback threw, without its message, which may hold an address. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = String((error as { code?: unknown }).code ?? '');
  return /^\w{1,40}$/.test(code) ? `${error.name} ${code}` : error.name;
}
