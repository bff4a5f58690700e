-- Who may not be touched: holds, restrictions, and people who were erased.

-- A case for which things are kept: a lawsuit, an audit. It holds until it is released, or its last day (UTC) is over.
create table oubli.hold_case (
  id          integer generated always as identity primary key,
  name        text not null,
  ground      text not null,
  until       date,
  opened_at   timestamptz not null default oubli.now(),
  released_at timestamptz
);
create unique index on oubli.hold_case (name) where released_at is null;

create table oubli.held_person (
  kind       text not null,
  subject_id text not null,
  case_id    integer not null references oubli.hold_case,
  primary key (kind, subject_id, case_id)
);
create index on oubli.held_person (case_id);

-- A row is named by its table, of partitions the topmost, and the texts of its primary key.
create table oubli.held_row (
  rel     regclass not null,
  row_key text[] not null,
  case_id integer not null references oubli.hold_case,
  primary key (rel, row_key, case_id)
);
create index on oubli.held_row (case_id);

-- GDPR Art. 18: from here on she is only stored. Her key is named so that whoever reads finds it beside the key.
create table oubli.restriction (
  kind       text not null,
  subject_id text not null,
  key_id     bytea not null unique,
  -- Art. 18(1)(a) to (d)
  ground     text not null check (ground in ('accuracy', 'unlawful', 'claims', 'objection')),
  because    text not null,
  since      timestamptz not null default oubli.now(),
  primary key (kind, subject_id)
);

-- On which tables the triggers stand, and for whom: 'case 3', 'restriction user'. Written before the triggers are placed and
-- again by whoever places a hold, so that a transaction with an older view of the database fails to serialise.
create table oubli.held_table (
  rel    regclass not null,
  holder text not null,
  placed bigint not null default 0,
  primary key (rel, holder)
);

-- What was to leave, and could not. A request is carried out when nothing holds her any more; a rule is swept again.
create table oubli.deferred_request (
  kind        text not null,
  subject_id  text not null,
  because     text not null,
  held_by     text not null,
  deferred_at timestamptz not null default oubli.now(),
  primary key (kind, subject_id)
);
create table oubli.deferred_sweep (
  rule        text not null,
  held_by     text not null,
  due         bigint not null,
  deferred_at timestamptz not null default oubli.now(),
  primary key (rule, held_by)
);

-- Transactions of the life cycle itself, while they run: what they write about restricted and erased people is their work.
create unlogged table oubli.errand (transaction xid8 primary key default pg_catalog.pg_current_xact_id());
-- Of these the ones that seal the same values under other keys: what is held stays what it is. Granted to nobody.
create unlogged table oubli.resealing (transaction xid8 primary key default pg_catalog.pg_current_xact_id());

create view oubli.standing_case as
  select c.* from oubli.hold_case c
  where c.released_at is null and (c.until is null or oubli.now() < (c.until + 1)::timestamp at time zone 'UTC');

-- The predicate (ERASURE.md H1). Who restricted the processing because it was unlawful, or because she needs the data for legal
-- claims, opposes the erasure (GDPR Art. 18(1)(b), (c)): that holds as well as a case does.
create view oubli.person_held as
  select p.kind, p.subject_id, c.name as held_by from oubli.held_person p join oubli.standing_case c on c.id = p.case_id
  union all
  select r.kind, r.subject_id, 'restriction (GDPR Art. 18(1)(' || case r.ground when 'unlawful' then 'b' else 'c' end || '))'
  from oubli.restriction r where r.ground in ('unlawful', 'claims');

create view oubli.row_held as
  select r.rel, r.row_key, c.name as held_by from oubli.held_row r join oubli.standing_case c on c.id = r.case_id;

-- A partition's rows, and those of a table that inherits, are rows of the topmost one.
create function oubli.topmost(target regclass) returns regclass
language sql stable
begin atomic
  with recursive up(rel) as (
    select target::oid union all select i.inhparent from up u join pg_catalog.pg_inherits i on i.inhrelid = u.rel)
  select u.rel::regclass from up u where not exists (select from pg_catalog.pg_inherits i where i.inhrelid = u.rel) limit 1;
end;

create function oubli.is_held(of_kind text, id text) returns boolean
language sql stable
return exists (select from oubli.person_held h where h.kind = of_kind and h.subject_id = id);

