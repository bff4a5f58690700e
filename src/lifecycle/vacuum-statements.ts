/**
 * What the VACUUM after a purge asks and writes down: one question before, one after each table, one note in the end. What
 * decides whether dead tuples are gone stands in `migrations/013_certificates.sql`.
 */

/** Nothing where another process is at it, whose lock is its session's; the chain's positions are committed in order, so no entry is passed by. */
export const BEGIN = `
select pg_try_advisory_lock(hashtextextended('oubli.vacuum', 0)) as mine, (select position from oubli.ledger_head) as position`;

/**
 * $1 position of the chain, $2 and $3 names and OIDs of tables. What rows left since the last time, and what was left waiting then;
 * of a table whose rows wait for others alone, whether these are still there (`held`).
 */
export const TOUCHED = `
with gone as (
  select line ->> 'table' as name, l.xmin as by, sum((line ->> 'rows')::bigint) as rows
  from oubli.ledger_link k join oubli.ledger l using (entry), jsonb_array_elements(l.details -> 'tables') line
  where k.position > (select position from oubli.vacuumed) and k.position <= $1
    and l.act in ('erased', 'expired') and line ->> 'action' in ('delete', 'anonymise', 'archive') and (line ->> 'rows')::bigint > 0
  group by 1, 2),
fresh as (
  select w.rel::oid as rel, sum(g.rows) as rows, max(oubli.full_number(g.by)) as newest
  from gone g join unnest($2::text[], $3::bigint[]) w(name, rel) using (name) group by 1),
due as (
  select rel, coalesce(f.rows, 0) + coalesce(w.waiting, 0) as rows, greatest(f.newest, w.newest) as newest, f.rel is null as again, w.why
  from fresh f full join (select t.rel::oid as rel, t.waiting, t.newest, t.why from oubli.vacuumed_table t where t.waiting > 0) w using (rel))
select d.rel::int8 as rel, d.rows, d.newest::text as newest, d.again, d.why, oubli.vacuum_horizon()::text as horizon,
  d.again and d.newest between oubli.vacuum_horizon() and pg_snapshot_xmax(pg_current_snapshot())::text::bigint as held,
  oubli.now()::text as now, clock_timestamp()::text as began, current_setting('server_version_num')::int as version,
  -- before PostgreSQL 17 there is no privilege of that name to ask for
  pg_has_role(c.relowner, 'usage') or case when current_setting('server_version_num')::int >= 170000
    then has_table_privilege(c.oid, 'maintain') else false end as may,
  m.names, m.live, oubli.hides_samples(c.oid) or exists (select from oubli.samples(c.oid)) as sampled
from due d join pg_catalog.pg_class c on c.oid = d.rel cross join lateral (
  -- what inherits is vacuumed with its parent from PostgreSQL 18 on; partitions always are
  select to_json(array_agg(x.oid::regclass::text) filter (where x.oid = d.rel or not x.relispartition
      and current_setting('server_version_num')::int < 180000)) as names, sum(greatest(x.reltuples, 0)) as live
  from oubli.family(d.rel) f join pg_catalog.pg_class x on x.oid = f.rel and x.relkind in ('r', 'p', 'm')) m
order by 1`;

/** Before the first VACUUM; and before 15, where it waits for half a second, after each. */
export const FLUSH = 'select oubli.flush_statistics()';

/** $1 the table, $2 when the VACUUM began. Read at once: work of others is added to the dead tuples that VACUUM has counted. */
export const after = (table: string): string => `
with member as (
  select x.oid, x.reltoastrelid from oubli.family($1::oid) f join pg_catalog.pg_class x on x.oid = f.rel and x.relkind in ('r', 'm'))
select (select coalesce(bool_and(s.n_dead_tup = 0 and s.last_vacuum >= $2::timestamptz), true) from pg_catalog.pg_stat_all_tables s
    where s.relid in (select oid from member union all select reltoastrelid from member)) as clean,
  oubli.vacuum_horizon()::text as horizon, oubli.hides_samples($1::oid) as hidden,
  not exists (select from ${table}) as "isEmpty", coalesce((select json_agg(s) from oubli.samples($1::oid) s), '[]') as samples`;

/** $1 position, $2 the report, $3 the tables. */
export const DONE = `
with noted as (
  insert into oubli.vacuumed_table as t (rel, waiting, newest, why, clean_at, clean_before, forgotten_at)
  select r.rel::oid, r.waiting, r.newest, r.why, r.clean_at, r.clean_before, r.forgotten_at
  from jsonb_to_recordset($3::jsonb) r(rel bigint, waiting bigint, newest bigint, why text, clean_at timestamptz,
    clean_before bigint, forgotten_at timestamptz)
  on conflict (rel) do update set waiting = excluded.waiting, newest = excluded.newest, why = excluded.why,
    clean_at = coalesce(excluded.clean_at, t.clean_at), clean_before = coalesce(excluded.clean_before, t.clean_before),
    forgotten_at = coalesce(excluded.forgotten_at, t.forgotten_at)),
gone as (delete from oubli.vacuumed_table t where not exists (select from pg_catalog.pg_class c where c.oid = t.rel))
update oubli.vacuumed set position = greatest(position, $1), at = oubli.now(), report = $2`;
