/**
 * After a restore, everybody whom the journal names as erased is erased again (ERASURE.md S1): by her key id, never by her primary key,
 * which may be a newcomer's by now. Then what left by rule leaves, keys that had been destroyed are destroyed, and it is verified that
 * none of them lives. It may be killed anywhere and run again, and run twice at once.
 */
import { RestoreReplayRequiredError } from '../errors';
import { type Queryable, quoteIdentifier as q, type Row } from '../queryable';
import { forkLine, type Journal } from '../registers/journal';
import { oursIn } from '../registers/restore-watch';
import { applyPlan, type Choose } from './apply';
import { retried } from './database';
import type { Engine } from './engine';
import { batches, type Divergence, divergence, nameFork } from './fork';
import { type Plan, planErasure } from './plan';
import { nameOf, rootType } from './root';
import { sweepAll } from './sweep';
import type { SweepOptions } from './sweep-report';

export interface ReplayReport {
  /** Entries of the ledger that are in the journal only, by act; empty where the database was never behind it. */
  readonly lost: Readonly<Record<string, number>>;
  /** People who were erased again. */
  readonly erased: number;
  /** Keys that were destroyed again, of which no row was left to erase, or none but kept ones. */
  readonly shredded: number;
  /** Requests that were open, and are so again. */
  readonly requested: number;
  /** Hex: keys of the journal's erasures that this database never knew, for they were made after the backup. */
  readonly unknown: readonly string[];
}

const PEOPLE_AT_ONCE = 500;
const PATIENCE = '5min';
const BECAUSE = 'erased before the database was restored, as the journal says';
const STATES = `
select w.key_id, k.key_id is not null as lives, f.key_id is not null as fenced, l.kind, l.subject_id,
  l.kind is not null and oubli.is_held(l.kind, l.subject_id)
    or r.kind is not null and oubli.is_held(r.kind, r.subject_id) as held
from unnest($1::bytea[]) w(key_id)
left join oubli.subject_key k on k.key_id = w.key_id
left join oubli.fence f on f.key_id = w.key_id
left join oubli.subject_link l on l.key_id = w.key_id
left join oubli.subject_link r on r.retained_key_id = w.key_id`;
const SHRED = `
with gone as (select * from unnest($1::bytea[], $2::bytea[]) w(key_id, reference)),
destroyed as (delete from oubli.subject_key k using gone where k.key_id = gone.key_id returning k.key_id, k.fingerprint)
insert into oubli.fence (key_id, fingerprint, subject_reference, erased_at)
select d.key_id, d.fingerprint, gone.reference, oubli.now() from destroyed d join gone using (key_id) returning key_id`;

/** @throws JournalError, TamperedError JOURNAL_FOREIGN; PlanBlockedError where the restored schema does not let somebody be erased */
export async function replayJournal(
  engine: Engine,
  journal: Journal,
  sweeps: SweepOptions = {},
): Promise<ReplayReport> {
  return new Replay(engine, journal, sweeps).run();
}

class Replay {
  private erased = 0;
  private shredded = 0;
  private requested = 0;
  private readonly unknown = new Set<string>();
  /** Keys of people of whom something is held: a hold wins, and the replay is not done then. */
  private readonly held = new Set<string>();

  constructor(
    private readonly engine: Engine,
    private readonly journal: Journal,
    private readonly sweeps: SweepOptions,
  ) {}

  async run(): Promise<ReplayReport> {
    const { database, ledger, ledgerKeys, catalogue } = this.engine;
    const found = await database.snapshot((snapshot) =>
      divergence(snapshot, this.journal, ledgerKeys, catalogue.instance),
    );
    if (found.lost.length > 0) await database.transaction((connection) => nameFork(connection, ledger, found));
    for await (const keyIds of this.keyIds('erased')) await this.eraseAgain(keyIds);
    if (found.lost.length > 0) await sweepAll(this.engine, this.sweeps);
    for await (const keyIds of this.keyIds('erased', 'shredded')) await this.shredAgain(keyIds);
    for await (const keyIds of this.keyIds('requested')) await this.openAgain(keyIds);
    await this.verify();
    if (found.lost.length > 0) await this.end(found);
    const { erased, shredded, requested } = this;
    return { lost: found.acts, erased, shredded, requested, unknown: [...this.unknown] };
  }

  /** Whom the journal speaks of, some at a time; each may come more than once. */
  private async *keyIds(...acts: string[]): AsyncGenerator<Buffer[]> {
    const { ledgerKeys, catalogue } = this.engine;
    for await (const lines of batches(oursIn(this.journal, ledgerKeys, catalogue.instance), PEOPLE_AT_ONCE)) {
      const keys = lines.flatMap((line) =>
        line.is === 'entry' && line.entry.key !== null && acts.includes(line.entry.act) ? [line.entry.key] : [],
      );
      if (keys.length > 0) yield [...new Set(keys)].map((key) => Buffer.from(key, 'hex'));
    }
  }