create function oubli.is_held(target regclass, row_key text[]) returns boolean
language sql stable
return exists (select from oubli.row_held h where h.rel = oubli.topmost(target) and h.row_key = is_held.row_key);

-- For lists that must leave out whom nobody may read: `where not oubli.is_restricted('user', users.id::text)`.
create function oubli.is_restricted(of_kind text, id text) returns boolean
language sql stable
return exists (select from oubli.restriction r where r.kind = of_kind and r.subject_id = id);

-- Triggers stand on a table while something holds there, and no longer: without holds nothing is asked. Bodies are numbered, not
-- named after their table, and hold names and types of its columns: what a migration changed is another body.
create sequence oubli.hold_number;

create function oubli.hold_function(source text) returns text
language plpgsql as $$
declare
  made text := (select p.oid::regproc::text from pg_catalog.pg_proc p
                where p.pronamespace = 'oubli'::regnamespace and p.proname like 'hold %' and p.prosrc = source limit 1);
  fresh text := format('oubli.%I', 'hold ' || nextval('oubli.hold_number'));
begin
  if made is null then
    execute format('create function %s() returns trigger language plpgsql security definer '
      'set search_path = pg_catalog, pg_temp as %L; revoke all on function %s() from public', fresh, source, fresh);
  end if;
  return coalesce(made, fresh);
end $$;

-- Places, replaces or, with NULL for the source, drops one trigger. PostgreSQL clones row triggers to partitions, also to later
-- ones; those that fire for a statement it does not, nor any to tables that inherit: there each gets its own.
-- ALWAYS, so that session_replication_role does not go past it.
create function oubli.place_hold_trigger(target regclass, named name, timing text, level text, source text) returns void
language plpgsql as $$
declare
  member record;
begin
  for member in
    with recursive family(rel) as (
      select target::oid union select i.inhrelid from family f join pg_catalog.pg_inherits i on i.inhparent = f.rel)
    select f.rel::regclass as rel, t.oid is not null as there, p.prosrc is not distinct from source as same from family f
    join pg_catalog.pg_class c on c.oid = f.rel and c.relkind in ('r', 'p')
    left join pg_catalog.pg_trigger t on t.tgrelid = f.rel and t.tgname = named left join pg_catalog.pg_proc p on p.oid = t.tgfoid
    where not (c.relispartition and level = 'row') loop
    if member.there and not member.same then
      execute format('drop trigger %I on %s', named, member.rel);
    end if;
    if source is not null and not (member.there and member.same) then
      execute format('create trigger %I %s on %s for each %s execute function %s()',
        named, timing, member.rel, level, oubli.hold_function(source));
    end if;
  end loop;
  for member in
    with recursive family(rel) as (
      select target::oid union select i.inhrelid from family f join pg_catalog.pg_inherits i on i.inhparent = f.rel)
    select f.rel::regclass as rel from family f join pg_catalog.pg_trigger t on t.tgrelid = f.rel and t.tgname = named
    where t.tgenabled <> 'A' loop
    execute format('alter table only %s enable always trigger %I', member.rel, named);
  end loop;
end $$;

-- As for guards.
create function oubli.drop_unused_functions(of text) returns void
language plpgsql as $$
declare
  unused regprocedure;
begin
  for unused in select p.oid::regprocedure from pg_catalog.pg_proc p
                where p.pronamespace = 'oubli'::regnamespace and p.proname like of || ' %'
                  and not exists (select from pg_catalog.pg_trigger t where t.tgfoid = p.oid) loop
    execute format('drop function %s', unused);
  end loop;
end $$;

-- A transaction with one view of the database for all its statements does not see a hold that was committed after it began.
create function oubli.refuse_older_view(target regclass) returns void
language plpgsql as $$
begin
  if current_setting('transaction_isolation') in ('read committed', 'read uncommitted') then
    return;
  end if;
  perform from oubli.held_table t where t.rel = target for share;
  if not found then
    raise exception 'oubli: something was held after this transaction began' using errcode = 'serialization_failure';
  end if;
end $$;

create function oubli.refuse_held(target regclass, held_by text) returns void
language plpgsql as $$
begin
  if held_by is not null and not exists (select from oubli.resealing r where r.transaction = pg_catalog.pg_current_xact_id()) then
    raise exception 'oubli: a row of % is held', oubli.display_name(target)
      using errcode = 'OU035', table = oubli.display_name(target), constraint = held_by;
  end if;
end $$;

