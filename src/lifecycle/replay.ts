/**
 * After a restore, everybody whom the journal names as erased is erased again (ERASURE.md S1): by her key id, never by her primary key,
 * which may be a newcomer's by now; by a keyed reference where nothing of hers had been sealed yet. Keys that had been destroyed are
 * destroyed, and it is verified that none of them lives. Nobody else leaves: what is due by rule waits for the next sweep, and its holds
 * and its breaker. It may be killed anywhere and run again, and run twice at once.
 */
import { RestoreReplayRequiredError, SubjectLockedError } from '../errors';
import { type Queryable, quoteIdentifier as q } from '../queryable';
import { forkLine, type Journal } from '../registers/journal';
import { isGivenUp, oursIn } from '../registers/restore-watch';
import { applyPlan, type Choose } from './apply';
import { isLocked, retried } from './database';
import type { Engine } from './engine';
import { adoptEpochs } from './epochs/open';
import { ERASED_EARLIER } from './erasure-statement';
import { batches, type Divergence, divergence, endFork, nameFork } from './fork';
import { foundByReference } from './found-by-reference';
import { type Plan, planErasure } from './plan';
import { Portions } from './portions';
import { markCompromisedAgain } from './replayed-epochs';
import { KeysOfJournal, type Named } from './replayed-keys';
import { RequestsOfJournal } from './replayed-requests';
import { nameOf, rootType } from './root';

export interface ReplayOptions {
  /** The human reason for which holds and restrictions that only the journal knows are given up, and not placed again. */
  readonly withoutHolds?: string | undefined;
}

export interface ReplayReport {
  /** Entries of the ledger that are in the journal only, by act; empty where the database was never behind it. */
  readonly lost: Readonly<Record<string, number>>;
  /** People who were erased again. */
  readonly erased: number;
  /** Keys that were destroyed again, of which no row was left to erase, or none but kept ones. */
  readonly shredded: number;
  /** Requests that were open, and are so again. */
  readonly requested: number;
  /** Requests that were open in the backup and had been taken back since, and are so again. */
  readonly withdrawn: number;
  /** Hex: keys of the journal's erasures that this database never knew, for they were made after the backup. */
  readonly unknown: readonly string[];
  /** Epochs whose keys somebody else may have, and whose values are not sealed anew: `npx oubli keys compromised` is to be run for each. */
  readonly compromised: readonly number[];
}

const PEOPLE_AT_ONCE = 500;
const BECAUSE = 'erased before the database was restored, as the journal says';
/** Whoever makes many of them wait is waited for when she is alone. */
const OF_MANY = { patience: '30s', time: '5min' };
const OF_ONE = { patience: '5min', time: '15min' };

/**
 * @throws RestoreReplayRequiredError REPLAY_HOLDS_LOST, REPLAY_INCOMPLETE; PlanBlockedError where the restored schema does not let
 *   somebody be erased; SubjectLockedError where somebody else holds a row of hers for more than five minutes
 * @throws JournalError; TamperedError JOURNAL_FOREIGN
 */
export async function replayJournal(
  engine: Engine,
  journal: Journal,
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  return new Replay(engine, journal, options).run();
}

class Replay {
  private erased = 0;
  private readonly keys: KeysOfJournal;
  private readonly requests: RequestsOfJournal;
  private readonly portions = new Portions(PEOPLE_AT_ONCE);
  /** Whom the database never knew by key, by reference in hex: whether she was erased, or only asked for it. */
  private readonly sought = new Map<string, 'erased' | 'requested'>();
  private settled: Divergence['settled'] = [];

  constructor(
    private readonly engine: Engine,
    private readonly journal: Journal,
    private readonly options: ReplayOptions,
  ) {
    this.keys = new KeysOfJournal(engine, BECAUSE);
    this.requests = new RequestsOfJournal(engine, this.keys);
  }

