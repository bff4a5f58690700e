/**
 * A mark of the schema: another one after each change of it, and of what is declared (`oubli.schema_mark()`, migration 013). To be
 * compared outside of the transaction that makes changes.
 */
import type { Queryable } from '../queryable';

export async function markOf(connection: Queryable): Promise<string> {
  return String((await connection.query('select oubli.schema_mark() as mark')).rows[0]?.mark);
}
