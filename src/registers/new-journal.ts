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

const LOCK = 'select position from oubli.ledger_told for update';
const FORGET = 'update oubli.ledger_told set position = 0, checkpoint_position = 0, checkpoint_at = null';

/**
 * In one transaction; whoever tells the journal next begins with the first entry.
 *
 * @param unknown how many entries of what is left of the journal the database does not know
 * @throws JournalError JOURNAL_KNOWS_MORE, JOURNAL_COMPLETE; TamperedError JOURNAL_FOREIGN
 */
export async function forgetTold(
  connection: Queryable,
  { journal, keys, instance, ledger }: { journal: Journal; keys: LedgerKeys; instance: Uint8Array; ledger: Ledger },
  unknown: number,
  because: string,
): Promise<void> {
  const [row] = (await connection.query(LOCK)).rows;
  const told = Number(row?.position);
  const { end } = await tipsOf(journal, keys, instance);
  if (unknown > 0) throw new JournalError('JOURNAL_KNOWS_MORE', { journal: journal.name, count: unknown });
  if (end >= told) throw new JournalError('JOURNAL_COMPLETE', { journal: journal.name });
  await connection.query(FORGET);
  await ledger.record(connection, [{ act: 'journal begun', because, details: { told, left: end } }]);
}
