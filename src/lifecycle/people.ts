/**
 * The people who leave: their keys are locked after their rows, in the order in which writers take them (ERASURE.md A2).
 * Whoever was erased before, by a race or long ago, drops out here and holds nobody up.
 */
import type { SubjectKeys } from '../keyring/subject-keys';
import type { Queryable } from '../queryable';

export interface Person {
  readonly name: string;
  readonly keyId: Uint8Array;
  /** How the fence names her. */
  readonly reference: Uint8Array;
}

const NOT_ERASED = `
select w.name from unnest($2::text[], $3::bytea[]) w(name, reference)
left join oubli.subject_link l on l.kind = $1 and l.subject_id = w.name
where l.erased_at is null
  and (l.subject_id is not null or not exists (select from oubli.fence f where f.subject_reference = w.reference))`;

const LOCK = 'select key_id from oubli.subject_key where key_id = any($1) order by key_id for update';

/** @param names of people whose rows this transaction has locked */
export async function lockPeople(
  keys: SubjectKeys,
  kind: string,
  connection: Queryable,
  names: readonly string[],
): Promise<Person[]> {
  if (names.length === 0) return [];
  const references = names.map((name) => keys.referenceOf(kind, name));
  const { rows } = await connection.query(NOT_ERASED, [kind, names, references]);
  const known = new Set(rows.map((row) => String(row.name)));
  // A person of whom nothing was ever sealed gets a key here: the ledger has no other name for her.
  const keyOf = await keys.forSubjects(kind, [...known]);
  const locked = await connection.query(LOCK, [[...keyOf.values()].map(({ keyId }) => keyId)]);
  const alive = new Set(locked.rows.map((row) => hex(row.key_id as Uint8Array)));
  return names.flatMap((name, place) => {
    const keyId = keyOf.get(name)?.keyId;
    const reference = references[place];
    return keyId && reference && alive.has(hex(keyId)) ? [{ name, keyId, reference }] : [];
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
