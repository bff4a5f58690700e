/** Which keys people have, as their links say: for scopes, which name people and see keys. Never makes one. */
import { byteaArray } from '../bytea-array';
import { canonicalIds } from '../catalogue/canonical-ids';
import type { Catalogue } from '../catalogue/model';
import { suggest } from '../catalogue/suggest';
import { ConfigurationError } from '../errors';
import type { NamedSubject } from '../keyring/decrypt-scope';
import { KeyCache } from '../keyring/key-cache';
import type { Queryable } from '../queryable';
import { withoutValues } from './database-errors';

/** With the key of what the law keeps of somebody who was erased, while her row stays and says so: it is hers. */
const KEYS_OF = `
select k.key_id from unnest($2::text[]) w(id)
join oubli.subject_link l on l.kind = $1 and l.subject_id = w.id
cross join lateral (
  values (l.key_id), (l.retained_key_id)
  union all select s.key_id from oubli.subject_key s where s.successor in (l.key_id, l.retained_key_id)) k(key_id)
where k.key_id is not null`;

/** @returns by `KeyCache.nameOf` */
export async function keysOfSubjects(
  catalogue: Catalogue,
  store: Queryable,
  subjects: readonly NamedSubject[],
): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const kind of new Set(subjects.map((subject) => subject.kind))) {
    const ids = subjects.filter((subject) => subject.kind === kind).map(({ id }) => String(id));
    try {
      const canonical = await canonicalIds(store, idType(catalogue, kind), ids);
      const { rows } = await store.query(KEYS_OF, [kind, canonical]);
      for (const row of rows) names.add(KeyCache.nameOf(row.key_id as Uint8Array));
    } catch (error) {
      throw error instanceof Error ? withoutValues(error) : error;
    }
  }
  return names;
}

/** @throws ConfigurationError UNKNOWN_KIND */
export function refuseUnknownKind(catalogue: Catalogue, given: string): void {
  const kinds = catalogue.subjectKinds;
  if (!kinds.includes(given))
    throw new ConfigurationError('UNKNOWN_KIND', { given, suggestion: suggest(given, kinds) ?? kinds[0] });
}

/** Without length or precision: a cast to `varchar(3)` would cut `abcd` down to another person's id. */
function idType(catalogue: Catalogue, kind: string): string {
  refuseUnknownKind(catalogue, kind);
  const table = catalogue.subjectTable(kind);
  const column = table?.declaration?.is === 'subject' ? table.declaration.column : '';
  const type = table?.columns.get(column)?.type ?? 'text';
  return /^char(acter)?\b(?! varying)/.test(type) ? 'bpchar' : type.replace(/\(\d+(, ?-?\d+)?\)/, '');
}

const SUCCESSORS = `
select key_id, successor from oubli.subject_key where key_id = any($1::bytea[]) and successor is not null
union all
select key_id, successor from oubli.fence where key_id = any($1::bytea[]) and successor is not null`;

/** @param names of keys @returns by the names of those that were replaced, what replaced them */
export async function successorsOf(store: Queryable, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const { rows } = await store.query(SUCCESSORS, [byteaArray(names.map((name) => Buffer.from(name, 'latin1')))]);
  return new Map(rows.map((row) => [KeyCache.nameOf(row.key_id as Uint8Array), row.successor as Uint8Array]));
}
