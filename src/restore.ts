/**
 * Assembly for a database that came back from a backup (ERASURE.md S1): the one place that works on it before it is served again.
 */
import type { Knex } from 'knex';
import { ConfigurationError } from './errors';
import { refuseUnsuitable } from './knex/clients';
import { openSeam } from './knex/open-seam';
import type { Engine } from './lifecycle/engine';
import { type ReplayReport, replayJournal } from './lifecycle/replay';
import type { OubliOptions } from './oubli';
import { archivesOf, ownDatabase } from './own-database';

/**
 * Everybody whom the journal names as erased is erased again in a restored database, which `oubli()` refuses until then. Idempotent;
 * interrupted, it goes on when it is run again.
 *
 * @param knex on the restored database; it is not protected by this
 * @param options those of `oubli()`; the journal is needed, and `sweeps` say what may leave by rule meanwhile
 * @throws ConfigurationError NO_JOURNAL, and those of `oubli()`
 * @throws JournalError; TamperedError JOURNAL_FOREIGN; PlanBlockedError where the restored schema does not let somebody be erased
 * @example const { erased, unknown } = await replay(knex, { keys, journal: fileJournal({ file: 'oubli.journal' }) });
 */
export async function replay(knex: Knex, options: OubliOptions): Promise<ReplayReport> {
  const { journal } = options;
  if (!journal) throw new ConfigurationError('NO_JOURNAL', { call: 'replay()' });
  refuseUnsuitable(knex);
  const seam = await openSeam(knex, { ...options, replaying: true }, () => undefined);
  try {
    const { catalogue, keys, sealer, ledger, ledgerKeys } = seam;
    const database = ownDatabase(knex, seam, journal);
    const archives = archivesOf(database, options.archive);
    const engine: Engine = { catalogue, keys, sealer, ledger, ledgerKeys, database, archives, faker: options.faker };
    const report = await replayJournal(engine, journal, options.sweeps);
    await database.catchUp();
    return report;
  } finally {
    await seam.close();
  }
}
