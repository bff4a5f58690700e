/**
 * The storage of an intermediate archive (ERASURE.md R1): a schema of its own, owned by a role of its own. Whoever moves rows may
 * insert, and ask for what has ended to be destroyed; to read is granted to nobody. The same statements make it beside the
 * active base, in the migration that declares it, and in another database.
 */
import type { Knex } from 'knex';
import { ARCHIVE_SCHEMA, type SettledArchive } from '../catalogue/check-archive';
import { quoteLiteral as literal, quoteIdentifier as q } from '../queryable';
import { asAnnotationError } from './migration-errors';
import type { Bound } from './statements';

export interface ArchiveOptions {
  /** `'oubli_archive'` unless said otherwise. */
  readonly schema?: string;
  /** The role that owns it, named like the schema unless said otherwise; made, without login, where it is missing. */
  readonly owner?: string;
  /** Roles that move rows there. Beside the active base everybody who may write its ledger does, without being named. */
  readonly movers?: readonly string[];
  /** Roles that may read what is sealed there; the keys stay with the application. */
  readonly readers?: readonly string[];
}

/**
 * Makes an archive, in a migration: in another database, or here before a table declares it, where roles are to be named.
 * Called again, it grants to the roles that are named then.
 *
 * @throws AnnotationError ARCHIVE_OWNER when the migrating role may not make the owner, with what a superuser has to say first
 * @example await installArchive(knex, { schema: 'legal', owner: 'archivist', readers: ['auditor'] });
 */
export async function installArchive(knex: Knex, options: ArchiveOptions = {}): Promise<void> {
  if (!knex.isTransaction) return knex.transaction((trx) => installArchive(trx, options));
  const { schema = ARCHIVE_SCHEMA, movers = [], readers = [] } = options;
  const { owner = schema } = options;
  try {
    await knex.raw(makeArchive(schema, owner, movers, readers));
  } catch (error) {
    throw asAnnotationError(error);
  }
}

/** What a declared table needs; nothing where its rows go to another database. */
export function archiveOf(table: string, archive: SettledArchive | undefined): Bound[] {
  if (!archive) return [];
  const { schema, owner, elsewhere } = archive;
  const refuse = { sql: refuseBeside(table, schema), bindings: [] };
  if (elsewhere) {
    const note = 'insert into oubli.archive values (?, ?, true) on conflict do nothing';
    return [refuse, { sql: note, bindings: [schema, owner] }];
  }
  return [refuse, { sql: makeArchive(schema, owner, [], []), bindings: [] }];
}

function refuseBeside(table: string, schema: string): string {
  return `do $oubli$ begin
  if (select relnamespace from pg_catalog.pg_class where oid = ${literal(table)}::regclass) = to_regnamespace(${literal(q(schema))}) then
    raise exception 'oubli: the archive of % is in its own schema', ${literal(table)}
      using errcode = 'OU044', table = oubli.display_name(${literal(table)}::regclass), schema = ${literal(schema)};
  end if;
end $oubli$`;
}

/** In a database without the schema `oubli` the archive goes by PostgreSQL's own clock. */
function makeArchive(schema: string, owner: string, movers: readonly string[], readers: readonly string[]): string {
  const [s, keeper] = [q(schema), q(owner)];
  return `do $oubli$
declare
  here constant boolean := to_regclass('oubli.ledger') is not null;
  was_member constant boolean := ${literal(owner)} in (select rolname from pg_catalog.pg_roles)
    and pg_catalog.pg_has_role(current_user, (select oid from pg_catalog.pg_roles where rolname = ${literal(owner)}), 'usage');
  granted boolean := false;
  mover text;
begin
  if current_user = ${literal(owner)} then
    raise exception 'oubli: the archive would belong to the migrating role' using errcode = 'OU043', datatype = ${literal(owner)};
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = ${literal(owner)}) then
    begin
      create role ${keeper} nologin;
    exception
      when duplicate_object or unique_violation then null; -- another database of this server, at the same moment
      when insufficient_privilege then
        raise exception 'oubli: no role to own the archive' using errcode = 'OU043', datatype = ${literal(owner)};
    end;
  end if;
  if not was_member then
    begin
      grant ${keeper} to current_user;
      granted := true;
    exception when insufficient_privilege then
      raise exception 'oubli: no role to own the archive' using errcode = 'OU043', datatype = ${literal(owner)};
    end;
  end if;
  if to_regclass(${literal(`${s}.archived_row`)}) is null then
${createStore(s, keeper)}
  elsif (select relowner from pg_catalog.pg_class where oid = to_regclass(${literal(`${s}.archived_row`)}))
      <> (select oid from pg_catalog.pg_roles where rolname = ${literal(owner)}) then
    raise exception 'oubli: the schema is something else' using errcode = 'OU045', schema = ${literal(schema)}, datatype = ${literal(owner)};
  end if;
  if here then
    grant usage on schema oubli to ${keeper};
    insert into oubli.archive values (${literal(schema)}, ${literal(owner)}, false) on conflict do nothing;
  end if;
  for mover in
    select unnest(array[${movers.map((role) => literal(q(role))).join(', ')}]::text[])
    union
    select case a.grantee when 0 then 'public' else a.grantee::regrole::text end
    from pg_catalog.pg_class c, pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) a
    where c.oid = to_regclass('oubli.ledger') and a.privilege_type = 'INSERT' loop
    execute 'grant usage on schema ${quoted(s)} to ' || mover;
    execute 'grant insert on ${quoted(s)}.archived_row to ' || mover;
    execute 'grant execute on function ${quoted(s)}.destroy_ended(integer, bytea[]), ${quoted(s)}.holds(text), ${quoted(s)}.holdings() to ' || mover;
  end loop;
${readers.map((role) => `  grant usage on schema ${s} to ${q(role)}; grant select on ${s}.archived_row to ${q(role)};`).join('\n')}
  if granted then
    revoke ${keeper} from current_user;
  end if;
end $oubli$`;
}

