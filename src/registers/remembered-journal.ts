/**
 * The database remembers that a journal is told what its ledger has. A process that was not given it would erase people of whom no
 * journal knows, and serve a restored database: it is refused, at start and with each entry it would write (ERASURE.md S1).
 */
import { ConfigurationError } from '../errors';
import type { Queryable } from '../queryable';

/** @throws ConfigurationError JOURNAL_NOT_GIVEN */
export async function refuseIfJournaled(connection: Queryable): Promise<void> {
  const [told] = (await connection.query('select journal from oubli.ledger_told')).rows;
  refuseWithoutJournal(told?.journal);
}

/** @param journal its name, as the database remembers it @throws ConfigurationError JOURNAL_NOT_GIVEN */
export function refuseWithoutJournal(journal: unknown): void {
  if (typeof journal === 'string') throw new ConfigurationError('JOURNAL_NOT_GIVEN', { journal });
}
