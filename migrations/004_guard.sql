-- The guard of personal tables, against whichever client. After every INSERT and UPDATE each value that was written must be a
-- real sealed value (no query token), under a key that lives (K4), and under the key of the person its row leads to; and a
-- table on the way from a row to its person must not lead it to another one. Statement-level triggers with transition
-- tables: the cost is per statement, and the key rows stay locked FOR KEY SHARE until the writer commits, so an erasure waits
-- for it or it for the erasure.

create function oubli.columns_protected(target regclass, how text) returns name[]
language sql stable
return array(
  select a.attname from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid
  where a.attrelid = target and a.attnum > 0 and not a.attisdropped and e.protect = how order by a.attnum);

-- How SQL names a table whatever the search path, and how people do.
create function oubli.qualified_name(target regclass) returns text
language sql stable
return (select format('%I.%I', n.nspname, c.relname) from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = target);

create function oubli.display_name(target regclass) returns text
language sql stable
return (select case n.nspname when 'public' then '' else quote_ident(n.nspname) || '.' end || quote_ident(c.relname)
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = target);

create function oubli.columns_numbered(target oid, numbers smallint[]) returns name[]
language sql stable
return array(
  select a.attname from unnest(numbers) with ordinality n(attnum, place)
  join pg_catalog.pg_attribute a on a.attrelid = target and a.attnum = n.attnum order by n.place);

-- What values are compared as: equal numbers, addresses of rows and texts have one form each, and a number or a uuid may stand in a
-- text as well as in a column of its own type.
create function oubli.family_of_type(target oid, col name) returns text
language sql stable
return (
  select case when t.base in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) then 'bigint'
    when t.base in ('text'::regtype, 'varchar'::regtype) then 'text' else t.base::regtype::text end
  from pg_catalog.pg_attribute a, lateral (
    select coalesce(nullif(y.typbasetype, 0), y.oid) as base from pg_catalog.pg_type y where y.oid = a.atttypid) t
  where a.attrelid = target and a.attname = col and a.attnum > 0 and not a.attisdropped);

-- How a referring value is written to be compared with what it refers to, around `%s` for the column; NULL where the two types
-- cannot be compared. It is the expression that an index has to be over.
create function oubli.referring_form(rel oid, col name, path text[], target oid, referred name) returns text
language sql stable
return (
  select case when f.own = f.other then f.form when f.own = 'text' and f.other in ('bigint', 'uuid') then format('oubli.as_%s(%s)', f.other, f.form) end
  from (select case when path is null then oubli.family_of_type(rel, col) else 'text' end as own,
          oubli.family_of_type(target, referred) as other,
          case when path is null then '%s' else format('(%%s #>> %L::text[])', path) end as form) f);

-- Everything that one table's rows refer to in another: foreign keys, and what a migration declared beside them.
create view oubli.table_reference as
  select k.oid as id, k.conname::text as name, k.conrelid as rel, k.confrelid as parent, oubli.columns_numbered(k.conrelid, k.conkey) as columns,
    oubli.columns_numbered(k.confrelid, k.confkey) as referred, k.confdeltype as on_delete, null::text[] as path, '{}'::jsonb as conditions,
    null::text[] as forms
  from pg_catalog.pg_constraint k where k.contype = 'f' and k.conparentid = 0
  union all
  select r.id, 'declared reference ' || r.id, r.rel, r.parent, r.columns, r.referred, 'a', r.path, r.conditions,
    array(select oubli.referring_form(r.rel, u.col, r.path, r.parent, u.referred) from unnest(r.columns, r.referred) with ordinality u(col, referred, n)
          order by u.n)
  from oubli.reference r;

-- SQL of a referring value, and of what must hold beside it.
create function oubli.referring_value(form text, alias text, col name) returns text
language sql immutable
return case when form is null then format('%s.%I', alias, col)
  else overlay(form placing format('%s.%I', alias, col) from position('%s' in form) for 2) end;

create function oubli.referring_condition(conditions jsonb, alias text) returns text
language sql immutable
return (select string_agg(format('%s.%I = %L', alias, key, value), ' and ' order by key) from jsonb_each_text(conditions));

