/**
 * A person, as the application speaks of her: `subject('user', 42)`. The verbs of her life here: her service ends, she takes
 * her data along, she is forgotten.
 */

import type { Readable } from 'node:stream';
import type { Knex } from 'knex';
import { pathToSubject } from './catalogue/subject-path';
import { suggest } from './catalogue/suggest';
import { ConfigurationError, SubjectUnknownError } from './errors';
import { PinnedValue } from './knex/pinned-value';
import { SubjectRow } from './knex/subject-row';
import { canonicalId } from './lifecycle/canonical-id';
import type { Redrive } from './lifecycle/deferred';
import type { Engine } from './lifecycle/engine';
import { letIn } from './lifecycle/new-lifecycle';
import { clockOf, type PersonClock } from './lifecycle/person-clock';
import { describePlan, type Plan, type PlannedStep, planErasure } from './lifecycle/plan';
import type { PlanFile } from './lifecycle/plan-file';
import type { Review } from './lifecycle/reviews';
import { rootType } from './lifecycle/root';
import { surveyPerson } from './lifecycle/survey';
import { type Queryable, quoteIdentifier } from './queryable';
import type { Receipt } from './registers/receipt';
import { erasePerson, type ProbeOptions } from './rights/erase';
import { type ExportParts, exportPerson } from './rights/export';
import { type LiftOptions, liftRestriction, type RestrictOptions, restrictPerson } from './rights/restrict';

/** What names a person in the application: the value of her table's subject column. */
export type SubjectId = string | number | bigint;

/** As a binding of `db.raw`, whose types want an index signature. */
export type Pinned = PinnedValue & Record<string, unknown>;

export interface SubjectParts {
  /** The same, with the schema as it is now: another process may have migrated since. */
  freshEngine(): Promise<Engine>;
  engine(): Engine;
  exporting(): ExportParts;
  /** Work on what is known of her, in the caller's transaction or in one of its own. */
  within<T>(trx: Knex.Transaction | undefined, work: (connection: Queryable) => Promise<T>): Promise<T>;
  /** Carries out what waited for a hold or a restriction, as far as this process can. */
  redrive(what: Redrive): Promise<void>;
  readonly db: Knex;
}

export class Subject {
  constructor(
    private readonly parts: SubjectParts,
    readonly kind: string,
    readonly id: SubjectId,
  ) {}

  /**
   * Her service ended: the clock of her retention starts, with the commit of `trx`, or not at all.
   *
   * @param options.on ISO date; the database's today unless given. Said again without a date, the first time stands
   * @throws SubjectUnknownError when she is not there, AlreadyErasedError; ConfigurationError NO_CLOCK where no rule starts so
   * @example await db.transaction(async (trx) => { await cancel(trx); await subject('user', 42).serviceEnded({ trx }); });
   */
  async serviceEnded(options: { trx?: Knex.Transaction; on?: string } = {}): Promise<void> {
    await this.say(options.trx, (clock, connection) => clock.serviceEnded(connection, options.on));
  }

  /**
   * She was active: a clock that starts with her last activity starts anew, and only ever forward.
   *
   * @param options.on ISO date, not of a day to come; the database's today unless given
   * @throws SubjectUnknownError, AlreadyErasedError; ConfigurationError NO_CLOCK where no rule starts so, ACTIVE_LATER
   * @example await subject('user', 42).active({ trx });
   */
  async active(options: { trx?: Knex.Transaction; on?: string } = {}): Promise<void> {
    await this.say(options.trx, (clock, connection) => clock.active(connection, options.on));
  }

  /**
   * Her consent to a purpose ended (GDPR Art. 7(3)): the clocks start that rules declare for it.
   *
   * @param options.on ISO date; the database's today unless given. Said again without a date, the first time stands
   * @throws SubjectUnknownError, AlreadyErasedError; ConfigurationError NO_CLOCK where no rule knows the purpose
   * @example await subject('user', 42).consentEnded({ purpose: 'newsletter', trx });
   */
  async consentEnded(options: { purpose: string; trx?: Knex.Transaction; on?: string }): Promise<void> {
    await this.say(options.trx, (clock, connection) => clock.consentEnded(connection, options.purpose, options.on));
  }

