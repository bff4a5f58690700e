-- What can no longer be undone, and what still can, until when.

-- What was looked at beside an erasure is found by the entries it speaks of (ERASURE.md A7, L5).
create index on oubli.ledger using gin ((details -> 'entries') jsonb_path_ops) where act = 'examined';

-- How far the tables that erasures touched have been vacuumed, by the position in the ledger's chain, and what became of it.
create table oubli.vacuumed (
  only_one boolean primary key default true check (only_one),
  position bigint not null default 0,
  at       timestamptz,
  report   jsonb
);
insert into oubli.vacuumed default values;

-- Of each of these tables what still waits for a VACUUM, and what the last one has proved.
create table oubli.vacuumed_table (
  rel            regclass primary key,
  -- rows that left and may still be on its pages, the last transaction that took any, and why no VACUUM has removed them
  waiting        bigint not null,
  newest         bigint not null,
  why            text,
  -- a VACUUM that began at this moment left no dead tuple, and nobody could hold one that a transaction before this one made
  clean_at       timestamptz,
  clean_before   bigint,
  -- at this moment the planner's statistics held nothing from before
  forgotten_at   timestamptz
);

-- A transaction's number with its epoch; of one more than 2^31 transactions ago too great a number, which claims less.
create function oubli.full_number(transaction xid) returns bigint
language sql stable
return (select n.next - ((n.next - transaction::text::bigint + 2147483648) & 4294967295) + 2147483648
        from (select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint as next) n);

-- The oldest transaction that keeps VACUUM from removing what later ones deleted (PostgreSQL manual 24.1.2, 26.2.6): somebody's open
-- transaction or snapshot, in this database or of a standby that sends feedback, a replication slot, a prepared transaction.
create function oubli.vacuum_horizon() returns bigint
language sql stable
begin atomic
  select least(pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint,
    (select min(least(oubli.full_number(a.backend_xid), oubli.full_number(a.backend_xmin))) from pg_catalog.pg_stat_activity a
     where a.pid <> pg_catalog.pg_backend_pid() and (a.datid is null or a.datname = pg_catalog.current_database())
       and not exists (select from pg_catalog.pg_stat_progress_vacuum v where v.pid = a.pid)), -- VACUUM itself holds nothing
    (select min(oubli.full_number(s.xmin)) from pg_catalog.pg_replication_slots s),
    (select min(oubli.full_number(x.transaction)) from pg_catalog.pg_prepared_xacts x where x.database = pg_catalog.current_database()));
end;

-- What this session did is in PostgreSQL's statistics before it goes on, and it reads them as they are: else what it deleted might be
-- counted after the VACUUM that removed it. Before 15 a process of its own collects them: sessions tell it at the end of a statement,
-- at most every half second, and are shown what is up to half a second old (PGSTAT_STAT_INTERVAL).
create function oubli.flush_statistics() returns void
language plpgsql as $$
begin
  if current_setting('server_version_num')::integer >= 150000 then
    perform pg_catalog.pg_stat_force_next_flush();
  else
    perform pg_catalog.pg_sleep(0.5);
  end if;
end $$;

-- The personal columns that anybody can read: clear, truncated, pseudonymised.
create function oubli.readable_columns(target regclass) returns name[]
language sql stable
return (select coalesce(array_agg(a.column_name order by a.column_name), '{}') from oubli.annotation a
        join pg_catalog.pg_attribute t on t.attrelid = a.rel and t.attname = a.column_name and not t.attisdropped
        left join oubli.element e on e.domain = t.atttypid
        where a.rel = target and not a.spec ? 'notPersonal' and e.protect is distinct from 'encrypt');

