-- What migrations do to columns that exist: the index by which a searchable one is found, and the way of one that has rows.

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
  perform oubli.tie_compound(target, col);
  execute format('create %s index %I on %s (substring(%I::bytea from 9 for 16))',
    case when is_unique then 'unique' else '' end, index_name, target, col);
end $$;

-- A compound index stands in the values of one column, over the values of others. Whoever changes another one alone, past
-- the client, would leave an index of what was there before.
create function oubli.refuse_torn_compound() returns trigger
language plpgsql as $$
begin
  raise exception 'oubli: an index over several columns would be left behind in %', oubli.display_name(tg_relid)
    using errcode = 'OU019', column = tg_argv[0];
end $$;

create function oubli.name_of_tie(target regclass, col name) returns name
language sql stable
return (select 'oubli_compound_' || e.id from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid
        where a.attrelid = target and a.attname = col and e.compound is not null)::name;

create function oubli.tie_compound(target regclass, col name) returns void
language plpgsql as $$
declare
  members jsonb := (select e.compound from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid
    where a.attrelid = target and a.attname = col);
  wrong name := (
    select m ->> 'column' from jsonb_array_elements(members) m
    left join pg_catalog.pg_attribute a on a.attrelid = target and a.attname = m ->> 'column' and not a.attisdropped
    left join oubli.element e on e.domain = a.atttypid
    where m ->> 'column' = col or e.protect is distinct from 'encrypt' or e.state <> 'sealed' or e.codec = 'json'
      or (e.codec <> 'text' and m ->> 'as' <> 'exact') limit 1);
begin
  if members is null then
    return;
  end if;
  if wrong is not null then
    raise exception 'oubli: %.% cannot be indexed with %', target, col, wrong
      using errcode = 'OU018', table = target::text, column = col, constraint = wrong;
  end if;
  execute format('create trigger %I after update on %s for each row when (new.%3$I is not null '
    'and old.%3$I::bytea is not distinct from new.%3$I::bytea and (%4$s)) execute function oubli.refuse_torn_compound(%3$L)',
    oubli.name_of_tie(target, col), target, col,
    (select string_agg(format('old.%1$I::bytea is distinct from new.%1$I::bytea', m ->> 'column'), ' or ')
     from jsonb_array_elements(members) m));
end $$;

-- The column that carries the index is about to be dropped.
create function oubli.untie_compound(target regclass, col name) returns void
language plpgsql as $$
declare
  tie name := oubli.name_of_tie(target, col);
begin
  if tie is not null then
    execute format('drop trigger if exists %I on %s', tie, target);
  end if;
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