  /**
   * She consented again: those clocks stop. What left in the meantime is gone.
   *
   * @throws SubjectUnknownError, AlreadyErasedError; ConfigurationError NO_CLOCK
   */
  async consentGiven(options: { purpose: string; trx?: Knex.Transaction }): Promise<void> {
    await this.say(options.trx, (clock, connection) => clock.consentGiven(connection, options.purpose));
  }

  /**
   * She came back: the clock stops, and an end to come sends notices of its own. Waits for an erasure of hers that is under way;
   * committed before one, it wins. Her own request to be erased that waits for a hold (GDPR Art. 17) is another matter: it is
   * carried out all the same unless she takes it back, which is written to the ledger. Say that last in your transaction: until its
   * commit nobody else writes there. The journal has it when this resolves; of a transaction of yours as soon as that is committed,
   * which nobody waits for: a journal that fails then is a warning of the process, and told with the next entry, sweep or start.
   *
   * @param options.withdraws why she is not to be erased any more, for an auditor to read; nothing where no request waits
   * @throws SubjectUnknownError, AlreadyErasedError; ConfigurationError NO_RETURN where a return does not change the start;
   *   HoldError REQUEST_WAITS where a request waits and nobody says that she takes it back
   * @example await db.transaction(async (trx) => { await renew(trx); await subject('user', 42).reactivated({ trx }); });
   */
  async reactivated(options: { trx?: Knex.Transaction; withdraws?: string } = {}): Promise<void> {
    await this.say(options.trx, (clock, connection) => clock.reactivated(connection, options.withdraws));
  }

  /** What erasing her would do, table by table; nothing is touched. */
  plan(): { steps: PlannedStep[]; reviews: Review[] } {
    return describePlan(this.erasurePlan());
  }

  /** The same with the rows counted at this moment, in a READ ONLY transaction: what `apply()` takes. */
  async dryRun(): Promise<PlanFile> {
    return surveyPerson(await this.parts.freshEngine(), { kind: this.kind, id: String(this.id) });
  }

  /**
   * Forgets her: rows deleted, anonymised or kept on their legal ground, her key destroyed, the ledger written, all in one
   * commit.
   *
   * @param options.because what an auditor will read: whose request, how she was identified
   * @param options.probe how she is looked for elsewhere first, `'off'` for not at all
   * @throws AlreadyErasedError, SubjectUnknownError, SubjectLockedError, PlanBlockedError: nothing was touched
   * @example const receipt = await subject('user', 42).erase({ because: 'request of 3 March, identity checked' });
   */
  async erase(options: { because: string; probe?: ProbeOptions | 'off' }): Promise<Receipt> {
    const engine = await this.parts.freshEngine();
    return erasePerson(engine, this.erasurePlan(), String(this.id), options?.because, options?.probe);
  }

  /**
   * Lets data of her be written again who was erased: she came back, and somebody decided that it is she. One new key, for her alone; what
   * was erased stays so, and so does its key. Committed when it resolves, so there is no `trx`. A date from which her retention starts and
   * that may be NULL is NULL again where her row has stayed; any other is yours to set.
   *
   * @param options.because what an auditor will read: how it is known that she came back
   * @throws ConfigurationError NO_BECAUSE, NOT_ERASED where nothing keeps her out; SubjectLockedError, KeyUnavailableError
   * @example await subject('user', 42).allowNewLifecycle({ because: 'signed up again on 3 March, e-mail confirmed' });
   */
  async allowNewLifecycle(options: { because: string }): Promise<void> {
    await letIn(await this.parts.freshEngine(), this.erasurePlan(), String(this.id), options?.because);
  }

