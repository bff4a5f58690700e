/** The ledger's line of an export: which files with which sha256 went out, for whom by her key id. */
import type { SubjectKeys } from '../keyring/subject-keys';
import type { Queryable } from '../queryable';

interface Recorder {
  readonly keys: SubjectKeys;
  readonly database: { transaction<T>(work: (connection: Queryable) => Promise<T>): Promise<T> };
}

/** @param manifest of the archive; it names tables and hashes, no value */
export async function recordExport(
  { keys, database }: Recorder,
  kind: string,
  id: string,
  manifest: object,
): Promise<void> {
  const key = (await keys.forSubjects(kind, [id])).get(id);
  await database.transaction((connection) =>
    connection.query(
      `insert into oubli.ledger (act, key_id, because, details) values ('exported', $1, 'GDPR Art. 20', $2)`,
      [key?.keyId, JSON.stringify(manifest)],
    ),
  );
}