  async run(): Promise<ReplayReport> {
    const { database, ledger, ledgerKeys, catalogue } = this.engine;
    const found = await database.alone((connection) =>
      divergence(connection, this.journal, ledgerKeys, catalogue.instance),
    );
    this.settled = found.settled;
    const isBehind = found.lost.length > 0 || found.begun;
    if (found.lost.length > 0) await database.transaction((connection) => nameFork(connection, ledger, found));
    if (isBehind && !this.options.withoutHolds?.trim()) await found.holds.refuse(this.engine, this.journal.name);
    if (isBehind) await adoptEpochs(this.engine, BECAUSE);
    const compromised = await markCompromisedAgain(this.engine, oursIn(this.journal, ledgerKeys, catalogue.instance));
    for await (const named of this.named('erased', ERASED_EARLIER)) await this.eraseAgain(named);
    await this.settleRequests();
    await this.findSought();
    for await (const named of this.named('erased', ERASED_EARLIER, 'shredded')) await this.keys.shredAgain(named);
    await this.verify();
    if (isBehind) await this.end(found);
    const { erased, keys } = this;
    const { requested, withdrawn } = this.requests;
    const unknown = [...keys.unknown];
    return { lost: found.acts, erased, shredded: keys.shredded, requested, withdrawn, unknown, compromised };
  }

  /** Whom the journal speaks of, some at a time; each may come more than once. */
  private async *named(...acts: string[]): AsyncGenerator<Named[]> {
    const { ledgerKeys, catalogue } = this.engine;
    for await (const lines of batches(oursIn(this.journal, ledgerKeys, catalogue.instance), PEOPLE_AT_ONCE)) {
      const named = new Map<string, Named>();
      for (const line of lines) {
        if (line.is !== 'entry' || line.entry.key === null || !acts.includes(line.entry.act)) continue;
        const { key, subject } = line.entry;
        const before = named.get(key);
        const isSought = before?.isSought || !isGivenUp(line.entry, this.settled);
        named.set(key, { keyId: Buffer.from(key, 'hex'), subject: subject ?? before?.subject, isSought });
      }
      if (named.size > 0) yield [...named.values()];
    }
  }

  private async eraseAgain(named: readonly Named[]): Promise<void> {
    const { living, unknown } = await this.keys.statesOf(named);
    for (const subject of soughtAmong(named, unknown)) this.sought.set(subject, 'erased');
    const people = living.filter(({ kind }) => kind !== undefined);
    for (const kind of new Set(people.map((person) => String(person.kind)))) {
      const subjects = this.engine.catalogue.subjectTable(kind);
      if (!subjects) continue; // no table is theirs any more: their keys are destroyed below
      const plan = planErasure(this.engine.catalogue, subjects);
      const theirs = people.filter((person) => person.kind === kind);
      const keyIds = theirs.map(({ keyId }) => keyId);
      const held = await this.erase(plan, keyIds, (some) => chooseByKey(plan, kind, some));
      for (const { keyId, id } of theirs) {
        const by = held.get(String(id));
        if (by !== undefined) this.keys.leave(keyId, by);
      }
    }
  }

  /** @returns those who are held, by their names: a hold wins, and the replay is not done then */
  private async erase<T>(
    plan: Plan,
    people: readonly T[],
    choose: (some: readonly T[]) => Choose,
  ): Promise<ReadonlyMap<string, string>> {
    const all = new Map<string, string>();
    await this.portions.through(people, async (some) => {
      const errand = { act: 'erased', because: BECAUSE, ...(some.length === 1 ? OF_ONE : OF_MANY) };
      const { entries, held } = await retried(() => applyPlan(this.engine, plan, choose(some), errand)).catch(
        (error: unknown) => {
          const isHers = some.length === 1 && isLocked(error);
          throw isHers ? new SubjectLockedError('SUBJECT_LOCKED', { kind: plan.kind }) : error;
        },
      );
      this.erased += entries.length;
      for (const [name, by] of held) all.set(name, by);
    });
    for (const by of all.values()) this.keys.heldBy.add(by);
    return all;
  }

