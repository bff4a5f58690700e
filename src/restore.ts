/**
 * Assembly for a database that came back from a backup (ERASURE.md S1): the one place that works on it before it is served again.
 * And for a journal that was lost.
 */
import type { Knex } from 'knex';
import { afterwards } from './afterwards';
import { ConfigurationError, RestoreReplayRequiredError } from './errors';
import { refuseUnsuitable } from './knex/clients';
import { openSeam } from './knex/open-seam';
import type { Engine } from './lifecycle/engine';
import { divergence } from './lifecycle/fork';
import { type Holds, holdsOf } from './lifecycle/holds';
import { type ReplayOptions, type ReplayReport, replayJournal } from './lifecycle/replay';
import type { OubliOptions } from './oubli';
import { archivesOf, type OwnDatabase, ownDatabase } from './own-database';
import type { Journal } from './registers/journal';
import { journalInTime } from './registers/journal-in-time';
import { forgetTold } from './registers/new-journal';
import { type LiftOptions, liftRestriction, type RestrictOptions, restrictPerson } from './rights/restrict';
import type { SubjectId } from './subject';

/**
 * Everybody whom the journal names as erased is erased again in a restored database, which `oubli()` refuses until then, and nobody else:
 * what is due by rule leaves with the next sweep. Idempotent; interrupted, it goes on when it is run again.
 *
 * @param knex on the restored database; it is not protected by this
 * @param options those of `oubli()`; the journal is needed
 * @param replaying.withoutHolds the human reason for which holds and restrictions that were placed after the backup, and that this database
 *   does not know, are given up; it is written down. Unless given they are placed again first
 * @throws ConfigurationError NO_JOURNAL, and those of `oubli()`
 * @throws RestoreReplayRequiredError REPLAY_HOLDS_LOST before anybody is erased; REPLAY_INCOMPLETE while a hold keeps somebody
 * @throws JournalError; TamperedError JOURNAL_FOREIGN; PlanBlockedError where the restored schema does not let somebody be erased
 * @example const { erased, unknown } = await replay(knex, { keys, journal: fileJournal({ file: 'oubli.journal' }) });
 */
export async function replay(knex: Knex, options: OubliOptions, replaying: ReplayOptions = {}): Promise<ReplayReport> {
  if (!options.journal) throw new ConfigurationError('NO_JOURNAL', { call: 'replay()' });
  const journal = journalInTime(options.journal);
  refuseUnsuitable(knex);
  return unserved(knex, options, journal, async (engine, database) => {
    const report = await replayJournal(engine, journal, replaying);
    await database.begin();
    return report;
  });
}

/** What can be done in a database whose replay was begun. */
export interface DuringReplay {
  readonly holds: Holds;
  /** As `subject(kind, id).restrict()`. */
  restrict(kind: string, id: SubjectId, options: RestrictOptions): Promise<void>;
  /** As `subject(kind, id).liftRestriction()`. */
  liftRestriction(kind: string, id: SubjectId, options: LiftOptions): Promise<void>;
}

/**
 * Holds and restrictions in a database whose replay was begun, and which nobody is served yet: a case is released, or a restriction lifted,
 * that a restore brought back and that keeps whom the replay would erase; what only the journal knows to have stood is placed again.
 *
 * @param options those of `oubli()`
 * @throws RestoreReplayRequiredError where no replay was begun; ConfigurationError NO_JOURNAL
 * @example await duringReplay(knex, { keys, journal }, ({ restrict }) => restrict('user', 42, { because: 'as before the restore' }));
 */
export async function duringReplay<T>(
  knex: Knex,
  options: OubliOptions,
  work: (instance: DuringReplay) => Promise<T>,
): Promise<T> {
  if (!options.journal) throw new ConfigurationError('NO_JOURNAL', { call: 'duringReplay()' });
  const journal = journalInTime(options.journal);
  refuseUnsuitable(knex);
  return unserved(knex, options, journal, async (engine) => {
    await refuseNotBegun(engine, journal);
    const nothing = async (): Promise<void> => undefined; // what waited for a hold is the replay's, or the next sweep's
    const holds = holdsOf(async () => engine, nothing);
    return work({
      holds,
      restrict: (kind, id, how) => restrictPerson(engine, kind, String(id), how),
      liftRestriction: async (kind, id, how) => void (await liftRestriction(engine, kind, String(id), how)),
    });
  });
}

/** What is written before the chain has its fork would stand where the journal has other entries. */
async function refuseNotBegun({ database, ledgerKeys, catalogue }: Engine, journal: Journal): Promise<void> {
  const { begun, after } = await database.alone((connection) =>
    divergence(connection, journal, ledgerKeys, catalogue.instance),
  );
  if (begun) return;
  throw new RestoreReplayRequiredError('RESTORE_REPLAY_REQUIRED', { position: after + 1, journal: journal.name });
}

/** Work on a database that everybody else must not touch. */
async function unserved<T>(
  knex: Knex,
  options: OubliOptions,
  journal: Journal,
  work: (engine: Engine, database: OwnDatabase) => Promise<T>,
): Promise<T> {
  const seam = await openSeam(knex, { ...options, replaying: true }, () => undefined);
  return afterwards(async () => {
    const { catalogue, keys, sealer, ledger, ledgerKeys } = seam;
    const database = ownDatabase(knex, seam, journal);
    const archives = archivesOf(database, options.archive);
    const { faker } = options;
    return work({ catalogue, keys, sealer, ledger, ledgerKeys, database, archives, faker }, database);
  }, seam.close);
}

/**
 * A journal that was lost for good, with its backups, is begun anew from the ledger of the database: deliberately, and written down in it.
 * What only the old one knew is forgotten: a database that was restored meanwhile would not be noticed, so put back a backup of the
 * journal if there is any.
 *
 * @param options those of `oubli()`; the journal names where the new one goes, or what is left of the old one
 * @param because the human reason
 * @returns how many entries it was told
 * @throws JournalError JOURNAL_COMPLETE where nothing is lost; JOURNAL_KNOWS_MORE where the database is behind it: replay it instead
 * @throws ConfigurationError NO_JOURNAL, JOURNAL_WITHOUT_BECAUSE
 * @example await newJournal(knex, { keys, journal }, { because: 'the disk of the old one is broken, it had no backup' });
 */
export async function newJournal(
  knex: Knex,
  options: OubliOptions,
  { because }: { because: string },
): Promise<{ entries: number }> {
  if (!options.journal)
    throw new ConfigurationError('NO_JOURNAL', { call: 'newJournal()', verb: 'ledger new-journal' });
  const journal = journalInTime(options.journal);
  if (!because?.trim()) throw new ConfigurationError('JOURNAL_WITHOUT_BECAUSE');
  refuseUnsuitable(knex);
  const seam = await openSeam(knex, { ...options, replaying: true }, () => undefined);
  return afterwards(async () => {
    const { ledger, ledgerKeys: keys, catalogue } = seam;
    const database = ownDatabase(knex, seam, journal);
    const { lost } = await database.alone((connection) => divergence(connection, journal, keys, catalogue.instance));
    const told = { journal, keys, instance: catalogue.instance, ledger };
    await forgetTold(database, told, lost.length, because);
    const { rows } = await database.snapshot((snapshot) => snapshot.query('select position from oubli.ledger_told'));
    return { entries: Number(rows[0]?.position) };
  }, seam.close);
}
