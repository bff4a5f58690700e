/**
 * Assembly of how oubli reaches the database for itself: transactions of its own, after which the journal outside is told what they
 * wrote to the ledger; and the intermediate archive, here or elsewhere.
 */
import type { Knex } from 'knex';
import { internalsOf } from './knex/internals';
import { OwnTransactions } from './knex/own-transactions';
import type { Seam } from './knex/seam';
import type { ArchiveDatabase } from './lifecycle/archive/places';
import type { Engine } from './lifecycle/engine';
import type { Journal } from './registers/journal';
import { type Journaled, journaled, notJournaled } from './registers/teller';

export interface OwnDatabase extends ArchiveDatabase {
  /** The same where the process starts: from now on the database remembers that it has a journal. @throws JournalError */
  begin(): Promise<void>;
  /** Tells the journal what a crash left out, and signs a checkpoint where one is due. @throws JournalError */
  catchUp(): Promise<void>;
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
