-- The guard of a table with sealed columns: after every INSERT and UPDATE, from whichever client, each value written must
-- be a real sealed value (no query token), under a key that lives (K4), and, where the row says whose it is, under that
-- person's key. One statement-level trigger with a transition table: the cost is per statement, and the key rows stay locked
-- FOR KEY SHARE until the writer commits, so an erasure waits for it or it for the erasure.

create function oubli.sealed_columns(target regclass) returns setof name
language sql stable
begin atomic
  select a.attname from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid
  where a.attrelid = target and a.attnum > 0 and not a.attisdropped and e.protect = 'encrypt' order by a.attnum;
end;

-- Whose row it is, where the row itself says so: the kind, and the column that holds the subject's name. In a table of
-- subjects their own column, elsewhere the one foreign key to it. Rows further away are left to the client.
create function oubli.owner_of_rows(target regclass, out kind text, out col name)
language sql stable
begin atomic
  select min(kind), min(col::text)::name from (
    select p.subject_kind, p.subject_column from oubli.personal_table p where p.rel = target and p.subject_kind is not null
    union all
    select s.subject_kind, a.attname
    from oubli.personal_table d
    join pg_catalog.pg_constraint k on k.conrelid = d.rel and k.contype = 'f' and cardinality(k.conkey) = 1
    join oubli.personal_table s on s.rel = k.confrelid and s.subject_kind is not null
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    join pg_catalog.pg_attribute r on r.attrelid = k.confrelid and r.attnum = k.confkey[1] and r.attname = s.subject_column
    where d.rel = target and d.subject_kind is null
      and a.attname = coalesce(d.spec -> 'subject' ->> 'via', a.attname)
      and s.subject_kind = coalesce(d.spec -> 'subject' ->> 'kind', s.subject_kind)
  ) owners(kind, col) having count(*) = 1;
end;

