-- What rules wait for beside a date of the team's: the end of a fiscal year, the deletion of a parent, notices.

-- The moment at which a fiscal year ends is the first of the next one: the last day is over then. Rows of one year end together.
create function oubli.fiscal_year_end(day date, starts_on text) returns date
language sql immutable
return case when not isfinite(day) then day else (
  select (case when day < this then this else this + interval '1 year' end)::date
  from (select make_date(extract(year from day)::integer, split_part(starts_on, '-', 1)::integer, split_part(starts_on, '-', 2)::integer)) y(this)) end;

-- The other way round, so that a bare column can be compared with it: rows dated before this day are due at that moment. A month
-- may be up to three days longer than another, and of the two years that come into question the calendar itself says which.
create function oubli.fiscal_year_closed(at timestamptz, starts_on text, keep interval, lead interval, zone text) returns date
language sql stable
return (
  select max(first_day)::date
  from (select oubli.fiscal_year_end((at at time zone zone - keep + lead + interval '9 days')::date, starts_on)) y(next_year),
    lateral (values (next_year - interval '1 year'), (next_year - interval '2 years')) f(first_day)
  where (first_day + keep - lead) at time zone zone <= at);

-- Rows whose parent was deleted, and when: on the calendar of their rule. Named by their primary key.
create table oubli.parent_deletion (
  rel        regclass not null,
  row_key    text[] not null,
  deleted_on date not null,
  primary key (rel, row_key)
);
create index on oubli.parent_deletion (rel, deleted_on);

create function oubli.key_columns(target regclass) returns name[]
language sql stable set search_path = pg_catalog
return (
  select array_agg(a.attname order by k.place)
  from pg_index i, unnest(i.indkey) with ordinality k(attnum, place), pg_attribute a
  where i.indrelid = target and i.indisprimary and a.attrelid = target and a.attnum = k.attnum);

create function oubli.key_values(target regclass, of jsonb) returns text[]
language sql stable
return (select array_agg(of ->> col order by place) from unnest(oubli.key_columns(target)) with ordinality k(col, place));