  /** Of whom nothing had been sealed when the backup was made. */
  private async findSought(): Promise<void> {
    for await (const { kind, plan, references } of foundByReference(this.engine, new Set(this.sought.keys()))) {
      const those = (was: string): string[] =>
        [...references].flatMap(([reference, name]) => (this.sought.get(reference) === was ? [name] : []));
      const [erased, asked] = [those('erased'), those('requested')];
      if (erased.length > 0) await this.erase(plan, erased, (some) => chooseByName(plan, some));
      if (asked.length === 0) continue;
      const keyOf = await this.engine.keys.forSubjects(kind, asked);
      await this.requests.openFor([...keyOf.values()].map(({ keyId }) => keyId));
    }
  }

  private async settleRequests(): Promise<void> {
    const { ledgerKeys, catalogue } = this.engine;
    await this.requests.read(oursIn(this.journal, ledgerKeys, catalogue.instance));
    for (const subject of await this.requests.openAgain(this.settled))
      if (!this.sought.has(subject)) this.sought.set(subject, 'requested');
    await this.requests.withdrawAgain();
  }

  /** Nobody whom the journal names lives; and who was known here is fenced. */
  private async verify(): Promise<void> {
    let count = 0;
    for await (const named of this.named('erased', ERASED_EARLIER, 'shredded'))
      count += (await this.keys.statesOf(named)).living.length;
    const erased = [...this.sought].flatMap(([reference, was]) => (was === 'erased' ? [reference] : []));
    for await (const { references } of foundByReference(this.engine, new Set(erased))) count += references.size;
    const heldBy = [...this.keys.heldBy];
    if (count > 0)
      throw new RestoreReplayRequiredError('REPLAY_INCOMPLETE', {
        journal: this.journal.name,
        count,
        heldBy: heldBy[0],
      });
  }

  /** From here on the database is served again: when the journal knows of the fork, and then the database that it does. */
  private async end({ branch, after, lost }: Divergence): Promise<void> {
    const { database, ledger, ledgerKeys, catalogue } = this.engine;
    const { erased, keys } = this;
    const { requested, withdrawn } = this.requests;
    const { withoutHolds } = this.options;
    const details = {
      branch,
      after,
      erased,
      shredded: keys.shredded,
      requested,
      withdrawn,
      unknown: keys.unknown.size,
    };
    const because = 'everybody whom the journal names as erased is erased again';
    const at = await database.transaction(async (connection) => {
      const told = withoutHolds ? { ...details, withoutHolds } : details;
      await ledger.record(connection, [{ act: 'replayed', because, details: told }]);
      const [clock] = (await connection.query('select (extract(epoch from oubli.now()) * 1000000)::bigint as now'))
        .rows;
      return String(clock?.now);
    });
    const instance = Buffer.from(catalogue.instance).toString('hex');
    if (lost.length > 0) await this.journal.append([forkLine(ledgerKeys, { instance, branch, after, lost, at })]);
    await database.transaction(endFork);
  }
}

/** By reference: those of an unknown key who are not in what a replay of this database has settled. */
function soughtAmong(named: readonly Named[], unknown: readonly Named[]): string[] {
  const sought = new Set(named.flatMap(({ subject, isSought }) => (subject && isSought ? [subject] : [])));
  return unknown.flatMap(({ subject }) => (subject && sought.has(subject) ? [subject] : []));
}

/** The rows of those who have these keys now, whatever their primary keys are. */
function chooseByKey(plan: Plan, kind: string, keyIds: readonly Uint8Array[]): Choose {
  const type = rootType(plan);
  const sql = `select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t
where t.${q(plan.rootColumn)} = any(array(
  select l.subject_id::${type} from oubli.subject_link l where l.kind = $1 and l.key_id = any($2::bytea[]))) for update`;
  return async (connection: Queryable) =>
    (await connection.query(sql, [kind, keyIds])).rows.map((row) => String(row.name));
}

function chooseByName(plan: Plan, names: readonly string[]): Choose {
  const sql = `select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t
where t.${q(plan.rootColumn)} = any($1::text[]::${rootType(plan)}[]) for update`;
  return async (connection: Queryable) => (await connection.query(sql, [names])).rows.map((row) => String(row.name));
}