-- The column by which a table's rows lead on, where a declaration says so: the asking one's of its own, or that of a table on the way,
-- whose rows are its own subject's: a file is that of its message's sender, not of the recipient.
create function oubli.via_of(target regclass, own jsonb) returns text
language sql stable
return coalesce(own ->> 'via', case when own is null then (
  select p.spec #>> '{subject,via}' from oubli.personal_table p where p.rel = target) end);

-- The one shortest way from a table's rows to a person, by what it refers to; NULL where there is none, or more than one. The
-- same way as the client finds (ERASURE.md G1), which seals nothing where it leads through JSON. `of_column` is what a column says of
-- its own subject, where it has one.
create function oubli.path_to_subject(target regclass, of_column jsonb default null, out kind text, out col name, out hops oid[])
language plpgsql stable as $$
declare
  wanted jsonb := coalesce(of_column, (select p.spec -> 'subject' from oubli.personal_table p where p.rel = target));
  tables oid[] := array[target::oid];
  ways text[] := array[''];
  level oid[];
  seen oid[] := '{}';
  arrived integer;
  way text;
begin
  select p.subject_kind, p.subject_column, '{}' into kind, col, hops
  from oubli.personal_table p where p.rel = target and p.subject_kind is not null and of_column is null;
  while kind is null and tables is not null loop
    level := tables;
    select array_agg(k.parent), array_agg(concat_ws(',', nullif(f.way, ''), k.id)) into tables, ways
    from unnest(level, ways) f(at, way) join oubli.table_reference k on k.rel = f.at and k.path is null
    where not f.at = any(seen) and coalesce(oubli.via_of(f.at, case when f.way = '' then wanted end) = any(k.columns), true);
    select count(*), min(s.subject_kind), min(s.subject_column::text), min(f.way) into arrived, kind, col, way
    from unnest(tables, ways) f(at, way) join oubli.personal_table s on s.rel = f.at
    where s.subject_kind = coalesce(wanted ->> 'kind', s.subject_kind);
    if arrived > 1 then
      kind := null;
      return;
    end if;
    hops := string_to_array(way, ',')::oid[];
    seen := seen || level; -- gone on from once; but two ways into a table at one level are two ways
  end loop;
end $$;

-- One table of a way: where it stands (0: the row's own), how the table before it refers to it, and its columns that matter:
-- those it is referred to by, and those that lead on.
create type oubli.way_station as (place integer, rel regclass, condition text, referred name[], onward name[]);

-- The tables of a way, and the expression of the subject's name. The last one is left out where the reference holds the
-- very column that names the subject.
create function oubli.stations(target regclass, col name, hops oid[], out tables oubli.way_station[], out owner text)
language plpgsql stable as $$
declare
  hop record;
  place integer := 0;
  referred name[] := '{}';
  condition text;
  at regclass := target;
begin
  tables := '{}';
  for hop in
    select k.parent::regclass as rel, k.columns, k.forms, k.referred, oubli.referring_condition(k.conditions, 't' || h.n - 1) as besides,
      k.columns || array(select key::name from jsonb_object_keys(k.conditions) key order by key) as onward
    from unnest(hops) with ordinality h(id, n) join oubli.table_reference k on k.id = h.id order by h.n loop
    tables := tables || row(place, at, condition, referred, hop.onward)::oubli.way_station;
    if place + 1 = cardinality(hops) and col = any(hop.referred) then
      owner := (select oubli.referring_value(hop.forms[n], 't' || place, hop.columns[n]) from array_position(hop.referred, col) n);
      owner := case when hop.besides is null then owner else format('case when %s then %s end', hop.besides, owner) end;
      return;
    end if;
    condition := (select concat_ws(' and ', string_agg(format('%s = t%s.%I',
                    oubli.referring_value(f, 't' || place, l), place + 1, r), ' and '), hop.besides)
                  from unnest(hop.columns, hop.referred, hop.forms) pairs(l, r, f));
    place := place + 1;
    at := hop.rel;
    referred := hop.referred;
  end loop;
  tables := tables || row(place, at, condition, referred, array[col])::oubli.way_station;
  owner := format('t%s.%I', place, col);
end $$;

-- Whose values stand in a table's rows: the columns that are its own subject's, and those of each other person (ERASURE.md G3).
create function oubli.parties(target regclass, out wanted jsonb, out sealed name[], out pseudonyms name[]) returns setof record
language sql stable
begin atomic
  select s.spec -> 'subject', coalesce(array_agg(a.attname order by a.attnum) filter (where e.protect = 'encrypt'), '{}'),
    coalesce(array_agg(a.attname order by a.attnum) filter (where e.protect = 'pseudonymise'), '{}')
  from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid and e.protect in ('encrypt', 'pseudonymise')
  left join oubli.annotation s on s.rel = a.attrelid and s.column_name = a.attname
  where a.attrelid = target and a.attnum > 0 and not a.attisdropped
  group by s.spec -> 'subject' order by s.spec -> 'subject' nulls first;
end;

-- The way from a table's rows to each of these people; none to whom no way is found.
create function oubli.ways_of(target regclass, out kind text, out col name, out hops oid[], out sealed name[], out pseudonyms name[])
  returns setof record
language sql stable
begin atomic
  select way.kind, way.col, way.hops, p.sealed, p.pseudonyms
  from oubli.parties(target) p, lateral oubli.path_to_subject(target, p.wanted) way where way.kind is not null;
end;

create function oubli.listed(columns name[], alias text, suffix text default '') returns text
language sql immutable
return (select string_agg(format('%s.%I%s', alias, c, suffix), ', ' order by n) from unnest(columns) with ordinality u(c, n));

-- FROM, with what was written in the place of one of the tables: rows down to the row that was sealed must be there, whereas a
-- way that breaks off towards the person leads to nobody.
create function oubli.from_written(tables oubli.way_station[], written_place integer, written text) returns text
language sql immutable
return (
  select written || ' t' || written_place
    || coalesce(string_agg(format(' join %s t%s on %s', oubli.qualified_name(b.rel), b.place, nearer.condition), '' order by b.place desc)
      filter (where b.place < written_place), '')
    || coalesce(string_agg(format(' left join %s t%s on %s', oubli.qualified_name(b.rel), b.place, b.condition), '' order by b.place)
      filter (where b.place > written_place), '')
  from unnest(tables) b left join unnest(tables) nearer on nearer.place = b.place + 1);

-- What an erasure puts into a pseudonym's place has only hexadecimal digits.
create function oubli.is_pseudonym(value text) returns boolean
language sql immutable parallel safe
return value !~ '^psn1[.][0-9a-f]{43}$';

-- Whether less was found than was asked for because a key is not alive. A transaction with one snapshot for all its statements
-- does not see a key that was committed after it began; what it can still tell is that the key was destroyed, or is being so:
-- then the lock on it fails to serialise.
create function oubli.refuse_keys(of_kind text, keys bytea[], people text[], named text) returns void
language plpgsql as $$
begin
  if exists (
    select from unnest(keys, people) w(key_id, person) join oubli.subject_link l on l.key_id = w.key_id
    where l.kind <> of_kind or l.subject_id is distinct from w.person) then
    raise exception 'oubli: a value in % is sealed under the key of another subject', named using errcode = 'OU004';
  end if;
  if current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
    or exists (select from oubli.fence f where f.key_id = any(keys)) then
    raise exception 'oubli: a value in % is sealed under a key that is not alive', named using errcode = 'OU002';
  end if;
end $$;

-- The same for people whose pseudonyms are written, which do not say under whose key they were made.
create function oubli.demand_people(of_kind text, people text[], named text) returns void
language plpgsql as $$
declare
  living integer;
begin
  perform from oubli.subject_link l join oubli.subject_key s on s.key_id = l.key_id
  where l.kind = of_kind and l.subject_id = any(people) order by s.key_id for key share of s;
  get diagnostics living = row_count;
  if living < cardinality(people) and (current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
      or exists (select from oubli.subject_link l where l.kind = of_kind and l.subject_id = any(people) and l.erased_at is not null)) then
    raise exception 'oubli: a pseudonym in % is sealed under a key that is not alive', named using errcode = 'OU002';
  end if;
end $$;

create function oubli.refuse_other_subject(refused boolean, named text) returns void
language plpgsql as $$
begin
  if refused then
    raise exception 'oubli: a value in % is sealed under the key of another subject', named using errcode = 'OU004';
  end if;
end $$;

create function oubli.sorted(columns name[]) returns name[]
language sql immutable
return array(select distinct c from unnest(columns) c order by c);

-- What was written, as SQL; of an update only what it changed.
create function oubli.written_source(columns name[], event text) returns text
language sql immutable
return case event when 'insert' then 'written' else
  format('(select %s from written w except select %s from former w)', oubli.listed(columns, 'w'), oubli.listed(columns, 'w')) end;

-- Sealed values: no query token, only keys that live, and where the way to a person is known, hers alone: in the table's own
-- rows, or in rows that are led elsewhere further up. The writer waits for an erasure of one of the keys, or it for the writer; the
-- key of what the law obliges to keep is linked to nobody. The values of a row are under one key but in odd cases, so a row is
-- looked at by its least and greatest key first: ten times as fast as one by one. `offset 0` has each key taken out of its value
-- once, and a key's link looked up, not all links read.
create function oubli.guard_of_keys(target regclass, sealed name[], kind text, owner text, source text) returns text
language sql stable
return (select format($sql$
  select bool_or(w.token), bool_or(w.low <> w.high), array_agg(w.low), array_agg(w.person::text) into token, mixed, keys, people from (
    select distinct least(%9$s) as low, greatest(%9$s) as high, w.token, w.person from (
      select %10$s, %2$s as token, %3$s as person from %4$s offset 0) w) w
  where w.low is not null or w.token;
  if token then
    raise exception 'oubli: a query operand was offered for storage in %5$s' using errcode = 'OU001';
  end if;
  if mixed then
    select array_agg(w.id), array_agg(w.person::text) into keys, people from (
      select distinct k.id, %3$s as person from %4$s cross join lateral unnest(array[%1$s]) k(id) where k.id is not null) w;
  end if;
  if keys is not null then
    perform from unnest(keys, people) w(id, person) join oubli.subject_key s on s.key_id = w.id%6$s order by s.key_id for key share of s;
    get diagnostics living = row_count;
    if living < cardinality(keys) then
      perform oubli.refuse_keys(%7$L, keys, people, %8$L);
    end if;
  end if;$sql$,
  string_agg(format('oubli.key_id(t0.%I::bytea)', c), ', '),
  string_agg(format('coalesce(oubli.is_token(t0.%I), false)', c), ' or '),
  coalesce(owner, 'null'), source,
  replace(replace(oubli.display_name(target), '%', '%%'), '''', ''''''),
  case when kind is not null then format($sql$ and not exists (
      select from oubli.subject_link l where l.key_id = w.id and (l.kind <> %L or l.subject_id is distinct from w.person) offset 0)$sql$, kind) end,
  kind, oubli.display_name(target),
  string_agg(format('w.k%s', n), ', '), string_agg(format('oubli.key_id(t0.%I::bytea) as k%s', c, n), ', '))
  from unnest(sealed) with ordinality u(c, n) having count(*) > 0);

create function oubli.guard_of_pseudonyms(target regclass, pseudonyms name[], kind text, owner text, source text) returns text
language sql stable
return (select format($sql$
  perform oubli.demand_people(%L, array(select distinct (%s)::text from %s where %s), %L);$sql$,
  kind, owner, source, string_agg(format('coalesce(oubli.is_pseudonym(t0.%I::text), false)', c), ' or '), oubli.display_name(target))
  from unnest(pseudonyms) c having count(*) > 0);

-- A pseudonym that stood in rows of one person alone, and stands in another one's now.
create function oubli.guard_of_kept_pseudonyms(target regclass, pseudonyms name[], onward name[]) returns text
language sql stable
return (select string_agg(format($sql$
  perform oubli.refuse_other_subject(exists (
    select from written n join former o on o.%I::text = n.%I::text
    where oubli.is_pseudonym(n.%I::text) and row(%s) is distinct from row(%s)
      and not exists (select from former s where s.%I::text = n.%I::text and row(%s) is not distinct from row(%s))), %L);$sql$,
  c, c, c, oubli.listed(onward, 'n'), oubli.listed(onward, 'o'), c, c, oubli.listed(onward, 's'), oubli.listed(onward, 'n'),
  oubli.display_name(target)), '') from unnest(pseudonyms) c);

-- Rows with pseudonyms below a row that is led elsewhere.
create function oubli.guard_of_moved_pseudonyms(target regclass, pseudonyms name[], station oubli.way_station, source text) returns text
language sql stable
return (select format($sql$
  perform oubli.refuse_other_subject(exists (
    select from %s join former o on row(%s) = row(%s) where row(%s) is distinct from row(%s) and (%s)), %L);$sql$,
  source, oubli.listed((station).referred, 'o'), oubli.listed((station).referred, 't' || (station).place),
  oubli.listed((station).onward, 'o'), oubli.listed((station).onward, 't' || (station).place),
  string_agg(format('coalesce(oubli.is_pseudonym(t0.%I::text), false)', c), ' or '), oubli.display_name(target))
  from unnest(pseudonyms) c having count(*) > 0);

-- Tables whose rows refer to a table's rows, near or far, and itself.
create function oubli.tables_below(target regclass) returns setof regclass
language sql stable
begin atomic
  with recursive below(rel) as (
    select target::oid
    union
    select k.rel from below b join oubli.table_reference k on k.parent = b.rel)
  select rel::regclass from below;
end;

-- The ways that lead through a table: whose values, at which place.
create function oubli.ways_through(target regclass, out rel regclass, out kind text, out tables oubli.way_station[], out owner text,
  out sealed name[], out pseudonyms name[], out station oubli.way_station) returns setof record
language sql stable
begin atomic
  select d.rel, way.kind, s.tables, s.owner, way.sealed, way.pseudonyms, station
  from oubli.tables_below(target) d(rel), lateral oubli.ways_of(d.rel) way,
    lateral oubli.stations(d.rel, way.col, way.hops) s, lateral unnest(s.tables) station
  where station.rel = target
  order by d.rel::text, (station).place, way.sealed, way.pseudonyms;
end;

-- What is looked at of one row, each as a type that never changes: plans of expressions over a record keep its columns' types, and
-- nothing tells them of a migration.
create function oubli.of_one_row(target regclass, steady name[]) returns text
language sql stable
return (select string_agg(column_list, ', ') from (
  select format('w.%1$I::bytea as %1$I', c) from unnest(oubli.columns_protected(target, 'encrypt')) c
  union all select format('w.%1$I::text as %1$I', s) from unnest(steady) s) listed(column_list));

-- The same for one row, which is what most statements write: PostgreSQL takes longer to set up the statements over many rows than
-- to update one. Of an update nothing is to be done where the row's sealed values are what they were, and where one of the `steady`
-- columns changed (those that lead to people, and pseudonyms) it is left to the statements over many rows.
create function oubli.guard_of_one_row(target regclass, event text, kind text, owner text, steady name[]) returns text
language sql stable
return (select format($sql$
  living := (select count(*) from (select from written limit 2) w);
  if living = 0 then
    return null;
  end if;
  if living = 1 then
    select %10$s into one from written w;%1$s
    if %2$s then
      raise exception 'oubli: a query operand was offered for storage in %3$s' using errcode = 'OU001';
    end if;
    low := least(%4$s);
    if low is null then
      return null;
    end if;
    if low = greatest(%4$s) then
      perform from oubli.subject_key s where s.key_id = low%5$s for key share of s;
      if not found then
        perform oubli.refuse_keys(%6$L, array[low], array[%7$s], %8$L);
      end if;
      return null;
    end if;%9$s
  end if;$sql$,
  case event when 'update' then format($sql$
    select %3$s into was from former w;
    if not (%1$s) then
      if not (%2$s) then
        return null;
      end if;$sql$,
    coalesce((select string_agg(format('one.%1$I is distinct from was.%1$I', s), ' or ') from unnest(steady) s), 'false'),
    string_agg(format('one.%1$I is distinct from was.%1$I', c), ' or '), oubli.of_one_row(target, steady)) end,
  string_agg(format('coalesce(oubli.is_token(one.%I), false)', c), ' or '),
  replace(replace(oubli.display_name(target), '%', '%%'), '''', ''''''),
  string_agg(format('oubli.key_id(one.%I)', c), ', '),
  case when kind is not null then format($sql$ and not exists (
        select from oubli.subject_link l where l.key_id = low and (l.kind <> %L or l.subject_id is distinct from %s))$sql$,
    kind, owner) end,
  kind, coalesce(owner, 'null'), oubli.display_name(target),
  case event when 'update' then $sql$
    end if;$sql$ end,
  oubli.of_one_row(target, steady))
  from unnest(oubli.columns_protected(target, 'encrypt')) c having count(*) > 0);

-- Where the values of a row are several people's, their keys are locked together first, in the order in which an erasure takes
-- them: one after the other, two writers of the same people, or a writer and an erasure, could wait for each other.
create function oubli.guard_of_locks(target regclass, event text) returns text
language sql stable
return (select format($sql$
  perform from oubli.subject_key s where s.key_id in (%s) order by s.key_id for key share of s;$sql$,
  string_agg(k.named, ' union '))
  from oubli.ways_through(target) w, lateral (select oubli.from_written(w.tables, 0,
      oubli.written_source(oubli.sorted(w.sealed || w.pseudonyms || (w.station).onward), event)) as source) f,
    lateral (
      select format('select oubli.key_id(t0.%I::bytea) from %s', c, f.source) from unnest(w.sealed) c union all
      select format('select l.key_id from %s join oubli.subject_link l on l.kind = %L and l.subject_id = (%s)::text where oubli.is_pseudonym(t0.%I::text)',
        f.source, w.kind, w.owner, c) from unnest(w.pseudonyms) c) k(named)
  where (w.station).place = 0 and (select count(*) from oubli.parties(target)) > 1 having count(*) > 0);

-- What the guard of a table does, as the body of its function; NULL where it has nothing to do.
create function oubli.guard_source(target regclass, event text) returns text
language plpgsql stable as $$
declare
  steady name[] := oubli.columns_protected(target, 'pseudonymise');
  parts text := oubli.guard_of_locks(target, event);
  way record;
  own record;
  party record;
  source text;
begin
  for way in select w.*, (w.station).place, (w.station).referred, (w.station).onward from oubli.ways_through(target) w loop
    steady := steady || way.referred || way.onward;
    if way.place = 0 then
      source := oubli.from_written(way.tables, 0, oubli.written_source(oubli.sorted(way.sealed || way.pseudonyms || way.onward), event));
      parts := concat(parts, oubli.guard_of_keys(target, way.sealed, way.kind, way.owner, source),
        oubli.guard_of_pseudonyms(target, way.pseudonyms, way.kind, way.owner, source),
        case event when 'update' then oubli.guard_of_kept_pseudonyms(target, way.pseudonyms, way.onward) end);
    elsif event = 'update' then
      source := oubli.from_written(way.tables, way.place, oubli.written_source(oubli.sorted(way.referred || way.onward), event));
      parts := concat(parts, oubli.guard_of_keys(way.rel, way.sealed, way.kind, way.owner, source),
        oubli.guard_of_moved_pseudonyms(way.rel, way.pseudonyms, way.station, source));
    end if;
  end loop;
  for party in select p.* from oubli.parties(target) p, lateral oubli.path_to_subject(target, p.wanted) found where found.kind is null loop
    parts := concat(parts, oubli.guard_of_keys(target, party.sealed, null, null,
      oubli.written_source(oubli.sorted(party.sealed || party.pseudonyms), event) || ' t0'));
  end loop;
  -- whose way leads over other tables is looked for there, and so is who stands in another form
  select w.kind, 'one.' || substr(w.owner, 4) as owner,
    cardinality(w.tables) + (w.owner <> all (array(select format('t0.%I', c) from unnest((w.station).onward) c)))::int as stations into own
  from oubli.ways_through(target) w where (w.station).place = 0;
  if coalesce(own.stations, 1) = 1 and (select count(*) from oubli.parties(target)) = 1
    and (event = 'update' or oubli.columns_protected(target, 'pseudonymise') = '{}') then
    parts := concat(oubli.guard_of_one_row(target, event, own.kind, own.owner, oubli.sorted(steady)), parts);
  end if;
  return case when parts <> '' then
    format(E'\ndeclare\n  token boolean;\n  mixed boolean;\n  keys bytea[];\n  people text[];\n  living integer;\n  one record;\n  was record;\n  low bytea;\nbegin%s\n  return null;\nend ', parts) end;
end $$;

-- A guard is numbered, not named after its table: names and OIDs change with renames, dumps and restores.
create sequence oubli.guard_number;

-- Of a partitioned table, and of one that others inherit from, the same guard stands on each of them: a statement that names
-- a partition fires the triggers of that partition alone.
create function oubli.place_guard(target regclass, event text, wanted text) returns void
language plpgsql as $$
declare
  guard name := 'guard ' || nextval('oubli.guard_number');
  each regclass;
begin
  for each in
    with recursive family(rel) as (
      select target::oid union select i.inhrelid from family f join pg_catalog.pg_inherits i on i.inhparent = f.rel)
    select f.rel::regclass from family f join pg_catalog.pg_class c on c.oid = f.rel and c.relkind in ('r', 'p')
    where not exists (
      select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
      where t.tgrelid = f.rel and t.tgname = 'oubli_guard_' || event and p.prosrc = wanted) loop
    execute format('drop trigger if exists %I on %s', 'oubli_guard_' || event, each);
    if wanted is not null then
      if to_regproc(format('oubli.%I', guard)) is null then
        -- whoever may call it could make it run, with its owner's rights, over a table of his own
        execute format('create function oubli.%I() returns trigger language plpgsql security definer '
          'set search_path = pg_catalog, pg_temp as %L; revoke all on function oubli.%I() from public', guard, wanted, guard);
      end if;
      execute format('create trigger %I after %s on %s referencing new table as written%s '
        'for each statement execute function oubli.%I()', 'oubli_guard_' || event, event, each,
        case event when 'update' then ' old table as former' else '' end, guard);
    end if;
    perform pg_catalog.pg_notify('oubli_schema', '');
  end loop;
end $$;

create function oubli.place_guards(target regclass) returns void
language plpgsql as $$
begin
  perform oubli.place_guard(target, event, oubli.guard_source(target, event)) from unnest(array['insert', 'update']) event;
end $$;

-- A dropped table takes its triggers along, but not their function.
create function oubli.drop_unused_guards() returns void
language plpgsql as $$
declare
  unused regprocedure;
begin
  for unused in select p.oid::regprocedure from pg_catalog.pg_proc p
                where p.pronamespace = 'oubli'::regnamespace and p.proname like 'guard %'
                  and not exists (select from pg_catalog.pg_trigger t where t.tgfoid = p.oid) loop
    execute format('drop function %s', unused);
  end loop;
end $$;

-- Tables that a table's rows refer to, near or far, and that have a guard: it may know of a way that is no more, to the person
-- of a column that was dropped.
create function oubli.guarded_above(target regclass) returns setof regclass
language sql stable
begin atomic
  with recursive above(rel) as (
    select k.confrelid from pg_catalog.pg_constraint k where k.conrelid = target and k.contype = 'f' and k.conparentid = 0
    union
    select k.confrelid from above a join pg_catalog.pg_constraint k on k.conrelid = a.rel and k.contype = 'f' and k.conparentid = 0)
  select a.rel::regclass from above a
  where exists (select from pg_catalog.pg_trigger t where t.tgrelid = a.rel and t.tgname = 'oubli_guard_update');
end;

-- After the columns, the declaration or the name of a table changed: gives its domains their names, and brings its guard up to
-- date, with those of the tables between it, or what refers to it, and people. A guard that is right already is not touched,
-- nor its table locked.
create function oubli.refresh_guard(target regclass) returns void
language plpgsql as $$
begin
  perform oubli.name_domains(target);
  perform oubli.place_guards(rel) from (
    select target as rel union
    select station.rel from oubli.tables_below(target) d(rel), lateral oubli.path_to_subject(d.rel) way,
      lateral oubli.stations(d.rel, way.col, way.hops) s, lateral unnest(s.tables) station where way.kind is not null union
    select station.rel from oubli.tables_below(target) d(rel), lateral oubli.ways_of(d.rel) way,
      lateral oubli.stations(d.rel, way.col, way.hops) s, lateral unnest(s.tables) station union
    select d.rel from oubli.tables_below(target) d(rel) join oubli.personal_table p on p.rel = d.rel union
    select above.rel from oubli.guarded_above(target) above(rel)) found;
  perform oubli.drop_unused_guards();
end $$;

-- The same for all tables, after raw SQL renamed or dropped what a way leads through.
create function oubli.refresh_guards() returns void
language plpgsql as $$
begin
  perform oubli.place_guards(rel) from (
    select p.rel from oubli.personal_table p join pg_catalog.pg_class c on c.oid = p.rel union
    select t.tgrelid::regclass from pg_catalog.pg_trigger t where t.tgname like 'oubli\_guard\_%' and not exists (
      select from pg_catalog.pg_inherits i where i.inhrelid = t.tgrelid) union
    select station.rel from oubli.personal_table p join pg_catalog.pg_class c on c.oid = p.rel,
      lateral oubli.ways_of(p.rel) way, lateral oubli.stations(p.rel, way.col, way.hops) s,
      lateral unnest(s.tables) station) found;
  perform oubli.drop_unused_guards();
end $$;