  /**
   * Her data in an open format (GDPR Art. 20): a ZIP of JSON and CSV with a manifest, as a stream.
   *
   * @throws SubjectUnknownError when she is not there
   * @example (await subject('user', 42).export({ profile: 'portability' })).pipe(response);
   */
  async export(options: { profile: 'portability' }): Promise<Readable> {
    if (options?.profile !== 'portability') {
      throw new ConfigurationError('NOTHING_PORTABLE', { given: String(options?.profile), suggestion: 'portability' });
    }
    const { root, rootColumn } = this.erasurePlan();
    const type = rootType({ root, rootColumn });
    const id = await canonicalId(this.parts.engine(), this.kind, String(this.id));
    const named = `select 1 from ${root.sqlName} where ${quoteIdentifier(rootColumn)} = ?::${type}`;
    const { rows } = await this.parts.db.raw(named, [id]);
    if (rows.length === 0) throw this.unknown();
    return exportPerson(this.parts.exporting(), this.kind, id);
  }

  /**
   * From the commit on her data is only stored (GDPR Art. 18): nobody reads her sealed values, nobody adds or changes rows about
   * her, in no process. Her export and her erasure stay possible; where she opposes the erasure (`unlawful`, `claims`) it waits.
   *
   * @throws AlreadyErasedError, SubjectUnknownError, SubjectLockedError; ConfigurationError BAD_GROUND, RESTRICTED_ALREADY
   * @example await subject('user', 42).restrict({ because: 'says her address is wrong', ground: 'accuracy' });
   */
  async restrict(options: RestrictOptions): Promise<void> {
    await restrictPerson(await this.parts.freshEngine(), this.kind, String(this.id), options);
  }

  /**
   * Her data is processed again, once she was told (Art. 18(3)); an erasure that waited is carried out.
   *
   * @param options.inform tells her; nothing is lifted when it fails
   * @throws ConfigurationError NOT_RESTRICTED, NOT_INFORMED
   * @example await subject('user', 42).liftRestriction({ because: 'corrected', inform: () => mail.send(notice) });
   */
  async liftRestriction(options: LiftOptions): Promise<void> {
    await this.parts.redrive(
      await liftRestriction(await this.parts.freshEngine(), this.kind, String(this.id), options),
    );
  }

  /** A value of hers for raw SQL, which cannot say itself under whose key to seal. Prints nothing. */
  value(value: unknown): Pinned {
    const { catalogue } = this.parts.engine();
    const path = pathToSubject(catalogue, this.table());
    return new PinnedValue(value, new SubjectRow(path, [this.id])) as Pinned;
  }

  private async say(
    trx: Knex.Transaction | undefined,
    what: (clock: PersonClock, connection: Queryable) => Promise<boolean>,
  ): Promise<void> {
    const engine = this.parts.engine();
    const clock = clockOf(engine, this.kind, String(this.id));
    if (!clock) throw unknownKind(this.kind, engine.catalogue.subjectKinds);
    if (!(await this.parts.within(trx, (connection) => what(clock, connection)))) throw this.unknown();
  }

  private erasurePlan(): Plan {
    return planErasure(this.parts.engine().catalogue, this.table());
  }

  private table(): Plan['root'] {
    const { catalogue } = this.parts.engine();
    const table = catalogue.subjectTable(this.kind);
    if (!table) throw unknownKind(this.kind, catalogue.subjectKinds);
    return table;
  }

  private unknown(): SubjectUnknownError {
    const { name, declaration } = this.table();
    const column = declaration?.is === 'subject' ? declaration.column : undefined;
    return new SubjectUnknownError('SUBJECT_UNKNOWN', { kind: this.kind, table: name, column });
  }
}

function unknownKind(given: string, kinds: readonly string[]): ConfigurationError {
  return new ConfigurationError('UNKNOWN_KIND', { given, suggestion: suggest(given, kinds) ?? kinds[0] });
}
