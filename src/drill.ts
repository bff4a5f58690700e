/**
 * Assembly of a restore drill (ERASURE.md S2): whether a backup of this database could be restored, and would bring nobody back, is
 * tried out and written down. GDPR Art. 32(1)(d): measures are tested regularly.
 */
import type { Knex } from 'knex';
import { afterwards } from './afterwards';
import { type Copier, dumpTools } from './checks/dump-tools';
import { verifyLedger } from './checks/ledger';
import { destroyedKeys, fencedPeople, type Looked } from './checks/restored';
import { clear, takeScratch } from './checks/scratch';
import { ConfigurationError, OubliError } from './errors';
import { refuseUnsuitable } from './knex/clients';
import { internalsOf } from './knex/internals';
import { type Reached, reachedBy } from './knex/libpq';
import { openSeam } from './knex/open-seam';
import { OwnTransactions } from './knex/own-transactions';
import type { Seam } from './knex/seam';
import type { OubliOptions } from './oubli';
import { ownDatabase } from './own-database';
import type { Queryable } from './queryable';
import { type Restorable, restorable as readRestorable } from './registers/epochs';
import type { Journal } from './registers/journal';
import { journalAside } from './registers/journal-aside';
import { journalInTime } from './registers/journal-in-time';
import { replay } from './restore';

export interface DrillOptions {
  /**
   * On an empty database that nobody uses: all is restored into it, and dropped from it again. It is yours to destroy. What a drill that was
   * killed left in it is dropped by the next, so one drill at a time.
   */
  readonly into: Knex;
  /** `dumpTools()`, that is pg_dump and pg_restore on the PATH, unless given. */
  readonly copier?: Copier;
}

/**
 * What was tried: `restored` counts tables; `replayed`, people who were erased again; `served`, keys that open what they should; `chain`,
 * entries of the ledger; `erased`, keys that the journal names as destroyed; `fence`, people who may not come back; `dropped`, nothing.
 */
export type DrillStep = 'restored' | 'replayed' | 'served' | 'chain' | 'erased' | 'fence' | 'dropped';

export interface DrillCheck extends Looked {
  readonly check: DrillStep;
  /** The error's code where the step could not be taken: those behind it were not either. */
  readonly code?: string;
  /** The error's text, if it is one of ours. */
  readonly says?: string;
}

export interface DrillReport {
  readonly passed: boolean;
  readonly checks: readonly DrillCheck[];
  /** How far back a backup may go: the copy is of today, and an older backup may hold keys that nobody can unwrap any more. */
  readonly restorable: Restorable;
  /** Number of the ledger's entry that says so: act `drilled`. */
  readonly entry: string;
}

const BECAUSE = 'restore drill, GDPR Art. 32(1)(d)';
const SQLSTATE = /^[0-9A-Z]{5}$/;
const TABLES = `
select count(*) as count from pg_catalog.pg_class where relkind in ('r', 'p') and oid >= 16384`;
const EPOCHS = 'select count(*) as count from oubli.epoch where destroyed_at is null';

/**
 * Copies the database into an empty one, replays the journal there, verifies it, and drops what it made. The live database is read only,
 * but for the result in its ledger: names of checks, and counts. The journal is only read, but for that entry.
 *
 * @param knex on the live database; it is not protected by this
 * @param options those of `oubli()`; the journal is needed. An archive elsewhere is left alone, and so is a
 * role of the key store: the restored database is its owner's.
 * @throws ConfigurationError NO_JOURNAL, DUMP_TOOL_MISSING, DUMP_TOOL_OLD, SCRATCH_NOT_EMPTY, before anything is copied; those of `oubli()`
 * @example const { passed, checks } = await drill(knex, { keys, journal }, { into: scratch });
 */
