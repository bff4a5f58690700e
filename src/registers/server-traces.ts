/**
 * What a server keeps beside its tables: write-ahead log, slots and what reads it, prepared and old transactions, temporary files,
 * its log. PostgreSQL manual: 28 (reliability and WAL), 27.2.6 (replication slots), 54.20 (pg_replication_slots).
 */
import type { Queryable, Row } from '../queryable';
import { stateOf, type Trace, type TracedTable } from './trace';

const SETTINGS = `
select current_setting('wal_level') as level, current_setting('archive_mode') as "archiveMode",
  current_setting('archive_timeout') as "archiveTimeout", current_setting('wal_keep_size') as "keepSize",
  current_setting('max_wal_size') as "maxSize", current_setting('log_statement') as "logStatement",
  current_setting('log_min_duration_statement') as "logDuration",
  current_setting('log_parameter_max_length') as "logParameters",
  has_function_privilege('pg_ls_waldir()', 'execute') as "mayListWal",
  has_function_privilege('pg_ls_tmpdir()', 'execute') as "mayListTemporary",
  pg_has_role('pg_read_all_stats', 'usage') as "maySeeOthers",
  (select count(*)::int from pg_catalog.pg_prepared_xacts) as prepared`;
const WAL_FILES = `select count(*)::int as files,
  coalesce(min(modification) < $1::timestamptz, false) as older from pg_ls_waldir()`;
const TEMPORARY = 'select count(*)::int as files from pg_ls_tmpdir()';
const SLOTS = `
select slot_name as name, slot_type as type, plugin, active, wal_status as status, restart_lsn::text as lsn,
  case when not pg_is_in_recovery() then pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::int8 end as behind
from pg_catalog.pg_replication_slots order by slot_name`;
const STANDBYS = `
select coalesce(application_name, 'a standby') as name, state, extract(epoch from replay_lag)::int as lag
from pg_catalog.pg_stat_replication order by 1`;
const SUBSCRIBED = `
select distinct p.pubname as name from pg_catalog.pg_publication_tables p
where (p.schemaname, p.tablename) in (select * from unnest($1::text[], $2::text[]))`;
const OLDEST = `
select count(*)::int as others from pg_catalog.pg_stat_activity
where xact_start < $1::timestamptz and backend_xmin is not null and pid <> pg_backend_pid()`;

export async function serverTraces(
  connection: Queryable,
  tables: readonly TracedTable[],
  erasedAt: string,
): Promise<Trace[]> {
  const one = async (sql: string, parameters: unknown[] = []): Promise<Row> =>
    (await connection.query(sql, parameters)).rows[0] ?? {};
  const all = async (sql: string, parameters: unknown[] = []): Promise<Row[]> =>
    (await connection.query(sql, parameters)).rows;
  const settings = await one(SETTINGS);
  const held = stateOf(tables);
  const names = [tables.map(({ schema }) => schema), tables.map(({ name }) => name)];
  return [
    wal(settings, held, settings.mayListWal ? await one(WAL_FILES, [erasedAt]) : undefined),
    archive(settings, held),
    ...listed('replication slots', held, (await all(SLOTS)).map(slot)),
    ...standbys(await all(STANDBYS), Boolean(settings.maySeeOthers)),
    ...listed('logical subscribers', held, (await all(SUBSCRIBED, names)).map(publication)),
    prepared(settings, held),
    oldTransactions(held, settings.maySeeOthers ? await one(OLDEST, [erasedAt]) : undefined),
    temporary(held, settings.mayListTemporary ? await one(TEMPORARY) : undefined),
    log(settings),
  ];
}

type Held = 'sealed' | 'possible';

function wal({ level, keepSize, maxSize }: Row, state: Held, files: Row | undefined): Trace {
  const where = 'WAL';
  const sizes = `wal_level ${level}, max_wal_size ${maxSize}, wal_keep_size ${keepSize}`;
  const older = files?.older
    ? 'files from before the erasure are there'
    : 'files are used again without being emptied first';
  const says = files ? `${files.files} files; ${older} (${sizes})` : `this role may not list the files (${sizes})`;
  return { where, state: files ? state : 'unknown', until: null, says };
}

function archive({ archiveMode, archiveTimeout }: Row, held: Held): Trace {
  const where = 'archived WAL';
  if (archiveMode === 'off') return { where, state: 'none', until: null, says: 'archive_mode is off' };
  const says = `archive_mode ${archiveMode}, archive_timeout ${archiveTimeout}: kept as long as the archive keeps it, which is for a backup to declare`;
  return { where, state: held, until: null, says };
}

function listed(where: string, held: Held, lines: readonly string[]): Trace[] {
  if (lines.length === 0) return [{ where, state: 'none', until: null, says: 'there are none' }];
  return lines.map((says) => ({ where, state: held, until: null, says }));
}

function slot({ name, type, plugin, active, lsn, behind, status }: Row): string {
  const reads = plugin ? `${type} (${plugin})` : `${type}`;
  const far = behind === null ? '' : `, ${behind} bytes behind`;
  return `${name}: ${reads}, ${active ? 'active' : 'not active'}, keeps WAL from ${lsn ?? 'nowhere'} on${far} (${status ?? 'no WAL kept'})`;
}

function standbys(rows: readonly Row[], maySeeOthers: boolean): Trace[] {
  const where = 'standbys';
  if (rows.length === 0) return [{ where, state: 'none', until: null, says: 'none is connected at this moment' }];
  return rows.map(({ name, state, lag }) => ({
    where,
    state: 'unknown',
    until: null,
    says: maySeeOthers
      ? `${name}: ${state}, replays ${lag ?? 0} s late; it keeps WAL and pages of its own`
      : `${name}: this role may not see how far it is`,
  }));
}

function publication({ name }: Row): string {
  return `publication ${name}: whoever subscribes has a copy of its own`;
}

function prepared({ prepared: count }: Row, held: Held): Trace {
  const where = 'prepared transactions';
  if (count === 0) return { where, state: 'none', until: null, says: 'there are none' };
  return { where, state: held, until: null, says: `${count}: dead tuples stay while one of them is open` };
}

function oldTransactions(held: Held, found: Row | undefined): Trace {
  const where = 'transactions from before';
  if (!found) return { where, state: 'unknown', until: null, says: 'this role may not see those of others' };
  if (found.others === 0) return { where, state: 'none', until: null, says: 'none is open' };
  return { where, state: held, until: null, says: `${found.others} still see the rows as they were` };
}

function temporary(held: Held, found: Row | undefined): Trace {
  const where = 'temporary files';
  if (!found) return { where, state: 'unknown', until: null, says: 'this role may not list them' };
  if (found.files === 0) return { where, state: 'none', until: null, says: 'there are none at this moment' };
  return { where, state: held, until: null, says: `${found.files} of running statements` };
}

/** How the log was set earlier, and how long its files stay, is not PostgreSQL's to say. */
function log({ logStatement, logDuration, logParameters }: Row): Trace {
  const now = `log_statement ${logStatement}, log_min_duration_statement ${logDuration}, log_parameter_max_length ${logParameters}`;
  return {
    where: 'server log',
    state: 'unknown',
    until: null,
    says: `${now} at this moment; what was logged before stands in its files`,
  };
}
