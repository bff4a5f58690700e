/** The ledger's line of an export: which files with which sha256 went out, for whom by her key id. */
import type { SubjectKeys } from '../keyring/subject-keys';
import type { Queryable } from '../queryable';
import type { Ledger } from './ledger';

interface Recorder {
  readonly keys: SubjectKeys;
  readonly ledger: Ledger;
  readonly database: { transaction<T>(work: (connection: Queryable) => Promise<T>): Promise<T> };
}

/** @param manifest of the archive; it names tables and hashes, no value */
export async function recordExport(
  { keys, ledger, database }: Recorder,
  kind: string,
  id: string,
  manifest: object,
): Promise<void> {
  const keyId = (await keys.idsOf(kind, [id])).get(id);
  await database.transaction((connection) =>
    ledger.record(connection, [{ act: 'exported', keyId, because: 'GDPR Art. 20', details: manifest }]),
  );
}
