/**
 * Assembly of how oubli reaches the database for itself: transactions of its own, after which the journal outside is told what they
 * wrote to the ledger; and the intermediate archive, here or elsewhere.
 */
import type { Knex } from 'knex';
import { afterCommit, callersConnection } from './knex/callers-transaction';
import { translated } from './knex/database-errors';
import { internalsOf } from './knex/internals';
import { OwnTransactions } from './knex/own-transactions';
import type { Seam } from './knex/seam';
import type { ArchiveDatabase } from './lifecycle/archive/places';
import type { Engine } from './lifecycle/engine';
import type { Queryable } from './queryable';
import type { Journal } from './registers/journal';
import { type Journaled, journaled, notJournaled } from './registers/teller';

export interface OwnDatabase extends ArchiveDatabase {
  /** The same where the process starts: from now on the database remembers that it has a journal. @throws JournalError */
  begin(): Promise<void>;
  /** Tells the journal what a crash left out, and signs a checkpoint where one is due. @throws JournalError */
  catchUp(): Promise<void>;
  /** What callers' transactions have left to be told is told, or has failed. */
  told(): Promise<void>;
  /**
   * Work in the caller's transaction, or in one of oubli's own where none is given. The rows are the application's, whom its row security may
   * not show all of them. Errors are told as the seam tells them.
   *
   * @throws UnsupportedQueryError NO_TRX
   */
  within<T>(trx: Knex.Transaction | undefined, work: (connection: Queryable) => Promise<T>): Promise<T>;
}

export function ownDatabase(knex: Knex, seam: Seam, journal: Journal | undefined): OwnDatabase {
  const own = new OwnTransactions(internalsOf(knex));
  const { transaction, begin, catchUp } = journal ? journaledIn(seam, own, journal) : notJournaled(own);
  return {
    transaction,
    begin,
    catchUp,
    snapshot: (work) => own.snapshot(work),
    alone: (work) => own.alone(work),
    outside: (...asked) => own.outside(...asked),
    stream: (...asked) => own.stream(...asked),
    ...inCallers(seam, transaction, journal && catchUp),
  };
}

/** What waits for an archive elsewhere is tried again by the next sweep. */
const PATIENCE = { statement: '30s', lock: '5s', most: 120_000 };

/** The intermediate archive, beside the tables or in a database of its own. */
export function archivesOf(
  here: ArchiveDatabase,
  { knex, role }: { knex?: Knex; role?: string } = {},
): Engine['archives'] {
  return { here, elsewhere: knex && new OwnTransactions(internalsOf(knex), PATIENCE), role };
}

function journaledIn({ ledger, ledgerKeys, catalogue }: Seam, own: OwnTransactions, journal: Journal): Journaled {
  return journaled(own, ledger, { keys: ledgerKeys, instance: catalogue.instance, journal });
}

/** @param tell where there is a journal */
function inCallers(
  seam: Seam,
  transaction: Journaled['transaction'],
  tell: (() => Promise<void>) | undefined,
): Pick<OwnDatabase, 'within' | 'told'> {
  const telling = new Set<Promise<void>>();
  const tellOfIt = (): void => {
    const told = tell?.().catch((error: Error) => process.emitWarning(error));
    if (!told) return;
    telling.add(told);
    void told.finally(() => telling.delete(told));
  };
  return {
    within: async (trx, work) => {
      const asTheSeamSays = (connection: Queryable): ReturnType<typeof work> =>
        work(connection).catch((error: unknown) => {
          throw translated(error, seam, true);
        });
      if (!trx) return transaction(asTheSeamSays, { row_security: 'on' });
      const connection = callersConnection(trx);
      const done = await asTheSeamSays(connection);
      if (seam.ledger.hasNews(connection)) afterCommit(trx, tellOfIt);
      return done;
    },
    told: async () => void (await Promise.all(telling)),
  };
}
