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

/** In the order of their ids, as writers take them. */
const LOCK = `
select w.name, k.key_id from unnest($2::text[]) w(name)
join oubli.subject_link l on l.kind = $1 and l.subject_id = w.name and l.erased_at is null
join oubli.subject_key k on k.key_id = l.key_id and k.successor is null
order by k.key_id for update of k`;

const NOT_ERASED = `
select w.name from unnest($2::text[], $3::bytea[]) w(name, reference)
left join oubli.subject_link l on l.kind = $1 and l.subject_id = w.name
where l.erased_at is null
  and (l.subject_id is not null or not exists (select from oubli.fence f where f.subject_reference = w.reference))`;

/** @param names of people whose rows this transaction has locked */
export async function lockPeople(
  keys: SubjectKeys,
  kind: string,
  connection: Queryable,
  names: readonly string[],
): Promise<Person[]> {
  if (names.length === 0) return [];
  const lock = (wanted: readonly string[]) => locked(kind, connection, wanted);
  const found = await lock(names);
  const others = names.filter((name) => !found.has(name));
  const made = others.length === 0 ? found : await lock(await withKeys(keys, kind, connection, others));
  return names.flatMap((name) => {
    const keyId = found.get(name) ?? made.get(name);
    return keyId ? [{ name, keyId, reference: keys.referenceOf(kind, name) }] : [];
  });
}

async function locked(kind: string, connection: Queryable, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const { rows } = await connection.query(LOCK, [kind, names]);
  return new Map(rows.map((row) => [String(row.name), row.key_id as Uint8Array]));
}

/** A person of whom nothing was ever sealed gets a key here: the ledger has no other name for her. @returns who was not erased */
async function withKeys(
  keys: SubjectKeys,
  kind: string,
  connection: Queryable,
  names: readonly string[],
): Promise<string[]> {
  const references = names.map((name) => keys.referenceOf(kind, name));
  const { rows } = await connection.query(NOT_ERASED, [kind, names, references]);
  const there = rows.map((row) => String(row.name));
  await keys.idsOf(kind, there);
  return there;
}
