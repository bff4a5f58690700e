/**
 * A journal that was lost for good is begun anew from the ledger of the database: all entries are told again, with their links. What only
 * the lost one knew is forgotten with it, so the ledger says that it happened, and why.
 */
import { JournalError } from '../errors';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Queryable } from '../queryable';
import type { Journal } from './journal';
import type { Ledger } from './ledger';
import { tipsOf } from './restore-watch';

const TOLD = 'select position from oubli.ledger_told';
const FORGET =
  'update oubli.ledger_told set position = 0, checkpoint_position = 0, checkpoint_at = null, journal = $1, begun = begun + 1';

interface NewJournal {
  readonly journal: Journal;
  readonly keys: LedgerKeys;
  readonly instance: Uint8Array;
  readonly ledger: Ledger;
}

/**
 * Whoever tells the journal next begins with the first entry. The journal is read while no transaction is open, after what it was told:
 * both only grow.
 *
 * @param unknown how many entries of what is left of the journal the database does not know
 * @throws JournalError JOURNAL_KNOWS_MORE, JOURNAL_COMPLETE; TamperedError JOURNAL_FOREIGN
 */
export async function forgetTold(
  database: { transaction<T>(work: (connection: Queryable) => Promise<T>): Promise<T> },
  { journal, keys, instance, ledger }: NewJournal,
  unknown: number,
  because: string,
): Promise<void> {
  const [row] = (await database.transaction((connection) => connection.query(TOLD))).rows;
  const told = Number(row?.position);
  const { end } = await tipsOf(journal, keys, instance);
  if (unknown > 0) throw new JournalError('JOURNAL_KNOWS_MORE', { journal: journal.name, count: unknown });
  if (end >= told) throw new JournalError('JOURNAL_COMPLETE', { journal: journal.name });
  await database.transaction(async (connection) => {
    await connection.query(FORGET, [journal.name]);
    await ledger.record(connection, [{ act: 'journal begun', because, details: { told, left: end } }]);
  });
}