/**
 * Statements of a block of PL/pgSQL. Both functions run with the owner's rights: who may call them can neither choose what is
 * destroyed nor see more than counts. Rows that somebody else destroys at this moment are left to him.
 */
function createStore(s: string, keeper: string): string {
  return `    create schema if not exists ${s};
    revoke all on schema ${s} from public;
    create domain ${s}.sealed_row as bytea constraint sealed check (
      octet_length(value) >= 80 and substring(value from 1 for 3) = '\\xa70b01'::bytea and substring(value from 5 for 4) = '\\x7fffffff'::bytea);
    create table ${s}.archived_row (
      source   text not null,
      id       uuid not null,
      key_id   bytea not null check (octet_length(key_id) = 16),
      subject  bytea,
      until    timestamptz not null check (isfinite(until)),
      entry    bigint not null,
      moved_at timestamptz not null,
      sealed   ${s}.sealed_row not null,
      primary key (source, id)
    );
    create index archived_row_until on ${s}.archived_row (until);
    create index archived_row_entry on ${s}.archived_row (entry);
    create index archived_row_subject on ${s}.archived_row (subject) where subject is not null;
    execute 'create function ${quoted(s)}.now() returns timestamptz language sql stable set search_path = pg_catalog return '
      || case when here then 'oubli.now()' else 'pg_catalog.now()' end;
    create function ${s}.destroy_ended(most integer, held bytea[]) returns table (source text, entry bigint, rows bigint)
    language sql security definer set search_path = pg_catalog, pg_temp as $sql$
      with ended as materialized (
        select r.source, r.id from ${s}.archived_row r where r.until <= ${s}.now()
          and (r.subject is null or r.subject <> all(held)) order by r.until limit most for update skip locked),
      gone as (
        delete from ${s}.archived_row r using ended e where r.source = e.source and r.id = e.id returning r.source, r.entry)
      select g.source, g.entry, count(*) from gone g group by g.source, g.entry
    $sql$;
    create function ${s}.holdings() returns table (source text, rows bigint, first_end timestamptz, last_end timestamptz)
    language sql stable security definer set search_path = pg_catalog, pg_temp as $sql$
      select r.source, count(*), min(r.until), max(r.until) from ${s}.archived_row r group by r.source order by r.source
    $sql$;
    create function ${s}.holds(wanted text) returns boolean
    language sql stable security definer set search_path = pg_catalog, pg_temp as $sql$
      select exists (select from ${s}.archived_row r where r.source = wanted)
    $sql$;
    revoke all on function ${s}.now(), ${s}.destroy_ended(integer, bytea[]), ${s}.holds(text), ${s}.holdings() from public;
    alter schema ${s} owner to ${keeper};
    alter domain ${s}.sealed_row owner to ${keeper};
    alter table ${s}.archived_row owner to ${keeper};
    alter function ${s}.now() owner to ${keeper};
    alter function ${s}.destroy_ended(integer, bytea[]) owner to ${keeper};
    alter function ${s}.holds(text) owner to ${keeper};
    alter function ${s}.holdings() owner to ${keeper};`;
}

/** Inside of a literal. */
function quoted(text: string): string {
  return text.replaceAll("'", "''");
}
