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