-- Where PostgreSQL keeps samples of rows (pg_stats, pg_stats_ext, pg_stats_ext_exprs): of personal columns that are readable, of
-- expressions that are indexed, of several columns together. What no ANALYZE makes anew is kept. Asked from the tables, for the
-- views are over all there are.
create function oubli.samples(target regclass)
returns table (schema name, relation name, col name, inherited boolean, is_extended boolean, is_readable boolean, is_kept boolean)
language plpgsql stable set plan_cache_mode = force_generic_plan as $$ -- planning it takes longer than running it
#variable_conflict use_column
begin
  return query
  with readable as materialized (select oubli.readable_columns(target) as columns),
  member as materialized (select c.oid as rel, n.nspname, c.relname from oubli.family(target) f
    join pg_catalog.pg_class c on c.oid = f.rel join pg_catalog.pg_namespace n on n.oid = c.relnamespace),
  place as materialized (
    select m.nspname, m.relname, a.attrelid, a.attnum, a.attname, true as is_readable, a.attstattarget
    from member m join pg_catalog.pg_attribute a on a.attrelid = m.rel, readable r where a.attname = any (r.columns)
    union all
    select m.nspname, x.relname, a.attrelid, a.attnum, a.attname, exists (
      select from pg_catalog.pg_depend d join pg_catalog.pg_attribute u on u.attrelid = d.refobjid and u.attnum = d.refobjsubid
      where d.classid = 'pg_class'::regclass and d.objid = x.oid and d.refclassid = 'pg_class'::regclass and d.refobjid = m.rel
        and u.attname = any (r.columns)), a.attstattarget
    from member m join pg_catalog.pg_index i on i.indrelid = m.rel and i.indexprs is not null
    join pg_catalog.pg_class x on x.oid = i.indexrelid join pg_catalog.pg_attribute a on a.attrelid = x.oid, readable r),
  several as materialized (
    select n.nspname, x.stxname, x.stxstattarget = 0 or exists (
      select from pg_catalog.pg_attribute a where a.attrelid = m.rel and a.attnum = any (x.stxkeys) and a.attstattarget = 0) as is_kept
    from member m join pg_catalog.pg_statistic_ext x on x.stxrelid = m.rel join pg_catalog.pg_namespace n on n.oid = x.stxnamespace, readable r
    where x.stxexprs is not null or exists (
      select from pg_catalog.pg_attribute a where a.attrelid = m.rel and a.attnum = any (x.stxkeys) and a.attname = any (r.columns)))
  select p.nspname, p.relname, p.attname, s.inherited, false, p.is_readable, coalesce(p.attstattarget, -1) = 0
  from place p cross join lateral (
    select s.inherited from pg_catalog.pg_stats s where s.schemaname = p.nspname and s.tablename = p.relname and s.attname = p.attname
      and (s.most_common_vals is not null or s.histogram_bounds is not null or s.most_common_elems is not null
        or to_jsonb(s) ->> 'range_bounds_histogram' is not null) offset 0) s -- the last from PostgreSQL 17 on
  union all
  select v.nspname, v.stxname, null::name, false, true, true, coalesce(v.is_kept, false) from several v
  where exists (select from pg_catalog.pg_stats_ext e where e.statistics_schemaname = v.nspname and e.statistics_name = v.stxname
      and e.most_common_vals is not null)
    or exists (select from pg_catalog.pg_stats_ext_exprs e where e.statistics_schemaname = v.nspname and e.statistics_name = v.stxname
      and (e.most_common_vals is not null or e.histogram_bounds is not null or e.most_common_elems is not null));
end $$;

-- Whether PostgreSQL shows some of them to others only: to whom it lets read the table, those of several columns to its owner.
create function oubli.hides_samples(target regclass) returns boolean
language sql stable
return (select bool_or(not has_table_privilege(c.oid, 'select') or row_security_active(c.oid)
          or not pg_has_role(c.relowner, 'usage') and exists (select from pg_catalog.pg_statistic_ext x where x.stxrelid = c.oid))
        from oubli.family(target) f join pg_catalog.pg_class c on c.oid = f.rel);

-- A clear column that asks for it is never sampled: the planner's statistics outlive the rows, and those of an emptied table even
-- an ANALYZE (ERASURE.md L4).
create function oubli.settle_statistics() returns trigger
language plpgsql as $$
declare
  was boolean := tg_op = 'UPDATE' and old.spec ->> 'statistics' = 'none';
begin
  if (new.spec ->> 'statistics' = 'none') is not distinct from was or new.spec ->> 'statistics' is null and not was then
    return null;
  end if;
  execute format('alter table %s alter column %I set statistics %s', new.rel, new.column_name, case when was then -1 else 0 end);
  return null;
end $$;
create trigger settled after insert or update of spec on oubli.annotation
  for each row execute function oubli.settle_statistics();

-- Rows of declared tables leave, so they are vacuumed when some hundreds have left, and not a fifth of the table. What the team has set
-- stays. A partitioned table has no rows of its own, and takes no such settings.
create function oubli.settle_vacuum() returns trigger
language plpgsql as $$
declare
  part record;
