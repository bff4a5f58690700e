/**
 * The database remembers that a journal is told what its ledger has. A process that was not given it would erase people of whom no
 * journal knows, and serve a restored database: it is refused, at start and with each entry it would write (ERASURE.md S1).
 */
import { ConfigurationError } from '../errors';
import type { Queryable } from '../queryable';

/** Where another process gave it another name, by its own mount, the last one stands: it is for people to read. */
const REMEMBER = 'update oubli.ledger_told set journal = $1 where journal is distinct from $1';

export async function rememberJournal(connection: Queryable, name: string): Promise<void> {
  await connection.query(REMEMBER, [name]);
}

/** @throws ConfigurationError JOURNAL_NOT_GIVEN */
export async function refuseIfJournaled(connection: Queryable): Promise<void> {
  const [told] = (await connection.query('select journal from oubli.ledger_told')).rows;
  refuseWithoutJournal(told?.journal);
}

/** @param journal its name, as the database remembers it @throws ConfigurationError JOURNAL_NOT_GIVEN */
export function refuseWithoutJournal(journal: unknown): void {
  if (typeof journal === 'string') throw new ConfigurationError('JOURNAL_NOT_GIVEN', { journal });
}
