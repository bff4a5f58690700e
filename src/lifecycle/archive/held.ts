/**
 * Whose archive must not end now, because a case or a restriction holds her (ERASURE.md H1). Archived rows name their person by a
 * keyed reference only, so those who are held are told to the archive by theirs.
 */
import { byteaArray } from '../../bytea-array';
import type { SubjectKeys } from '../../keyring/subject-keys';
import type { Queryable } from '../../queryable';

const PATIENCE = "select set_config('lock_timeout', '5s', true)";
/** Whoever is placing a hold commits first, and is seen; whoever comes later waits until this transaction has ended. */
const NOBODY_NEW = 'lock table oubli.held_person, oubli.restriction in share mode';
const HELD = 'select distinct kind, subject_id from oubli.person_held';

export async function heldSubjects(keys: SubjectKeys, connection: Queryable): Promise<Buffer> {
  await connection.query(PATIENCE);
  await connection.query(NOBODY_NEW);
  const { rows } = await connection.query(HELD);
  return byteaArray(rows.map(({ kind, subject_id }) => keys.referenceOf(String(kind), String(subject_id))));
}
