/**
 * Epochs of which it was told after the backup that somebody else may have their keys: in a restored database their keys wrap again, or
 * open again, what was sealed anew since. No certificate is to call unrecoverable what he can open (ERASURE.md L4, S1).
 */
import type { JournalEntry, JournalLine } from '../registers/journal';
import type { Engine } from './engine';

/** When it was told, as the journal has it; what was sealed anew since is to be sealed anew again. */
const MARK = `
update oubli.epoch e set compromised_at = w.at
from (select id, min(to_timestamp(at / 1e6)) as at from unnest($1::integer[], $2::bigint[]) w(id, at) group by id) w
where e.id = w.id and e.compromised_at is null`;
const LEFT = 'select id from oubli.epoch where compromised_at is not null and resealed_at is null order by id';

/** @returns all whose values are not sealed anew: `oubli keys compromised` is to be run for each, once the database is served again */
export async function markCompromisedAgain({ database }: Engine, lines: AsyncIterable<JournalLine>): Promise<number[]> {
  const told: JournalEntry[] = [];
  for await (const line of lines) if (line.is === 'entry' && line.entry.epoch !== undefined) told.push(line.entry);
  return database.transaction(async (connection) => {
    await connection.query(MARK, [told.map(({ epoch }) => epoch), told.map(({ at }) => at)]);
    return (await connection.query(LEFT)).rows.map(({ id }) => Number(id));
  });
}