create function oubli.refuse_restricted(target regclass, refused boolean) returns void
language plpgsql as $$
begin
  if refused and not exists (select from oubli.errand e where e.transaction = pg_catalog.pg_current_xact_id()) then
    raise exception 'oubli: the processing of a row of % is restricted', oubli.display_name(target)
      using errcode = 'OU037', table = oubli.display_name(target);
  end if;
end $$;

-- An erased row that stays is not brought back (ERASURE.md A8): neither by a late upsert, nor by COPY, MERGE or another service,
-- also in columns that are clear or truncated, and not by new rows about her. She is found by her link, which stays with
-- her row; of whoever left with her row there is only a keyed reference, which PostgreSQL cannot compute.
create index on oubli.subject_link (kind, subject_id) where erased_at is not null;

create function oubli.refuse_revival(refused boolean, named text) returns void
language plpgsql as $$
begin
  if refused and not exists (select from oubli.errand e where e.transaction = pg_catalog.pg_current_xact_id()) then
    raise exception 'oubli: a row of % is about somebody who was erased', named using errcode = 'OU036', table = named;
  end if;
end $$;

-- Whose data the columns of a declared table are: its own subject's, and each other person's (ERASURE.md G3).
create function oubli.personal_columns(target regclass, out wanted jsonb, out columns name[]) returns setof record
language sql stable
begin atomic
  select nullif(w.wanted, 'null'::jsonb), coalesce(array_agg(w.col order by w.col) filter (where w.col is not null), '{}') from (
    select coalesce(a.spec -> 'subject', 'null'::jsonb) as wanted, a.column_name as col from oubli.annotation a
    where a.rel = target and not a.spec ? 'notPersonal'
    union all select 'null'::jsonb, null from oubli.personal_table p where p.rel = target) w
  group by w.wanted;
end;

-- As types that have an equality, whatever the columns' own.
create function oubli.compared(target regclass, columns name[], alias text) returns text
language sql stable
return (select string_agg(format('%s.%I::%s', alias, a.attname, case when e.protect = 'encrypt' then 'bytea' else 'text' end), ', ' order by a.attname)
        from pg_catalog.pg_attribute a left join oubli.element e on e.domain = a.atttypid
        where a.attrelid = target and a.attname = any(columns) and not a.attisdropped);

-- Of an INSERT every row about her, of an UPDATE what changed in her columns or was led to her. Rows of several people are refused
-- where something stands in the columns of hers.
create function oubli.guard_of_erased(target regclass, event text) returns text
language plpgsql stable as $$
declare
  party record;
  parts text;
  erased text;
  named text := oubli.display_name(target);
begin
  for party in
    select p.wanted, p.columns, s.owner, s.tables, way.kind, (s.tables[1]).onward as onward
    from oubli.personal_columns(target) p, lateral oubli.path_to_subject(target, p.wanted) way,
      lateral oubli.stations(target, way.col, way.hops) s
    where way.kind is not null and exists (select from oubli.personal_table t where t.rel = target) order by p.wanted nulls first loop
    erased := format('%s where exists (select from oubli.subject_link l where l.kind = %L and l.subject_id = (%s)::text and l.erased_at is not null)%s',
      oubli.from_written(party.tables, 0, 'written'), party.kind, party.owner,
      case when party.wanted is not null then format(' and num_nonnulls(%s) > 0', oubli.listed(party.columns, 't0')) end);
    if event = 'insert' then
      parts := concat(parts, format($sql$
  if exists (select from %s) then
    perform oubli.refuse_revival(true, %L);
  end if;$sql$, erased, named));
    else
      parts := concat(parts, format($sql$
  if exists (select from %s) then
    perform oubli.refuse_revival(exists (select %s from %s except select %s from former f), %L);
  end if;$sql$, erased, oubli.compared(target, oubli.sorted(party.columns || party.onward), 't0'), erased,
        oubli.compared(target, oubli.sorted(party.columns || party.onward), 'f'), named));
    end if;
  end loop;
  return parts;
end $$;

-- The ways from a table's rows to people on which no foreign key of theirs, nor the key that a value is sealed under, has a writer and
-- an erasure wait for each other: by what PostgreSQL does not know to be a reference, JSON included, and through rows that an
-- erasure may leave where they are. Of several types each has its way; a table is gone on from once.
create function oubli.open_ways(target regclass, wanted jsonb, out kind text, out subjects regclass, out col name, out hops oid[])
  returns setof record
