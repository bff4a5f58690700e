/**
 * Whether a person was erased and is not back: her row stays with the mark of it, or left, and the fence has her keyed reference. A fence
 * is for ever, so of somebody whom `allowNewLifecycle` has let in again it is her living link that tells.
 */
import type { SubjectKeys } from '../keyring/subject-keys';
import type { Queryable } from '../queryable';

const WAS_ERASED = `
select 1 as erased from (values ($1::text, $2::text)) w(kind, id)
left join oubli.subject_link l on l.kind = w.kind and l.subject_id = w.id
where l.erased_at is not null
  or l.subject_id is null and exists (select from oubli.fence f where f.subject_reference = decode($3, 'hex'))`;

/** @param name as the database writes it */
export async function wasErased(
  keys: SubjectKeys,
  connection: Queryable,
  kind: string,
  name: string,
): Promise<boolean> {
  const reference = keys.referenceOf(kind, name).toString('hex');
  return (await connection.query(WAS_ERASED, [kind, name, reference])).rows.length > 0;
}