begin
  for part in
    select c.oid::regclass as rel, string_agg(format('%s = %s', s.name, s.value), ', ') as settings
    from oubli.family(new.rel) f join pg_catalog.pg_class c on c.oid = f.rel and c.relkind = 'r'
    cross join (values ('autovacuum_vacuum_scale_factor', '0.01'), ('autovacuum_vacuum_threshold', '500')) s(name, value)
    where not exists (select from unnest(c.reloptions) o where o like s.name || '=%')
    group by c.oid
  loop
    execute format('alter table %s set (%s)', part.rel, part.settings);
  end loop;
  return null;
end $$;
create trigger settled after insert on oubli.personal_table
  for each row execute function oubli.settle_vacuum();

-- A column that was declared when its table had rows stood in clear until the backfill had sealed the last of them, and so does one
-- whose protection was on its way out and came back. What was written then may be in heap, indexes, WAL and backups: certificates
-- say so. `infinity` while it does. Of what was declared before this version nobody remembers, so it is taken for such a one.
alter table oubli.element add column clear_until timestamptz, add column declared_by xid8 not null default pg_catalog.pg_current_xact_id();
update oubli.element set clear_until = case state when 'sealed' then oubli.now() else 'infinity' end;

create function oubli.remember_clear() returns trigger
language plpgsql as $$
begin
  if new.state = 'transition' then
    new.clear_until := 'infinity';
  elsif new.declared_by = pg_catalog.pg_current_xact_id() then
    new.clear_until := null; -- an empty table: nobody has seen it otherwise
  else
    new.clear_until := oubli.now();
  end if;
  return new;
end $$;
create trigger remembered before insert on oubli.element for each row when (new.state = 'transition') execute function oubli.remember_clear();
create trigger remembered_again before update of state on oubli.element
  for each row when (old.state <> new.state) execute function oubli.remember_clear();

-- A mark of the schema as PostgreSQL has it, and of what is declared: another one after each change, and asked for in a fraction of the
-- time that all of it takes to be read. Each row of PostgreSQL's catalogues is a new one when it is changed, with the transaction that
-- wrote it and a place of its own; what VACUUM and ANALYZE count is written in place, and is no change (PostgreSQL's source, heapam.c).
-- Sums of transactions' numbers would not do: of one that began early and ended late the changes of two rows may cancel each other out.
-- PostgreSQL's own rows have numbers below 16384, but for the schema public. A function, so that it is planned once a session.
create function oubli.schema_mark() returns text
language plpgsql stable as $$
begin
  return concat_ws(' ',
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_class t where t.oid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_attribute t where t.attrelid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_attrdef t where t.adrelid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_type t where t.oid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_constraint t where t.oid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_index t where t.indexrelid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_inherits t where t.inhrelid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_trigger t where t.tgrelid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_rewrite t where t.ev_class >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_proc t where t.oid >= 16384),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from pg_catalog.pg_namespace t),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from oubli.element t),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from oubli.annotation t),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from oubli.personal_table t),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from oubli.reference t),
    (select concat(count(*), '/', bit_xor(hashtidextended(t.ctid, t.xmin::text::bigint))) from oubli.archive t));
end $$;

-- Keeps what is passed as a parameter out of the server's log for the rest of the transaction, as far as this role may. Of errors it never
-- is (the default, and again here); of slow and of all statements it is wherever log_parameter_max_length and the settings below say
-- so. That the role may set it is asked from PostgreSQL 15 on: before, the name of the function alone is an error, and only superusers may.
create function oubli.parameters_are_logged() returns boolean
language plpgsql as $$
declare
  may boolean := current_setting('is_superuser') = 'on';
  by_extensions boolean :=
    coalesce(current_setting('auto_explain.log_min_duration', true), '-1') <> '-1'
      and coalesce(current_setting('auto_explain.log_parameter_max_length', true), '-1') <> '0'
    or coalesce(current_setting('pgaudit.log_parameter', true), 'off') = 'on';
begin
  perform set_config('log_parameter_max_length_on_error', '0', true);
  if not may and current_setting('server_version_num')::int >= 150000 then
    execute $q$select has_parameter_privilege(current_user, 'log_parameter_max_length', 'set')$q$ into may;
  end if;
  if may then
    perform set_config('log_parameter_max_length', '0', true);
    return by_extensions;
  end if;
  return by_extensions or current_setting('log_parameter_max_length') <> '0' and (
    current_setting('log_min_duration_statement') <> '-1' or current_setting('log_min_duration_sample') <> '-1'
    or current_setting('log_statement') = 'all' or current_setting('log_transaction_sample_rate') <> '0');
end $$;
