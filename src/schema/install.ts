/**
 * The library's own schema, installed and removed inside the user's migrations. Plain numbered SQL files, each one version,
 * recorded in a migration table of their own: the user's migration names the version it was written for.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Knex } from 'knex';
import { ConfigurationError, SchemaVersionError } from '../errors';
import { type Queryable, quoteIdentifier as q } from '../queryable';

const FOLDER = path.join(__dirname, '..', '..', 'migrations');

/** The newest version of the schema that this library knows, and the one it needs. */
export const SCHEMA_VERSION = 14;

/**
 * Brings the schema `oubli` up to a version, inside the migration that calls it; in a transaction of its own where that
 * has none.
 * @param options.version the version the migration was written for; later versions are separate migrations
 * @throws SchemaVersionError when the database is newer than this library
 * @example export const up = (knex) => install(knex, { version: 14 });
 */
export async function install(knex: Knex, options: { version: number }): Promise<void> {
  const { version } = options;
  if (!Number.isInteger(version) || version < 1 || version > SCHEMA_VERSION) {
    throw new ConfigurationError('UNKNOWN_VERSION', { version, newest: SCHEMA_VERSION });
  }
  if (!knex.isTransaction) return knex.transaction((trx) => install(trx, options));
  // Two servers that migrate at once: the second waits here and finds the work done. `if not exists` alone would fail there.
  await knex.raw(`select pg_advisory_xact_lock(hashtextextended('oubli.install', 0))`);
  await knex.raw('create schema if not exists oubli');
  await knex.raw(`create table if not exists oubli.migration (
    version integer primary key, name text not null, installed_at timestamptz not null default pg_catalog.now())`);
  await refuseOwnSchemaFirst({ query: (sql) => knex.raw(sql) });
  const installed = await installedVersion(knex);
  if (installed > SCHEMA_VERSION) throw tooNew(installed);
  for (const file of migrationFiles().filter((each) => each.version > installed && each.version <= version)) {
    await knex.raw(escaped(file.sql));
    await knex.raw('insert into oubli.migration (version, name) values (?, ?)', [file.version, file.name]);
  }
}

/**
 * Removes the schema again. Refused while any column still has a protected type: dropping the type would drop its data.
 * @throws ConfigurationError STILL_IN_USE; ARCHIVE_NOT_EMPTY while an archive, or its outbox, holds rows: their keys would be gone
 */
export async function uninstall(knex: Knex): Promise<void> {
  if (!knex.isTransaction) return knex.transaction((trx) => uninstall(trx));
  const [used] = (await knex.raw(PROTECTED_COLUMN)).rows as { table: string; column: string }[];
  if (used) throw new ConfigurationError('STILL_IN_USE', { ...used });
  await removeArchives(knex);
  await knex.raw(REMOVE_COMMENTS);
  await knex.raw('drop schema if exists oubli cascade');
}

/** Empty archives go along; what the law has kept, and needs its keys, does not. */
async function removeArchives(knex: Knex): Promise<void> {
  if (!(await knex.raw(`select to_regclass('oubli.archive') is not null as there`)).rows[0].there) return;
  const { rows: archives } = await knex.raw(
    'select schema from oubli.archive where not elsewhere and to_regnamespace(quote_ident(schema)) is not null',
  );
  const places = [
    'select 1 from oubli.archive_outbox',
    'select 1 from oubli.archive_key',
    ...(archives as { schema: string }[]).map(({ schema }) => `select 1 from ${q(schema)}.holdings()`),
  ];
  for (const place of places) {
    const { rows } = await knex.raw(`${place} limit 1`);
    const where = place.split(' ').at(-1)?.replace('.holdings()', '');
    if (rows.length > 0) throw new ConfigurationError('ARCHIVE_NOT_EMPTY', { where });
  }
  for (const { schema } of archives as { schema: string }[]) await knex.raw(`drop schema ${q(schema)} cascade`);
}

/** A column whose type, or element type, is a domain of ours. */
const PROTECTED_COLUMN = `
select c.oid::regclass::text as table, a.attname as column
from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
join pg_catalog.pg_type t on a.atttypid in (t.oid, t.typarray)
where t.typnamespace = to_regnamespace('oubli') and t.typtype = 'd' and not a.attisdropped
  and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') order by c.oid, a.attnum limit 1`;

/** What the declarations left in comments; what the team wrote before the mark stays. */
const REMOVE_COMMENTS = `
do $oubli$
declare
  said record;
begin
  if to_regclass('oubli.personal_table') is null then
    return;
  end if;
  for said in select a.rel, a.column_name, col_description(a.rel, t.attnum) as existing from oubli.annotation a
              join pg_catalog.pg_attribute t on t.attrelid = a.rel and t.attname = a.column_name loop
    execute format('comment on column %s.%I is %L', said.rel, said.column_name, oubli.before_mark(said.existing));
  end loop;
  for said in select p.rel, obj_description(p.rel, 'pg_class') as existing from oubli.personal_table p
              join pg_catalog.pg_class c on c.oid = p.rel loop
    execute format('comment on table %s is %L', said.rel, oubli.before_mark(said.existing));
  end loop;
end $oubli$`;

/** @throws ConfigurationError NOT_INSTALLED, OWN_SCHEMA_FIRST; SchemaVersionError when either side is older than the other needs */
export async function verifySchema(connection: Queryable): Promise<void> {
  await refuseOwnSchemaFirst(connection);
  const [exists] = (await connection.query(`select to_regclass('oubli.migration') is not null as there`)).rows;
  if (!exists?.there) throw new ConfigurationError('NOT_INSTALLED', { version: SCHEMA_VERSION });
  const [found] = (await connection.query('select max(version) as version from oubli.migration')).rows;
  const version = Number(found?.version ?? 0);
  if (version > SCHEMA_VERSION) throw tooNew(version);
  if (version < SCHEMA_VERSION) throw new SchemaVersionError('SCHEMA_TOO_OLD', { version, needed: SCHEMA_VERSION });
}

/**
 * `"$user"` in a search path is the schema of the role's name (PostgreSQL manual 5.10.3): to a role called `oubli` ours.
 * @throws ConfigurationError OWN_SCHEMA_FIRST
 */
async function refuseOwnSchemaFirst(connection: Queryable): Promise<void> {
  const [path] = (await connection.query(`select current_schema() = 'oubli' as ours, current_user as role`)).rows;
  if (path?.ours) throw new ConfigurationError('OWN_SCHEMA_FIRST', { role: String(path.role) });
}

async function installedVersion(knex: Knex): Promise<number> {
  const { rows } = await knex.raw('select coalesce(max(version), 0) as version from oubli.migration');
  return Number(rows[0].version);
}

function migrationFiles(): { version: number; name: string; sql: string }[] {
  const names = readdirSync(FOLDER).filter((name) => /^\d{3}_\w+\.sql$/.test(name));
  return names.sort().map((name) => ({
    version: Number(name.slice(0, 3)),
    name: name.slice(4, -'.sql'.length),
    sql: readFileSync(path.join(FOLDER, name), 'utf8'),
  }));
}

/** Knex reads `?` as a binding also inside literals and operators. */
function escaped(sql: string): string {
  return sql.replaceAll('?', '\\?');
}

function tooNew(version: number): SchemaVersionError {
  return new SchemaVersionError('SCHEMA_TOO_NEW', { version, known: SCHEMA_VERSION });
}