  private async eraseAgain(keyIds: readonly Buffer[]): Promise<void> {
    const people = (await this.statesOf(keyIds)).filter(({ lives, kind }) => lives && kind !== null);
    for (const kind of new Set(people.map((row) => String(row.kind)))) {
      const subjects = this.engine.catalogue.subjectTable(kind);
      if (!subjects) continue; // no table is theirs any more: their keys are destroyed below
      const plan = planErasure(this.engine.catalogue, subjects);
      const theirs = people.filter((row) => row.kind === kind).map((row) => row.key_id as Buffer);
      const errand = { act: 'erased', because: BECAUSE, patience: PATIENCE, time: PATIENCE };
      const choose = chooseByKey(plan, kind, theirs);
      const { entries, held } = await retried(() => applyPlan(this.engine, plan, choose, errand));
      this.erased += entries.length;
      for (const row of people)
        if (row.kind === kind && held.has(String(row.subject_id)))
          this.held.add((row.key_id as Buffer).toString('hex'));
    }
  }

  /** What is left of them is the key, whatever became of the rows. */
  private async shredAgain(keyIds: readonly Buffer[]): Promise<void> {
    const { database, keys, ledger } = this.engine;
    const states = await this.statesOf(keyIds);
    for (const { key_id, lives, fenced } of states)
      if (!lives && !fenced) this.unknown.add((key_id as Buffer).toString('hex'));
    const living = states.filter(({ key_id, lives, held }) => lives && !held && !this.isHeld(key_id as Buffer));
    if (living.length === 0) return;
    const references = living.map(({ kind, subject_id }) =>
      kind === null ? null : keys.referenceOf(String(kind), String(subject_id)),
    );
    await database.transaction(async (connection) => {
      const { rows } = await connection.query(SHRED, [living.map(({ key_id }) => key_id), references]);
      const entries = rows.map(({ key_id }) => ({ act: 'shredded', keyId: key_id as Buffer, because: BECAUSE }));
      if (entries.length > 0) await ledger.record(connection, entries);
      this.shredded += rows.length;
    });
  }

  /** A request whose person lives, and of which this database knows nothing. */
  private async openAgain(keyIds: readonly Buffer[]): Promise<void> {
    const { database, ledger } = this.engine;
    const living = (await this.statesOf(keyIds)).filter(({ lives }) => lives).map(({ key_id }) => key_id);
    const unknown = `select w.key_id from unnest($1::bytea[]) w(key_id)
      where not exists (select from oubli.ledger l where l.key_id = w.key_id and l.act = 'requested')`;
    if (living.length === 0) return;
    await database.transaction(async (connection) => {
      const { rows } = await connection.query(unknown, [living]);
      const because = 'requested before the database was restored; the reason is lost, the journal does not hold it';
      const entries = rows.map(({ key_id }) => ({ act: 'requested', keyId: key_id as Buffer, because }));
      if (entries.length > 0) await ledger.record(connection, entries);
      this.requested += entries.length;
    });
  }

  /** Nobody whom the journal names lives; and who was known here is fenced. */
  private async verify(): Promise<void> {
    const journal = this.journal.name;
    for await (const keyIds of this.keyIds('erased', 'shredded')) {
      const living = (await this.statesOf(keyIds)).filter(({ lives }) => lives);
      if (living.length > 0)
        throw new RestoreReplayRequiredError('REPLAY_INCOMPLETE', { journal, count: living.length });
    }
  }

  /** From here on the database is served again. */
  private async end({ branch, after, lost }: Divergence): Promise<void> {
    const { database, ledger, ledgerKeys, catalogue } = this.engine;
    const { erased, shredded, requested } = this;
    const details = { branch, after, erased, shredded, requested, unknown: this.unknown.size };
    const because = 'everybody whom the journal names as erased is erased again';
    const at = await database.transaction(async (connection) => {
      await ledger.record(connection, [{ act: 'replayed', because, details }]);
      const [clock] = (await connection.query('select (extract(epoch from oubli.now()) * 1000000)::bigint as now'))
        .rows;
      return String(clock?.now);
    });
    const instance = Buffer.from(catalogue.instance).toString('hex');
    await this.journal.append([forkLine(ledgerKeys, { instance, branch, after, lost, at })]);
  }

  private isHeld(keyId: Buffer): boolean {
    return this.held.has(keyId.toString('hex'));
  }

  private statesOf(keyIds: readonly Buffer[]): Promise<Row[]> {
    return this.engine.database.snapshot(async (snapshot) => (await snapshot.query(STATES, [keyIds])).rows);
  }
}

/** The rows of those who have these keys now, whatever their primary keys are. */
function chooseByKey(plan: Plan, kind: string, keyIds: readonly Buffer[]): Choose {
  const type = rootType(plan);
  const sql = `select ${nameOf(plan, 't')} as name from ${plan.root.sqlName} t
where t.${q(plan.rootColumn)} = any(array(
  select l.subject_id::${type} from oubli.subject_link l where l.kind = $1 and l.key_id = any($2::bytea[]))) for update`;
  return async (connection: Queryable) =>
    (await connection.query(sql, [kind, keyIds])).rows.map((row) => String(row.name));
}