export async function drill(knex: Knex, given: OubliOptions, { into, copier }: DrillOptions): Promise<DrillReport> {
  if (!given.journal)
    throw new ConfigurationError('NO_JOURNAL', { call: 'drill()', verb: 'drill --into "$SCRATCH_URL"' });
  const journal = journalInTime(given.journal);
  const options = { ...given, journal };
  refuseUnsuitable(knex);
  refuseUnsuitable(into);
  const seam = await openSeam(knex, options, () => undefined);
  return afterwards(async () => {
    const checks = await new Drill(options, journal, knex, into, copier ?? dumpTools()).run();
    const passed = checks.every(({ wrong }) => wrong === 0);
    return ownDatabase(knex, seam, journal).transaction(async (connection) => {
      const restorable = await readRestorable(connection);
      const details = { passed, checks: checks.map(({ says: _, ...counted }) => counted), restorable };
      const [entry] = await seam.ledger.record(connection, [{ act: 'drilled', because: BECAUSE, details }]);
      return { passed, checks, restorable, entry: String(entry) };
    });
  }, seam.close);
}

class Drill {
  private readonly checks: DrillCheck[] = [];
  private readonly scratch: OwnTransactions;
  private readonly aside: OubliOptions & { journal: Journal };

  constructor(
    options: OubliOptions,
    journal: Journal,
    private readonly live: Knex,
    private readonly into: Knex,
    private readonly copier: Copier,
  ) {
    this.scratch = new OwnTransactions(internalsOf(into));
    // what is elsewhere belongs to the live database, and the journal must not hear of what happens in a copy
    const { archive: _, keyStore: __, ...rest } = options;
    this.aside = { ...rest, journal: journalAside(journal) };
  }

  async run(): Promise<DrillCheck[]> {
    const from = await reachedBy(this.live);
    const into = await reachedBy(this.into);
    await this.copier.ready(from, into);
    await this.inScratch((scratch) => takeScratch(scratch, into.database));
    await afterwards(
      () => this.restoreAndVerify(from, into),
      () => this.attempt('dropped', () => this.drop(into)),
    );
    return this.checks;
  }

  private async restoreAndVerify(from: Reached, into: Reached): Promise<void> {
    if (!(await this.attempt('restored', () => this.restore(from, into)))) return;
    if (!(await this.attempt('replayed', () => this.replay()))) return;
    let seam: Seam | undefined;
    const served = await this.attempt('served', async () => {
      seam = await openSeam(this.into, this.aside, () => undefined); // as the application would start on it
      return this.count(EPOCHS);
    });
    if (served && seam) await this.verify(seam);
  }

  private async restore(from: Reached, into: Reached): Promise<Looked> {
    await this.copier.copy(from, into);
    return this.count(TABLES);
  }

  private async replay(): Promise<Looked> {
    const { erased } = await replay(this.into, this.aside, { withoutHolds: BECAUSE });
    return { looked: erased, wrong: 0 };
  }

  private async verify({ ledgerKeys, catalogue: { instance }, close }: Seam): Promise<void> {
    const { journal } = this.aside;
    const look = (step: DrillStep, work: (snapshot: Queryable) => Promise<Looked>): Promise<boolean> =>
      this.attempt(step, () => this.scratch.snapshot(work));
    await afterwards(async () => {
      await this.attempt('chain', async () => {
        const { entries, broken } = await verifyLedger(this.scratch, instance, ledgerKeys, journal);
        return { looked: entries, wrong: broken.length };
      });
      await look('erased', (snapshot) => destroyedKeys(snapshot, journal, ledgerKeys, instance));
      await look('fence', fencedPeople);
    }, close);
  }

  private async drop({ database }: Reached): Promise<Looked> {
    await this.inScratch((scratch) => clear(scratch, database));
    return { looked: 0, wrong: 0 };
  }

  private async count(sql: string): Promise<Looked> {
    const [row] = await this.inScratch(async (scratch) => (await scratch.query(sql)).rows);
    return { looked: Number(row?.count), wrong: 0 };
  }

  private inScratch<T>(work: (scratch: Queryable) => Promise<T>): Promise<T> {
    return this.scratch.outside('0', work);
  }

  /** @returns whether the step was taken, whatever it found @throws what is neither ours nor PostgreSQL's: a mistake, and no result */
  private async attempt(check: DrillStep, work: () => Promise<Looked>): Promise<boolean> {
    try {
      this.checks.push({ check, ...(await work()) });
      return true;
    } catch (error) {
      const code = String((error as { code?: unknown }).code);
      if (!(error instanceof OubliError) && !SQLSTATE.test(code)) throw error;
      this.checks.push({
        check,
        looked: 0,
        wrong: 1,
        code,
        ...(error instanceof OubliError && { says: error.message }),
      });
      return false;
    }
  }
}