language plpgsql stable as $$
declare
  seen oid[] := array[target::oid];
  tables oid[] := array[target::oid];
  ways text[] := array[''];
begin
  while cardinality(tables) > 0 loop
    select array_agg(k.parent), array_agg(concat_ws(',', nullif(f.way, ''), k.id)) into tables, ways
    from unnest(tables, ways) f(at, way), lateral (select * from oubli.table_reference r where r.rel = f.at offset 0) k
    where not k.parent = any(seen) and coalesce(oubli.via_of(f.at, case when f.way = '' then wanted end) = any(k.columns), true);
    for kind, subjects, col, hops in
      select s.subject_kind, s.rel, s.subject_column, string_to_array(f.way, ',')::oid[] from unnest(tables, ways) f(at, way)
      join oubli.personal_table s on s.rel = f.at and s.subject_kind = coalesce(wanted ->> 'kind', s.subject_kind) loop
      if cardinality(hops) > 1 or exists (select from unnest(hops) h(id) join oubli.reference r on r.id = h.id) then
        return next;
      end if;
    end loop;
    seen := seen || tables;
    select array_agg(f.at), array_agg(f.way) into tables, ways from unnest(tables, ways) f(at, way)
    where not exists (select from oubli.personal_table s where s.rel = f.at and s.subject_kind = coalesce(wanted ->> 'kind', s.subject_kind));
  end loop;
end $$;

-- Asked after the locks were waited for. Who left with her row is gone since it was seen; who stays has her mark.
create function oubli.refuse_gone(of_kind text, people text[], gone boolean, named text) returns void
language plpgsql as $$
begin
  perform oubli.refuse_revival(gone or exists (
    select from oubli.subject_link l where l.kind = of_kind and l.subject_id = any(people) and l.erased_at is not null), named);
end $$;

-- There the writer takes the lock that a foreign key would: an erasure waits for it, or it for the erasure, and then the person it
-- wrote about is gone. Whom nobody knew before may be written about. Of an UPDATE: who was not in the rows before.
create function oubli.guard_of_references(target regclass, event text) returns text
language sql stable
return (
  select string_agg(format($sql$
  perform oubli.refuse_gone(%7$L, w.people, w.gone, %6$L) from (
    with wanted as materialized (select distinct w.name from (select %1$s as name from %2$s%3$s) w where w.name is not null),
      seen as materialized (select t.%4$I as name from %5$s t join wanted w on t.%4$I = w.name),
      locked as materialized (select from %5$s t join seen s on t.%4$I = s.name order by t.%4$I for key share of t)
    select array(select name::text from seen) as people, (select count(*) from seen) > (select count(*) from locked) as gone) w
  where w.people <> '{}';$sql$,
    s.owner, oubli.from_written(s.tables, 0, 'written'),
    case event when 'update' then format(' except all select %s from %s', s.owner, oubli.from_written(s.tables, 0, 'former')) end,
    way.col, oubli.qualified_name(way.subjects), oubli.display_name(target), way.kind), '' order by way.hops)
  from oubli.personal_columns(target) p join oubli.personal_table t on t.rel = target and (p.wanted is not null or t.subject_kind is null),
    lateral oubli.open_ways(target, coalesce(p.wanted, t.spec -> 'subject')) way,
    lateral oubli.stations(target, way.col, way.hops) s);

-- The guard does all of it, in one trigger; the locks first, so that what is asked next sees what they waited for.
alter function oubli.guard_source(regclass, text) rename to guard_of_values;
create function oubli.guard_source(target regclass, event text) returns text
language plpgsql stable as $$
declare
  erased text := concat(oubli.guard_of_references(target, event), oubli.guard_of_erased(target, event));
  values_of text := oubli.guard_of_values(target, event);
begin
  return case when erased <> '' then
    format(E'\nbegin%s%s\n  return null;\nend ', erased, case when values_of <> '' then values_of || ';' end) else values_of end;
end $$;

-- What a trigger did about somebody and cannot write to the ledger, whose links are made with a key that PostgreSQL never sees: the next
-- sweep does.
create table oubli.unrecorded (
  id      bigint generated always as identity primary key,
  act     text not null,
  key_id  bytea,
  because text not null,
  details jsonb not null
);

