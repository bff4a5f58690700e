/** Where archives are: schemas beside the active base, and, where the process was told which, another database. */
import { ConfigurationError } from '../../errors';
import { type Queryable, quoteIdentifier as q } from '../../queryable';
import { type Database, isLocked, isTooLong } from '../database';

export interface ArchiveDatabase extends Database {
  /** One view of the database for all that is read in it, as long as somebody takes rows. */
  stream<T>(work: (snapshot: Queryable) => AsyncIterable<T>): AsyncGenerator<T>;
}

export interface ArchivePlaces {
  readonly here: ArchiveDatabase;
  readonly elsewhere?: ArchiveDatabase | undefined;
  /** The role that reads, taken on by `set local role`; the session's own where none was named. */
  readonly role?: string | undefined;
}

/** One archive, or the outbox of those elsewhere. */
export interface Store {
  readonly database: ArchiveDatabase;
  readonly schema: string;
  readonly elsewhere: boolean;
}

const DECLARED = 'select schema, elsewhere from oubli.archive order by schema, elsewhere';

/** Those that were ever declared here; in the other database those only whose database is known. */
export async function storesOf({ here, elsewhere }: ArchivePlaces): Promise<Store[]> {
  const declared = await here.transaction(async (connection) => (await connection.query(DECLARED)).rows);
  return declared.flatMap((row) => {
    const database = row.elsewhere ? elsewhere : here;
    return database ? [{ database, schema: String(row.schema), elsewhere: Boolean(row.elsewhere) }] : [];
  });
}

/** Whether rows go to a database that this process does not know. */
export async function lacksElsewhere({ here, elsewhere }: ArchivePlaces): Promise<boolean> {
  if (elsewhere) return false;
  const { rows } = await here.transaction((connection) =>
    connection.query(`${DECLARED.replace(' order', ' where elsewhere order')}`),
  );
  return rows.length > 0;
}

/** A function of an archive, called in its own schema. */
export function inStore({ schema }: Store, call: string): string {
  return `${q(schema)}.${call}`;
}

const NO_SUCH_SCHEMA = new Set(['3F000', '42P01', '42883']);

/** @returns the error to raise instead, where the other database has no such archive, or lets us wait */
export function asArchiveError(error: unknown, schema: string): unknown {
  if (isLocked(error) || isTooLong(error)) return new ConfigurationError('ARCHIVE_BUSY', { schema });
  const { code } = error as { code?: string };
  return NO_SUCH_SCHEMA.has(code ?? '') ? new ConfigurationError('ARCHIVE_NOT_INSTALLED', { schema }) : error;
}
