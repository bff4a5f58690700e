/** Whether a key is used: by what speaks of the person whose it is, and by values that are sealed under it, wherever they stand. */
import { byteaArray } from '../bytea-array';
import type { Catalogue } from '../catalogue/model';
import { ConfigurationError } from '../errors';
import { KeyCache } from '../keyring/key-cache';
import { quoteLiteral as literal, type Queryable, quoteIdentifier as q } from '../queryable';
import { rootType } from './root';
import { sealedPlaces } from './sealed-places';

const HOLD = 'select oubli.hold_place(w.rel::oid::regclass) from unnest($1::bigint[]) w(rel)';
/** Whether the function below may read each of some tables. */
const READABLE = `
select oubli.display_name(c.oid) as name, quote_ident(pg_get_userbyid(f.proowner)) as owner,
  has_schema_privilege(f.proowner, c.relnamespace, 'usage') and has_table_privilege(f.proowner, c.oid, 'select') as is_readable
from unnest($1::bigint[]) w(rel) join pg_catalog.pg_class c on c.oid = w.rel
join pg_catalog.pg_proc f on f.oid = 'oubli.keys_in_use(bytea[], regclass)'::regprocedure`;
/** One statement, and so one view of all tables. */
const IN_USE = `
select distinct u.key_id from unnest($2::bigint[]) w(rel) cross join lateral oubli.keys_in_use($1::bytea[], w.rel::oid::regclass) u(key_id)`;

/**
 * SQL condition on a key `k` of the key store and its link `l`, null where it has none: somebody's row is there, or the law keeps
 * something, a request about her is open, she was let in again, or her key is being replaced. Of a kind that is not declared nobody knows, nor
 * of one whose table is empty, as it is while it is loaded anew, nor of a name that the table's type could not have: so it is. Each is looked up for each key (`offset 0`): the planner would read a whole table for a page of them.
 */
export function isSpokenOf(catalogue: Catalogue): string {
  const kinds = catalogue.subjectKinds.map((kind) => `when ${literal(kind)} then ${isThere(catalogue, kind)}`);
  const hers = (table: string): string =>
    `exists (select from oubli.${table} x where x.kind = l.kind and x.subject_id = l.subject_id offset 0)`;
  // of nearly every key the first of them is true, and the others are not asked for
  return `(k.keep_until is not null
    or l.kind is not null and ${kinds.length === 0 ? 'true' : `case l.kind ${kinds.join(' ')} else true end`}
    or k.successor is not null or exists (select from oubli.subject_key s where s.successor = k.key_id offset 0)
    or exists (select from oubli.archive_key a where a.key_id = k.key_id offset 0)
    or exists (select from oubli.restriction r where r.key_id = k.key_id offset 0)
    or exists (select from oubli.ledger e where e.key_id = any(oubli.names_of(k.key_id)) and e.act = 'new lifecycle allowed' offset 0)
    or l.retained_key_id is not null or ${hers('held_person')} or ${hers('deferred_request')})`;
}

function isThere(catalogue: Catalogue, kind: string): string {
  const root = catalogue.subjectTable(kind);
  if (root?.declaration?.is !== 'subject') return 'true';
  const { column } = root.declaration;
  const type = rootType({ root, rootColumn: column });
  const isKnown = `exists (select from ${root.sqlName} t where t.${q(column)} = l.subject_id::${type} offset 0)`;
  const isEmpty = `not exists (select from ${root.sqlName})`;
  return `${isEmpty} or case when ${type === 'text' ? 'true' : `oubli.reads_as(null::${type}, l.subject_id)`} then ${isKnown} else true end`;
}

/** SQL of the link of a key `k`, as `l`: looked up, for the planner would read all links. */
export const LINK_OF_KEY = `
left join lateral (select s.kind, s.subject_id, s.retained_key_id from oubli.subject_link s where s.key_id = k.key_id offset 0) l on true`;

/**
 * Reads every sealed value there is, at some million rows a second. What somebody else is writing is not seen: whoever destroys keys by what is
 * answered waits before for those who might.
 *
 * @returns those of the keys under which a value stands, by `KeyCache.nameOf`
 * @throws ConfigurationError KEY_USE_UNSEEN where the owner of the schema `oubli` may not read a table
 */
export async function keysInUse(connection: Queryable, keyIds: readonly Uint8Array[]): Promise<ReadonlySet<string>> {
  if (keyIds.length === 0) return new Set();
  const places = await heldPlaces(connection);
  const { rows } = await connection.query(IN_USE, [byteaArray([...keyIds]), places]);
  return new Set(rows.map((row) => KeyCache.nameOf(row.key_id as Uint8Array)));
}

/** Until the transaction ends nobody rewrites or empties them, and what did so before is seen by the next statement. */
async function heldPlaces(connection: Queryable): Promise<string[]> {
  const held = new Set<string>();
  for (;;) {
    const places = (await sealedPlaces(connection)).map(({ oid }) => oid);
    const fresh = places.filter((oid) => !held.has(oid));
    if (fresh.length === 0) return places;
    await refuseUnreadable(connection, fresh);
    await connection.query(HOLD, [fresh]);
    for (const oid of fresh) held.add(oid);
  }
}

async function refuseUnreadable(connection: Queryable, places: readonly string[]): Promise<void> {
  const unseen = (await connection.query(READABLE, [places])).rows.find(({ is_readable }) => !is_readable);
  if (unseen)
    throw new ConfigurationError('KEY_USE_UNSEEN', { table: String(unseen.name), owner: String(unseen.owner) });
}