create function oubli.guard_source(target regclass) returns text
language plpgsql stable as $$
declare
  sealed name[] := array(select oubli.sealed_columns(target));
  owner record;
  tokens text := (select string_agg(format('coalesce(oubli.is_token(%I), false)', c), ' or ') from unnest(sealed) c);
  keys text := (select string_agg(format('oubli.key_id(%I::bytea)', c), ', ') from unnest(sealed) c);
  own text := '';
  named text := replace(replace(target::text, '%', '%%'), '''', '''''');
begin
  select * into owner from oubli.owner_of_rows(target);
  if owner.kind is not null then
    own := format($own$
  if exists (
    select from written w, lateral unnest(array[%s]) k
    where k is not null and not exists (
      select from oubli.subject_link l where l.kind = %L and l.subject_id = w.%I::text and l.key_id = k)
      and exists (select from oubli.subject_link l where l.key_id = k)) then
    raise exception 'oubli: a value in %s is sealed under the key of another subject' using errcode = 'OU004';
  end if;$own$, keys, owner.kind, owner.col, named);
  end if;
  return format($body$
declare
  ids bytea[];
  living integer;
begin
  if exists (select from written where %s) then
    raise exception 'oubli: a query operand was offered for storage in %s' using errcode = 'OU001';
  end if;
  ids := array(select distinct k from written, lateral unnest(array[%s]) k where k is not null);
  perform from oubli.subject_key s where s.key_id = any(ids) order by s.key_id for key share;
  get diagnostics living = row_count;
  -- A transaction with one snapshot for all its statements does not see a key that was committed after it began; what it
  -- can still tell is that the key was destroyed, or is being so: then the lock above fails to serialise.
  if living < coalesce(cardinality(ids), 0)
    and (current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
      or exists (select from oubli.fence f where f.key_id = any(ids))) then
    raise exception 'oubli: a value in %s is sealed under a key that is not alive' using errcode = 'OU002';
  end if;%s
  return null;
end $body$, tokens, named, keys, named, own);
end $$;

-- A guard is numbered, not named after its table: names and OIDs change with renames, dumps and restores.
create sequence oubli.guard_number;

create function oubli.drop_guard(target regclass) returns void
language plpgsql as $$
declare
  guard record;
begin
  for guard in select t.tgname from pg_catalog.pg_trigger t
               where t.tgrelid = target and t.tgname like 'oubli\_guard\_%' and not t.tgisinternal loop
    execute format('drop trigger %I on %s', guard.tgname, target);
  end loop;
  perform oubli.drop_unused_guards();
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

-- After the columns, the declaration or the name of a table changed: gives its domains their names, and builds its guard
-- anew, or removes it where nothing is sealed.
create function oubli.refresh_guard(target regclass) returns void
language plpgsql as $$
declare
  guard name := 'guard ' || nextval('oubli.guard_number');
  event text;
begin
  perform oubli.name_domains(target);
  perform oubli.drop_guard(target);
  if not exists (select oubli.sealed_columns(target)) then
    return;
  end if;
  execute format('create function oubli.%I() returns trigger language plpgsql security definer '
    'set search_path = pg_catalog, pg_temp as %L', guard, oubli.guard_source(target));
  foreach event in array array['insert', 'update'] loop
    execute format('create trigger %I after %s on %s referencing new table as written '
      'for each statement execute function oubli.%I()', 'oubli_guard_' || event, event, target, guard);
  end loop;
end $$;

-- The blind index of a searchable column is a fixed prefix of the value itself, so it needs no column of its own.
create function oubli.index_column(target regclass, col name, is_unique boolean) returns void
language plpgsql as $$
declare
  stem text := left((select relname from pg_catalog.pg_class where oid = target), 24) || '_' || left(col, 24) || '_blind';
  index_name name;
  taken integer := 0;
begin
  if octet_length(stem) > 56 then
    stem := 'blind_' || left(md5(stem), 16);
  end if;
  index_name := stem;
  while exists (select from pg_catalog.pg_class c join pg_catalog.pg_class t on t.relnamespace = c.relnamespace
                where t.oid = target and c.relname = index_name) loop
    taken := taken + 1;
    index_name := stem || taken;
  end loop;
  execute format('create %s index %I on %s (substring(%I::bytea from 9 for 16))',
    case when is_unique then 'unique' else '' end, index_name, target, col);
end $$;

-- The primary key's column, where it has one only: what names a subject unless the declaration says otherwise.
create function oubli.only_primary_key(target regclass) returns name
language plpgsql stable as $$
declare
  columns name[] := array(
    select a.attname from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
    where i.indrelid = target and i.indisprimary);
begin
  if cardinality(columns) <> 1 then
    raise exception 'oubli: % has no single-column primary key; say which column names the subject: dataSubject(kind, { id: … })', target
      using errcode = 'OU012', table = target::text;
  end if;
  return columns[1];
end $$;

-- The way of an existing column with rows in it. The type is changed at once and the rows are rewritten as the bytes of their
-- text, as the type itself prints it (a cast would cut char(8) short), which can never begin like a sealed value (A7 cannot
-- begin UTF-8); the CHECK is added NOT VALID, so every new write
-- is held to it while old rows wait for the backfill.
create function oubli.begin_transition(target regclass, col name, domain_name text, definition jsonb) returns void
language plpgsql set datestyle = 'ISO, YMD' set bytea_output = 'hex' as $$
declare
  converted text := format(case definition ->> 'protect'
    when 'encrypt' then 'case when %1$I is not null then convert_to(format(''%%s'', %1$I), ''UTF8'') end' else '%1$I' end, col);
begin
  execute format('alter table %s alter column %I type oubli.%I using %s::oubli.%I', target, col, domain_name, converted, domain_name);
  execute format('alter domain oubli.%I add constraint %I check (%s) not valid', domain_name, definition ->> 'protect',
    oubli.domain_check(definition, (select id from oubli.element where domain = format('oubli.%I', domain_name)::regtype)));
end $$;

-- Ends it: PostgreSQL checks every row, which is the proof that no plaintext is left.
create function oubli.end_transition(target regclass, col name) returns void
language plpgsql as $$
declare
  waiting oubli.element := (select e from oubli.element e join pg_catalog.pg_attribute a on a.atttypid = e.domain
    where a.attrelid = target and a.attname = col and not a.attisdropped);
  spec jsonb := (select a.spec from oubli.annotation a where a.rel = target and a.column_name = col);
begin
  update oubli.element set state = 'sealed' where id = waiting.id and state = 'transition';
  if not found then -- another backfill of the same table came first
    return;
  end if;
  execute format('alter domain %s validate constraint %I', waiting.domain, waiting.protect);
  if waiting.normaliser is not null then
    perform oubli.index_column(target, col, coalesce((spec ->> 'unique')::boolean, false));
  end if;
end $$;
