/** What the key store is asked for, as SQL: the keys of people, their ids, keys of nobody, keys by their ids. */

/** A key as the row that it is to be. */
export interface NewKey {
  readonly keyId: Uint8Array;
  readonly wrapped: Uint8Array;
  readonly print: Uint8Array;
  readonly epoch: number;
}

// Found, or made where there is none, in one statement; `offset 0` keeps the planner from reading all links to find a few hundred.
// Of two processes that make the key of one person, the second waits for the first one's link, makes no key, and finds the first
// one's when it asks again: no key is ever without its link. (The link's foreign key is checked when the statement ends.) Where one of
// them was erased, none is made for anybody; so also where a link to a destroyed key came back with an old backup.
const FOUND_OR_MADE = `
with wanted as (
  select w.*, l.key_id as old_key_id, l.subject_id is null as new,
    l.erased_at is not null or exists (select from oubli.fence f where f.key_id = l.key_id)
      or l.subject_id is null and exists (select from oubli.fence f where f.subject_reference = w.reference) as erased
  from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
    w(id, reference, key_id, wrapped, fingerprint)
  left join lateral (
    select * from oubli.subject_link s where s.kind = $1 and s.subject_id = w.id offset 0) l on true),
linked as (
  insert into oubli.subject_link (kind, subject_id, key_id)
  select $1, id, key_id from wanted where new and not exists (select from wanted where erased)
  order by id on conflict do nothing returning key_id),
made as (
  insert into oubli.subject_key (key_id, epoch, born, wrapped, fingerprint)
  select w.key_id, $7::integer, $7::integer, w.wrapped, w.fingerprint from wanted w join linked using (key_id) returning key_id)`;

export const KEYS_OF_SUBJECTS = `${FOUND_OR_MADE}
select w.id, w.erased, k.key_id, k.epoch, k.wrapped,
  exists (select from oubli.restriction r where r.key_id = k.key_id) as restricted
from wanted w left join oubli.subject_key k on k.key_id = w.old_key_id where w.erased or not w.new
union all
select w.id, false, null, null, null, false from made join wanted w using (key_id)`;

/** The same for whoever may not read a wrapped key, as a role that only erases. */
export const IDS_OF_SUBJECTS = `${FOUND_OR_MADE}
select w.id, w.erased, w.old_key_id as key_id from wanted w where w.erased or not w.new
union all
select w.id, false, w.key_id from made join wanted w using (key_id)`;

export const CREATE_UNLINKED = `
insert into oubli.subject_key (key_id, epoch, born, wrapped, fingerprint, keep_until)
select key_id, $5::integer, $5::integer, wrapped, fingerprint, keep_until
from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::date[]) w(key_id, wrapped, fingerprint, keep_until)`;

/** Of a key that was replaced and destroyed no value is left: one that turns up is no erased person's, and she may be restricted by her new one. */
export const KEYS_BY_ID = `
select w.key_id, k.epoch, k.wrapped, exists (
    select from oubli.fence f where f.key_id = w.key_id
      and (f.successor is null or exists (select from oubli.fence d where d.key_id = f.successor))) as shredded,
  k.key_id is null and exists (select from oubli.fence f where f.key_id = w.key_id and f.successor is not null) as replaced,
  exists (select from oubli.restriction r where r.key_id in (w.key_id, k.successor)) as restricted
from unnest($1::bytea[]) w(key_id) left join oubli.subject_key k on k.key_id = w.key_id`;
