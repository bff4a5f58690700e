/**
 * Whose archive must not end now, because a case or a restriction holds her, or what was archived of her (ERASURE.md H1). Archived
 * rows name their person by a keyed reference only, so those who are held are told to the archive by theirs.
 */
import { byteaArray } from '../../bytea-array';
import type { SubjectKeys } from '../../keyring/subject-keys';
import type { Queryable } from '../../queryable';

const PATIENCE = "select set_config('lock_timeout', '5s', true)";
/** Whoever is placing a hold commits first, and is seen; whoever comes later waits until this transaction has ended. */
const NOBODY_NEW = 'lock table oubli.held_person, oubli.restriction, oubli.held_archive in share mode';
const PEOPLE = 'select distinct kind, subject_id from oubli.person_held order by 1, 2';
const ARCHIVES = `
select distinct h.subject from oubli.held_archive h join oubli.standing_case c on c.id = h.case_id order by 1`;

/** Nobody else is held before the transaction ends. */
export async function heldSubjects(keys: SubjectKeys, connection: Queryable): Promise<Buffer> {
  await connection.query(PATIENCE);
  await connection.query(NOBODY_NEW);
  return heldNow(keys, connection);
}

/** As of this moment. */
export async function heldNow(keys: SubjectKeys, connection: Queryable): Promise<Buffer> {
  const people = (await connection.query(PEOPLE)).rows;
  const archives = (await connection.query(ARCHIVES)).rows;
  return byteaArray([
    ...people.map(({ kind, subject_id }) => keys.referenceOf(String(kind), String(subject_id))),
    ...archives.map(({ subject }) => subject as Uint8Array),
  ]);
}
