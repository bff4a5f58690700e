/**
 * A person's clock as the application tells it: her service ended, she was active, a consent ended or was given again, she came
 * back (ERASURE.md D3, D4). Each is said in the caller's transaction: it counts with the commit, or not at all.
 */
import { suggest } from '../catalogue/suggest';
import { AlreadyErasedError, ConfigurationError, HoldError } from '../errors';
import type { Queryable, Row } from '../queryable';
import { anchorName, eventOf } from './anchor';
import { requestWaits, type Withdrawal, withdrawRequest } from './deferred-requests';
import type { Engine } from './engine';
import { writeEntry } from './hold-ledger';
import {
  type Again,
  dated,
  type Event,
  eventRules,
  happened,
  lockPerson,
  noticesForgotten,
  type Statement,
  undated,
  undone,
} from './person-events';
import { type Rule, rulesOf } from './rule';
import { wasErased } from './was-erased';

const SERVICE_ENDED: Event = { event: 'service_ended', purpose: '' };
const LAST_ACTIVITY: Event = { event: 'last_activity', purpose: '' };

export class PersonClock {
  private readonly rules: readonly Rule[];

  /** @param own the rule of her table @param id what names her there, as text */
  constructor(
    private readonly engine: Engine,
    private readonly own: Rule,
    private readonly id: string,
  ) {
    this.rules = eventRules(engine.catalogue, own.kind as string);
  }

  /** @returns whether she is there @throws ConfigurationError NO_CLOCK; AlreadyErasedError */
  async serviceEnded(connection: Queryable, on?: string): Promise<boolean> {
    const isDated = typeof this.own.retention.from === 'string';
    if (!isDated && !this.startsWith(SERVICE_ENDED)) throw this.noClock('serviceEnded', 'the end of service');
    if ((await this.nameOf(connection, 'key share')) === undefined) return false;
    if (isDated) await said(connection, dated(this.own, this.id, on));
    return !this.startsWith(SERVICE_ENDED) || this.happened(connection, SERVICE_ENDED, on, 'first stands');
  }

  /** @throws ConfigurationError NO_CLOCK, ACTIVE_LATER; AlreadyErasedError */
  async active(connection: Queryable, on?: string): Promise<boolean> {
    if (!this.startsWith(LAST_ACTIVITY)) throw this.noClock('active', 'last activity');
    if ((await this.nameOf(connection, 'key share')) === undefined) return false;
    const [her] = await said(connection, happened(this.own, this.id, LAST_ACTIVITY, on, 'latest stands'));
    if (her?.past === false) throw new ConfigurationError('ACTIVE_LATER', { kind: this.own.kind });
    return her !== undefined;
  }

  /** @throws ConfigurationError NO_CLOCK naming the purposes that rules know; AlreadyErasedError */
  async consentEnded(connection: Queryable, purpose: string, on?: string): Promise<boolean> {
    const event = this.consentTo('consentEnded', purpose);
    return (
      (await this.nameOf(connection, 'key share')) !== undefined && this.happened(connection, event, on, 'first stands')
    );
  }

  /** @throws ConfigurationError NO_CLOCK; AlreadyErasedError */
  async consentGiven(connection: Queryable, purpose: string): Promise<boolean> {
    const event = this.consentTo('consentGiven', purpose);
    const name = await this.nameOf(connection, 'no key update');
    if (name === undefined) return false;
    await said(connection, undone(this.own, name, event));
    await said(connection, noticesForgotten(this.own, name));
    return true;
  }

  /**
   * @param withdraws why a request of hers to be erased that waits is not carried out any more
   * @throws ConfigurationError NO_RETURN; AlreadyErasedError; HoldError REQUEST_WAITS where she has one, and nobody says so
   */
  async reactivated(connection: Queryable, withdraws?: string): Promise<boolean> {
    const { from } = this.own.retention;
    const isDated = typeof from === 'string';
    const isActivity = !isDated && 'event' in from && from.event === 'last_activity';
    if (!isDated && !isActivity && !this.startsWith(SERVICE_ENDED)) throw this.noReturn();
    const name = await this.nameOf(connection, 'no key update');
    if (name === undefined) return false;
    const withdrawal = await this.withdrawn(connection, name, withdraws);
    if (isDated) await said(connection, undated(this.own, this.id));
    if (this.startsWith(SERVICE_ENDED)) await said(connection, undone(this.own, name, SERVICE_ENDED));
    // to come back is to be active: that clock starts anew, for it never stands still
    if (this.startsWith(LAST_ACTIVITY))
      await said(connection, happened(this.own, this.id, LAST_ACTIVITY, undefined, 'latest stands'));
    await said(connection, noticesForgotten(this.own, name));
    // the chain's end is locked last, here as by everybody else
    if (withdrawal) await writeEntry(this.engine, connection, withdrawal);
    return true;
  }