-- What is known of a person by her name goes with it (ERASURE.md D3): when her row is deleted by whomever, nobody who bears the name
-- next inherits her clock, her notices, her request, her restriction; when she is renamed, they follow her. Her key stays linked to the
-- name, since rows that are deleted and inserted again in one go are sealed under it; an erasure is what destroys it. An
-- erasure sees to all of this itself.
create function oubli.knows_people(of_kind text) returns boolean
language sql stable
return exists (select from oubli.person_event x where x.kind = of_kind and not x.left_behind)
  or exists (select from oubli.notice x where x.rule = 'subject:' || of_kind)
  or exists (select from oubli.deferred_request x where x.kind = of_kind)
  or exists (select from oubli.held_person x where x.kind = of_kind)
  or exists (select from oubli.restriction x where x.kind = of_kind);

create function oubli.leave_people() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  of_kind text := tg_argv[0];
  names text[];
  gone text := 'x.subject_id = any($1)';
  work text;
begin
  if not oubli.knows_people(of_kind) or exists (select from oubli.errand e where e.transaction = pg_current_xact_id()) then
    return null;
  end if;
  if tg_op = 'DELETE' then
    execute format('select array_agg(g.%I::text) from gone g', tg_argv[1]) into names;
  else
    gone := format('not exists (select from %s t where t.%I::text = x.subject_id)', oubli.topmost(tg_relid), tg_argv[1]);
  end if;
  foreach work in array array[
    'update oubli.person_event x set left_behind = true where x.kind = $2 and not x.left_behind and %s',
    'delete from oubli.notice x where x.rule = ''subject:'' || $2 and %s',
    'delete from oubli.held_person x where x.kind = $2 and %s',
    'with closed as (delete from oubli.deferred_request x where x.kind = $2 and %s returning x.subject_id)
     insert into oubli.unrecorded (act, key_id, because, details)
     select ''erasure closed'', l.key_id, ''her row was deleted past the life cycle'', jsonb_build_object(''kind'', $2)
     from closed c left join oubli.subject_link l on l.kind = $2 and l.subject_id = c.subject_id',
    'with closed as (delete from oubli.restriction x where x.kind = $2 and %s returning x.key_id, x.ground)
     insert into oubli.unrecorded (act, key_id, because, details)
     select ''restriction lifted'', key_id, ''her row was deleted past the life cycle'', jsonb_build_object(''kind'', $2, ''ground'', ground)
     from closed'] loop
    execute format(work, gone) using names, of_kind;
  end loop;
  return null;
end $$;
-- whoever may call it could make it run, with its owner's rights, over a table of his own
revoke all on function oubli.leave_people() from public;

-- In two steps, for people may exchange their names in one statement: no name begins with the first of all characters. Under the new
-- names stands, if anything, what somebody left behind who bore one of them before. A link is moved where the name has none.
create function oubli.rename_people(of_kind text, names text[], new_names text[]) returns void
language plpgsql as $$
declare
  keyed record;
  moved text;
begin
  for keyed in
    select * from (values ('person_event', format('x.kind = %L', of_kind)), ('notice', format('x.rule = %L', 'subject:' || of_kind)),
      ('deferred_request', format('x.kind = %L', of_kind)), ('held_person', format('x.kind = %L', of_kind)),
      ('restriction', format('x.kind = %L', of_kind))) v(named, mine) loop
    execute format('update oubli.%I x set subject_id = chr(1) || r.became from unnest($1, $2) r(was, became) where %s and x.subject_id = r.was%s',
      keyed.named, keyed.mine, case keyed.named when 'person_event' then ' and not x.left_behind' end) using names, new_names;
    execute format('delete from oubli.%I x where %s and x.subject_id = any($1)', keyed.named, keyed.mine) using new_names;
    execute format('update oubli.%I x set subject_id = r.became from unnest($1) r(became) where %s and x.subject_id = chr(1) || r.became',
      keyed.named, keyed.mine) using new_names;
  end loop;
  update oubli.subject_link l set subject_id = chr(1) || r.became from unnest(names, new_names) r(was, became)
  where l.kind = of_kind and l.subject_id = r.was and not exists (
    select from oubli.subject_link o where o.kind = of_kind and o.subject_id = r.became and o.subject_id <> all(names));
  for moved in
    update oubli.subject_link l set subject_id = r.became from unnest(new_names) r(became)
    where l.kind = of_kind and l.subject_id = chr(1) || r.became returning encode(l.key_id, 'hex') loop
    perform pg_catalog.pg_notify('oubli_shredded', moved); -- out of the caches, where it is found by the old name
  end loop;
end $$;

-- The body of what follows the people of one table: by its very column, so that nothing is planned anew for each statement. It stands for
-- no column, for PostgreSQL would not let the column's type be changed then, and takes the rows before and after one by one,
-- in the order in which PostgreSQL notes them side by side (its source, trigger.c: AfterTriggerSaveEvent), whatever partition they go to.
create function oubli.follower_source(of_kind text, col name) returns text
language sql immutable
return format($sql$
declare
  renamed record;
begin
  if not (exists (select from oubli.person_event x where x.kind = %1$L) or exists (select from oubli.notice x where x.rule = 'subject:' || %1$L)
      or exists (select from oubli.deferred_request x where x.kind = %1$L) or exists (select from oubli.held_person x where x.kind = %1$L)
      or exists (select from oubli.restriction x where x.kind = %1$L)
      or exists (select from oubli.subject_link x where x.kind = %1$L and x.erased_at is not null)) then
    return null;
  end if;
  select array_agg(r.was) as names, array_agg(r.became) as new_names into renamed
  from unnest((select array_agg(x.%2$I::text) from former x), (select array_agg(x.%2$I::text) from written x)) r(was, became)
  where r.was <> r.became;
  if renamed.names is not null then
    perform oubli.rename_people(%1$L, renamed.names, renamed.new_names);
  end if;
  return null;
end $sql$, of_kind, col);

create function oubli.follower(source text) returns text
language plpgsql as $$
declare
  named text := format('oubli.%I', 'people ' || md5(source));
begin
  if to_regproc(named) is null then
    execute format('create function %s() returns trigger language plpgsql security definer '
      'set search_path = pg_catalog, pg_temp as %L; revoke all on function %s() from public', named, source, named);
  end if;
  return named;
end $$;

-- They fire for a statement, and so stand on each table of the family: PostgreSQL clones them neither to partitions nor to tables that
-- inherit. ALWAYS, so that session_replication_role does not go past them. What stands already is not touched, nor its table locked.
create function oubli.watch_people(target regclass) returns void
language plpgsql as $$
declare
  of_kind text;
  col name;
  follower text;
  each record;
begin
  select p.subject_kind, p.subject_column into of_kind, col from oubli.personal_table p where p.rel = target;
  follower := case when of_kind is not null then oubli.follower(oubli.follower_source(of_kind, col)) end;
  for each in
    select v.named, v.timing, v.called, f.rel::regclass as rel, g.oid is not null as there,
      g.tgfoid = v.called::regproc and encode(g.tgargs, 'escape') = (
        select string_agg(encode(convert_to(argument, getdatabaseencoding()), 'escape') || '\000', '' order by n)
        from unnest(array[of_kind, col]) with ordinality u(argument, n)) as same
    from (values
      ('oubli_people_left', 'after delete on %s referencing old table as gone', 'oubli.leave_people'),
      ('oubli_people_emptied', 'after truncate on %s', 'oubli.leave_people'),
      ('oubli_people_renamed', 'after update on %s referencing old table as former new table as written', follower)) v(named, timing, called)
    cross join oubli.family(target) f join pg_catalog.pg_class c on c.oid = f.rel and c.relkind in ('r', 'p')
    left join pg_catalog.pg_trigger g on g.tgrelid = f.rel and g.tgname = v.named loop
    continue when of_kind is not null and each.same;
    if each.there then
      execute format('drop trigger %I on %s', each.named, each.rel);
    end if;
    if of_kind is not null then
      execute format('create trigger %I %s for each statement execute function %s(%L, %L)',
        each.named, format(each.timing, each.rel), each.called, of_kind, col);
      execute format('alter table only %s enable always trigger %I', each.rel, each.named);
    end if;
  end loop;
  perform oubli.drop_unused_functions('people');
end $$;

-- Wherever guards are placed: also on a partition, or a table that inherits, that was made since.
alter function oubli.place_guards(regclass) rename to place_guards_of_values;
create function oubli.place_guards(target regclass) returns void
language plpgsql as $$
begin
  perform oubli.place_guards_of_values(target);
  perform oubli.watch_people(target);
end $$;
select oubli.watch_people(p.rel) from oubli.personal_table p join pg_catalog.pg_class c on c.oid = p.rel;