-- The declared table that rows of this one, perhaps a partition, belong to, and the reference whose end starts their clock.
create function oubli.ends_with_parent(target regclass) returns table (rel regclass, reference name, zone text)
language sql stable set search_path = pg_catalog
begin atomic
  select p.rel, (p.spec #>> '{retention,from,deletionOf}')::name, p.spec #>> '{retention,timeZone}'
  from oubli.personal_table p
  where p.spec #>> '{retention,from,deletionOf}' is not null
    and (p.rel = target or p.rel in (select relid from pg_partition_ancestors(target)));
end;

-- Run at COMMIT, when it is known what became of row and parent: whoever empties the reference first and deletes the parent then
-- has deleted the parent of the row, and whoever only empties it has not.
create function oubli.record_parent_deletion() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  declared record;
  parent record;
  mine text[];
  still boolean;
begin
  select * into declared from oubli.ends_with_parent(tg_relid);
  if declared.rel is null then
    return null;
  end if;
  mine := oubli.key_values(declared.rel, to_jsonb(new));
  execute format('select t.%I is null from %s t where %s', declared.reference, declared.rel, (
    select string_agg(format('t.%I = ($1)[%s]::%s', col, place, oubli.written_type(a.atttypid, -1)), ' and ')
    from unnest(oubli.key_columns(declared.rel)) with ordinality k(col, place)
    join pg_attribute a on a.attrelid = declared.rel and a.attname = k.col)) into still using mine;
  if not coalesce(still, false) then
    delete from oubli.parent_deletion d where d.rel = declared.rel and d.row_key = mine;
    return null;
  end if;
  for parent in
    select k.confrelid::regclass as rel, string_agg(format('x.%I = (($1) ->> %L)::%s', r.attname, c.attname, oubli.written_type(r.atttypid, -1)), ' and ') as same
    from pg_constraint k, unnest(k.conkey, k.confkey) u(own, other), pg_attribute c, pg_attribute r
    where k.conrelid = declared.rel and k.contype = 'f' and c.attrelid = k.conrelid and c.attnum = u.own
      and r.attrelid = k.confrelid and r.attnum = u.other
      and exists (select from pg_attribute a where a.attrelid = k.conrelid and a.attname = declared.reference and a.attnum = any(k.conkey))
    group by k.oid, k.confrelid
  loop
    execute format('select exists (select from %s x where %s)', parent.rel, parent.same) into still using to_jsonb(old);
    if not still then
      insert into oubli.parent_deletion values (declared.rel, mine, (oubli.now() at time zone declared.zone)::date)
      on conflict do nothing;
    end if;
  end loop;
  return null;
end $$;
-- whoever may call it could make it run, with its owner's rights, over a table of his own
revoke all on function oubli.record_parent_deletion() from public;

-- A key that is used again is another row's; a row whose key changes keeps its clock.
create function oubli.follow_row_key() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  declared record;
begin
  select * into declared from oubli.ends_with_parent(tg_relid);
  if tg_op = 'TRUNCATE' then
    delete from oubli.parent_deletion d where d.rel = declared.rel;
  elsif tg_op = 'DELETE' then
    delete from oubli.parent_deletion d where d.rel = declared.rel and d.row_key = oubli.key_values(declared.rel, to_jsonb(old));
  else
    update oubli.parent_deletion d set row_key = oubli.key_values(declared.rel, to_jsonb(new))
    where d.rel = declared.rel and d.row_key = oubli.key_values(declared.rel, to_jsonb(old));
  end if;
  return null;
end $$;
-- whoever may call it could make it run, with its owner's rights, over a table of his own
revoke all on function oubli.follow_row_key() from public;

create function oubli.watch_parent(target regclass, reference name) returns void
language plpgsql as $$
declare
  key_columns name[] := oubli.key_columns(target);
begin
  execute format('drop trigger if exists oubli_parent_deleted on %s', target);
  execute format('drop trigger if exists oubli_row_deleted on %s', target);
  execute format('drop trigger if exists oubli_row_renamed on %s', target);
  execute format('drop trigger if exists oubli_rows_emptied on %s', target);
  -- what is no column of the table, and a table without a key, is refused when the catalogue is verified
  if key_columns is null or not exists (
    select from pg_catalog.pg_attribute a where a.attrelid = target and a.attname = reference and not a.attisdropped) then
    return;
  end if;
  execute format('create constraint trigger oubli_parent_deleted after update of %I on %s deferrable initially deferred
    for each row when (old.%1$I is distinct from new.%1$I) execute function oubli.record_parent_deletion()', reference, target);
  execute format('create trigger oubli_row_deleted after delete on %s
    for each row execute function oubli.follow_row_key()', target);
  execute format('create trigger oubli_rows_emptied after truncate on %s
    for each statement execute function oubli.follow_row_key()', target);
  execute format('create trigger oubli_row_renamed after update of %s on %s
    for each row execute function oubli.follow_row_key()', (select string_agg(quote_ident(col), ', ') from unnest(key_columns) col), target);
end $$;

-- The latest of several dates is found by an index over the same expression as the due test has.
create function oubli.index_latest(target regclass, columns name[]) returns void
language plpgsql as $$
declare
  latest text := (select format('GREATEST(%s)', string_agg(quote_ident(col), ', ' order by place)) from unnest(columns) with ordinality c(col, place));
begin
  if (select count(distinct a.atttypid) <> 1 or count(*) <> cardinality(columns) from pg_catalog.pg_attribute a
      where a.attrelid = target and a.attname = any(columns) and not a.attisdropped
        and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype))
    or exists (
      select from pg_catalog.pg_index i where i.indrelid = target and i.indkey[0] = 0 and i.indisvalid and i.indpred is null
        and pg_get_indexdef(i.indexrelid, 1, false) = latest) then
    return;
  end if;
  execute format('create index on %s ((%s))', target, latest);
end $$;

-- What a rule needs besides its declaration: the index by which it finds what is due, or the triggers that start its clock.
create function oubli.prepare_anchor() returns trigger
language plpgsql as $$
declare
  anchor jsonb := new.spec #> '{retention,from}';
  before jsonb := case when tg_op = 'UPDATE' then old.spec #> '{retention,from}' end;
begin
  if jsonb_typeof(anchor) = 'object' and anchor ? 'endOfFiscalYear' then
    perform oubli.index_anchor(new.rel, anchor ->> 'endOfFiscalYear');
  elsif jsonb_typeof(anchor) = 'object' and anchor ? 'latestOf' then
    perform oubli.index_latest(new.rel, array(select jsonb_array_elements_text(anchor -> 'latestOf')));
  end if;
  if jsonb_typeof(anchor) = 'object' and anchor ? 'deletionOf' then
    perform oubli.watch_parent(new.rel, anchor ->> 'deletionOf');
  elsif jsonb_typeof(before) = 'object' and before ? 'deletionOf' then
    perform oubli.watch_parent(new.rel, null);
    delete from oubli.parent_deletion d where d.rel = old.rel;
  end if;
  return null;
end $$;
create trigger anchored after insert or update on oubli.personal_table
  for each row execute function oubli.prepare_anchor();

-- An event outlives the person where rows that she left behind go by it: rows that the law keeps, or that an application's DELETE did
-- not take along. It starts no clock of whoever has her name next, nor of that person's rows. From `look_on` on it may be that the last
-- of those rows has left, and the event is to go with it.
alter table oubli.person_event add left_behind boolean not null default false, add look_on date not null default '-infinity',
  add check (left_behind or look_on = '-infinity');
create index on oubli.person_event (look_on) where left_behind;
-- What is known of one person, whatever the event.
create index on oubli.person_event (kind, subject_id);

-- People of a kind that was declared anew, in another table, may have the numbers of those who were there before.
create function oubli.forget_clocks() returns trigger
language plpgsql as $$
begin
  delete from oubli.parent_deletion d where d.rel = old.rel;
  delete from oubli.person_event e where e.kind = old.subject_kind;
  delete from oubli.notice n where n.rule = 'subject:' || old.subject_kind;
  return null;
end $$;
create trigger forgotten after delete on oubli.personal_table
  for each row execute function oubli.forget_clocks();

-- Notices of an end that comes: one row per person, day that was announced and notice, so that a new end, or a rule that has another
-- period now, has notices of its own. The day is on the calendar of the rule. Claimed before the callback is called, sent when it has returned: only a crash between the two repeats it.
create table oubli.notice (
  rule       text not null,
  subject_id text not null,
  due_on     date not null,
  notice     text not null,
  claimed_at timestamptz,
  sent_at    timestamptz,
  attempts   integer not null default 0,
  primary key (rule, subject_id, due_on, notice)
);