  private async happened(connection: Queryable, event: Event, on: string | undefined, again: Again): Promise<boolean> {
    return (await said(connection, happened(this.own, this.id, event, on, again))).length > 0;
  }

  /** A return does not unsay what she asked for herself (GDPR Art. 17): somebody has to say that she took it back. */
  private async withdrawn(
    connection: Queryable,
    name: string,
    because: string | undefined,
  ): Promise<Withdrawal | undefined> {
    const kind = this.own.kind as string;
    if (because !== undefined) return withdrawRequest(connection, kind, name, because);
    if (await requestWaits(connection, kind, name)) throw new HoldError('REQUEST_WAITS', { kind });
    return undefined;
  }

  /**
   * Waits for an erasure under way.
   * @returns her name as the database writes it; undefined where she is not
   * @throws AlreadyErasedError: what was committed is final
   */
  private async nameOf(connection: Queryable, strength: 'key share' | 'no key update'): Promise<string | undefined> {
    const [here] = await said(connection, lockPerson(this.own, this.id, strength));
    const name = here && String(here.name);
    const kind = this.own.kind as string;
    if (await wasErased(this.engine.keys, connection, kind, name ?? this.id))
      throw new AlreadyErasedError('ALREADY_ERASED', { kind, table: this.own.table.name });
    return name;
  }

  private startsWith({ event, purpose }: Event): boolean {
    return this.rules.some(({ retention }) => {
      const own = eventOf(retention.from);
      return own.event === event && own.purpose === purpose;
    });
  }

  private consentTo(call: string, purpose: string): Event {
    const event = { event: 'consent_ended', purpose };
    if (this.startsWith(event)) return event;
    const known = this.rules
      .map(({ retention }) => eventOf(retention.from))
      .filter((each) => each.event === event.event);
    const purposes = known.map((each) => each.purpose);
    const suggestion = suggest(String(purpose), purposes) ?? purposes[0];
    const fix = suggestion
      ? `await subject('${this.own.kind}', id).${call}({ purpose: '${suggestion}' })`
      : `retention: { from: { event: 'consent_ended', purpose: '…' }, keep: '30 days', then: 'delete' }  // in a migration`;
    throw new ConfigurationError('NO_CLOCK', {
      call,
      kind: this.own.kind,
      anchor: `the end of a consent to '${purpose}'`,
      suggestion,
      fix,
    });
  }

  private noClock(call: string, anchor: string): ConfigurationError {
    const event = call === 'active' ? 'last_activity' : 'service_ended';
    const fix = `retention: { from: { event: '${event}' }, … }  // in a migration; this one starts from ${anchorName(this.own)}`;
    return new ConfigurationError('NO_CLOCK', { call, kind: this.own.kind, anchor, fix });
  }

  private noReturn(): ConfigurationError {
    const { from } = this.own.retention;
    const anchor = anchorName(this.own);
    const isConsent = typeof from === 'object' && 'event' in from && from.event === 'consent_ended';
    const fix = isConsent
      ? `await subject('${this.own.kind}', id).consentGiven({ purpose: '${eventOf(from).purpose}' })`
      : `await db('${this.own.table.name}').where({ … }).update({ … })  // ${anchor}: the dates themselves say it`;
    return new ConfigurationError('NO_RETURN', { kind: this.own.kind, anchor, fix });
  }
}

async function said(connection: Queryable, { sql, parameters }: Statement): Promise<Row[]> {
  return (await connection.query(sql, parameters)).rows;
}

/** The clock of a person of this kind; undefined where no table is declared for it. */
export function clockOf(engine: Engine, kind: string, id: string): PersonClock | undefined {
  const own = rulesOf(engine.catalogue).find((rule) => rule.kind === kind);
  return own && new PersonClock(engine, own, id);
}
