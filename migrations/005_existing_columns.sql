-- What migrations do to columns that exist: the index by which a searchable one is found, and the way of one that has rows.

-- A name that no relation beside the table has: `users_email_blind`.
create function oubli.free_index_name(target regclass, col name, suffix text) returns name
language plpgsql stable as $$
declare
  stem text := left((select relname from pg_catalog.pg_class where oid = target), 24) || '_' || left(col, 24) || '_' || suffix;
  index_name name;
  taken integer := 0;
begin
  if octet_length(stem) > 56 then
    stem := suffix || '_' || left(md5(stem), 16);
  end if;
  index_name := stem;
  while exists (select from pg_catalog.pg_class c join pg_catalog.pg_class t on t.relnamespace = c.relnamespace
                where t.oid = target and c.relname = index_name) loop
    taken := taken + 1;
    index_name := stem || taken;
  end loop;
  return index_name;
end $$;

-- The blind index of a searchable column is a fixed prefix of the value itself, so it needs no column of its own.
create function oubli.index_column(target regclass, col name, is_unique boolean) returns void
language plpgsql as $$
begin
  perform oubli.tie_compound(target, col);
  execute format('create %s index %I on %s (substring(%I::bytea from 9 for 16))',
    case when is_unique then 'unique' else '' end, oubli.free_index_name(target, col, 'blind'), target, col);
end $$;

-- Nor do its search tokens. What has some of them is found by all it was asked for: `tokens @> array[…]`.
create function oubli.index_tokens(target regclass, col name) returns void
language plpgsql as $$
begin
  execute format('create index %I on %s using gin (oubli.search_tokens(%I::bytea))',
    oubli.free_index_name(target, col, 'tokens'), target, col);
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

-- While a column holds plaintext nothing samples it: pg_statistic would keep the samples after the rows are sealed. The column's
-- own statistics target comes back when the transition is over; the old samples went with the old type.
create function oubli.hold_statistics(target regclass, col name) returns void
language plpgsql as $$
begin
  update oubli.element e set statistics = nullif(a.attstattarget, -1) from pg_catalog.pg_attribute a
  where a.attrelid = target and a.attname = col and e.domain = a.atttypid;
  execute format('alter table %s alter column %I set statistics 0', target, col);
end $$;

-- What PostgreSQL would have to be told anew if a column had another type, and so refuses to change it under: views over it, and over
-- those, rules, triggers, policies, generated columns, functions with a body of SQL, row filters of publications, columns that
-- hold whole rows. What stands on what comes first, so that it can be dropped in this order.
create function oubli.dependents(target regclass, col name) returns table (what text, remove text)
language sql stable
begin atomic
  with recursive part(rel) as (
    select target::oid union select i.inhrelid from part p join pg_catalog.pg_inherits i on i.inhparent = p.rel
  ), own(classid, objid, objsubid, rel, num) as (
    select d.classid, d.objid, d.objsubid, a.attrelid, a.attnum
    from part p join pg_catalog.pg_attribute a on a.attrelid = p.rel and a.attname = col and not a.attisdropped
    join pg_catalog.pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
  ), dependent(classid, objid, depth) as (
    select o.classid, o.objid, 1 from own o union
    select d.classid, d.objid, t.depth + 1
    from dependent t join pg_catalog.pg_rewrite r on t.classid = 'pg_rewrite'::regclass and r.oid = t.objid and r.rulename = '_RETURN'
    join pg_catalog.pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = r.ev_class and d.objid <> r.oid
    where t.depth < 64
  ), named(what, remove, depth) as (
    select case c.relkind when 'm' then 'materialized view ' else 'view ' end || c.oid::regclass,
      case c.relkind when 'm' then 'drop materialized view ' else 'drop view ' end || c.oid::regclass, t.depth
    from dependent t join pg_catalog.pg_rewrite r on t.classid = 'pg_rewrite'::regclass and r.oid = t.objid
    join pg_catalog.pg_class c on c.oid = r.ev_class where r.rulename = '_RETURN'
    union all
    select format('rule %I on %s', r.rulename, r.ev_class::regclass), format('drop rule %I on %s', r.rulename, r.ev_class::regclass), t.depth
    from dependent t join pg_catalog.pg_rewrite r on t.classid = 'pg_rewrite'::regclass and r.oid = t.objid where r.rulename <> '_RETURN'
    union all
    select format('trigger %I on %s', g.tgname, g.tgrelid::regclass), format('drop trigger %I on %s', g.tgname, g.tgrelid::regclass), t.depth
    from dependent t join pg_catalog.pg_trigger g on t.classid = 'pg_trigger'::regclass and g.oid = t.objid
    where not g.tgisinternal and g.tgname not like 'oubli\_%'
    union all
    select format('policy %I on %s', y.polname, y.polrelid::regclass), format('drop policy %I on %s', y.polname, y.polrelid::regclass), t.depth
    from dependent t join pg_catalog.pg_policy y on t.classid = 'pg_policy'::regclass and y.oid = t.objid
    union all
    select format('function %s', t.objid::regprocedure), format('drop function %s', t.objid::regprocedure), t.depth
    from dependent t where t.classid = 'pg_proc'::regclass
    union all
    select format('generated column %s.%I', a.attrelid::regclass, a.attname),
      format('alter table %s drop column %I', a.attrelid::regclass, a.attname), 1
    from own o left join pg_catalog.pg_attrdef v on o.classid = 'pg_attrdef'::regclass and v.oid = o.objid
    join pg_catalog.pg_attribute a on a.attrelid = o.rel and a.attnum <> o.num and a.attgenerated <> ''
      and (a.attnum = v.adnum or o.classid = 'pg_class'::regclass and o.objid = o.rel and a.attnum = o.objsubid) -- before PostgreSQL 15
    union all
    select format('row filter of publication %I', b.pubname),
      format('alter publication %I drop table %s', b.pubname, x.prrelid::regclass), 1
    from own o join pg_catalog.pg_publication_rel x on o.classid = 'pg_publication_rel'::regclass and x.oid = o.objid
    join pg_catalog.pg_publication b on b.oid = x.prpubid where to_jsonb(x) ->> 'prqual' is not null -- from PostgreSQL 15 on
    union all
    select format('the partition key of %s', t.partrelid::regclass), 'create table … partition by … -- another column', 1
    from pg_catalog.pg_partitioned_table t join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attname = col
    where t.partrelid = target and a.attnum = any(t.partattrs)
    union all
    select format('column %s.%I', a.attrelid::regclass, a.attname),
      format('alter table %s drop column %I', a.attrelid::regclass, a.attname), 1
    from part p join pg_catalog.pg_class c on c.oid = p.rel join pg_catalog.pg_type t on t.oid = c.reltype
    join pg_catalog.pg_attribute a on a.atttypid in (t.oid, t.typarray) and not a.attisdropped
    join pg_catalog.pg_class h on h.oid = a.attrelid and h.relkind in ('r', 'm', 'p')
  )
  select n.what, n.remove from named n group by n.what, n.remove order by max(n.depth) desc, n.what;
end;

create function oubli.refuse_dependents(target regclass, columns name[]) returns void
language plpgsql as $$
declare
  col name;
  found record;
begin
  foreach col in array columns loop
    select string_agg(d.what, ', ' order by n) as what, string_agg(d.remove, '; ' order by n) as remove into found
    from oubli.dependents(target, col) with ordinality d(what, remove, n);
    if found.what is not null then
      raise exception 'oubli: % depends on the type of %.%', found.what, target, col
        using errcode = 'OU022', table = target::text, column = col, constraint = found.what, hint = found.remove;
    end if;
  end loop;
end $$;

-- The way of existing columns with rows in them. Their types are changed at once, all in one rewrite of the table, and the rows are
-- rewritten as the bytes of their text, as the type itself prints it (a cast would cut char(8) short), which can never begin like
-- a sealed value (A7 cannot begin UTF-8); the CHECK is added NOT VALID, so every new write is held to it while old rows wait for
-- the backfill. `columns` is [{"column": "email", "domain": "customers.email", "definition": {…}}, …].
create function oubli.begin_transition(target regclass, columns jsonb) returns void
language plpgsql set datestyle = 'ISO, YMD' set bytea_output = 'hex' as $$
declare
  each record;
begin
  perform oubli.refuse_dependents(target, array(select x ->> 'column' from jsonb_array_elements(columns) x));
  execute (select format('alter table %s %s', target, string_agg(format('alter column %I type oubli.%I using %s::oubli.%I',
      c.col, c.domain, case c.definition ->> 'protect'
        when 'encrypt' then format('case when %1$I is not null then convert_to(format(''%%s'', %1$I), ''UTF8'') end', c.col)
        else quote_ident(c.col) end, c.domain), ', '))
    from (select x ->> 'column' as col, x ->> 'domain' as domain, x -> 'definition' as definition
          from jsonb_array_elements(columns) x) c);
  for each in select e, x ->> 'column' as col from jsonb_array_elements(columns) x
              join oubli.element e on e.domain = format('oubli.%I', x ->> 'domain')::regtype loop
    perform oubli.add_check(each.e, 'not valid');
    perform oubli.hold_statistics(target, each.col);
  end loop;
end $$;

create function oubli.add_check(waiting oubli.element, validity text) returns void
language plpgsql as $$
begin
  execute format('alter domain %s add constraint %I check (%s) %s', waiting.domain, waiting.protect,
    oubli.domain_check(jsonb_build_object('protect', waiting.protect, 'declaredType', waiting.declared_type,
      'normaliser', waiting.normaliser, 'tokens', waiting.tokens, 'v4', waiting.v4, 'v6', waiting.v6), waiting.id), validity);
end $$;

create function oubli.element_of(target regclass, col name) returns oubli.element
language sql stable
return (select e from oubli.element e join pg_catalog.pg_attribute a on a.atttypid = e.domain
        where a.attrelid = target and a.attname = col and not a.attisdropped);

create function oubli.is_checked(waiting oubli.element) returns boolean
language sql stable
return exists (select from pg_catalog.pg_constraint c where c.contypid = waiting.domain and c.conname = waiting.protect);

-- Ends it: PostgreSQL checks every row, which is the proof that no plaintext is left.
create function oubli.end_transition(target regclass, col name) returns void
language plpgsql as $$
declare
  waiting oubli.element := oubli.element_of(target, col);
  spec jsonb := (select a.spec from oubli.annotation a where a.rel = target and a.column_name = col);
begin
  update oubli.element set state = 'sealed' where id = waiting.id and state = 'transition';
  if not found then -- another backfill of the same table came first
    return;
  end if;
  if oubli.is_checked(waiting) then
    execute format('alter domain %s validate constraint %I', waiting.domain, waiting.protect);
  else -- it was on its way out, and was called back
    perform oubli.add_check(waiting, '');
  end if;
  if waiting.normaliser is not null then
    perform oubli.index_column(target, col, coalesce((spec ->> 'unique')::boolean, false));
  end if;
  if waiting.tokens is not null then
    perform oubli.index_tokens(target, col);
  end if;
  execute format('alter table %s alter column %I set statistics %s', target, col, coalesce(waiting.statistics, -1));
end $$;

create function oubli.family(target regclass) returns table (rel oid)
language sql stable
begin atomic
  with recursive part(rel) as (
    select target::oid union select i.inhrelid from part p join pg_catalog.pg_inherits i on i.inhparent = p.rel)
  select part.rel from part;
end;

-- A view, or a copy of the table, that would be left with a type of which nobody keeps the promise.
create function oubli.other_column_of_type(target regclass, wanted regtype) returns text
language sql stable
begin atomic
  select format('%s.%I', a.attrelid::regclass, a.attname)
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = wanted
  join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
  where a.atttypid in (t.oid, t.typarray) and not a.attisdropped
    and a.attrelid not in (select f.rel from oubli.family(target) f) order by a.attrelid, a.attnum limit 1;
end;

-- The way out begins: plaintext may stand in the columns again, and nothing compares their blind indexes any more. Does nothing
-- to a column that is on its way already.
create function oubli.begin_release(target regclass, columns name[]) returns void
language plpgsql as $$
declare
  col name;
  leaving oubli.element;
  other text;
  index_of regclass;
begin
  foreach col in array columns loop
    leaving := oubli.element_of(target, col);
    other := oubli.other_column_of_type(target, leaving.domain);
    if other is not null then
      raise exception 'oubli: % has the type of %.%', other, target, col
        using errcode = 'OU020', table = target::text, column = col, constraint = other;
    end if;
    perform oubli.refuse_dependents(target, array[col]);
    for index_of in
      select d.objid::regclass from oubli.family(target) f join pg_catalog.pg_attribute a on a.attrelid = f.rel and a.attname = col
      join pg_catalog.pg_depend d on d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
        and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
      join pg_catalog.pg_class i on i.oid = d.objid and i.relkind in ('i', 'I') and not i.relispartition
      where leaving.protect = 'encrypt' loop -- of other columns the indexes hold what they always held
      execute format('drop index %s', index_of);
    end loop;
    if leaving.state = 'sealed' then
      perform oubli.hold_statistics(target, col);
    end if;
    if oubli.is_checked(leaving) then
      execute format('alter domain %s drop constraint %I', leaving.domain, leaving.protect);
    end if;
    update oubli.element set state = 'transition' where id = leaving.id;
  end loop;
end $$;

-- And ends: the columns have the types again that they were declared with, in one rewrite of the table, and an index where they
-- could be searched. What they hold is as personal as before: the declaration stays, and says that and why it is readable.
create function oubli.end_release(target regclass, columns name[], because text) returns void
language plpgsql set datestyle = 'ISO, YMD' as $$
declare
  leaving oubli.element[] := (select array_agg(oubli.element_of(target, c) order by n) from unnest(columns) with ordinality u(c, n));
  each record;
begin
  execute (select format('alter table %s %s', target, string_agg(format(
      'alter column %1$I type %2$s using %3$s::%2$s, alter column %1$I set statistics %4$s', l.col, (l.e).declared_type,
      case (l.e).protect when 'encrypt' then format('convert_from(%I::bytea, ''UTF8'')', l.col) else quote_ident(l.col) end,
      coalesce((l.e).statistics, -1)), ', '))
    from (select c as col, leaving[n] as e from unnest(columns) with ordinality u(c, n)) l);
  for each in select l.col, l.e, s.spec from (select c as col, leaving[n] as e from unnest(columns) with ordinality u(c, n)) l
              left join oubli.annotation s on s.rel = target and s.column_name = l.col loop
    perform oubli.drop_unused_domain((each.e).domain);
    if (each.e).normaliser is not null then
      execute format('create %s index on %s (%I)',
        case when (each.spec ->> 'unique')::boolean then 'unique' else '' end, target, each.col);
    end if;
    if each.spec is not null then
      perform oubli.annotate_column(target, each.col, each.spec
        - array['search', 'unique', 'tokens', 'pad', 'acknowledgeLeak', 'v4', 'v6'] || jsonb_build_object('protect', 'clear', 'because', because));
    end if;
  end loop;
  perform oubli.refresh_guard(target);
end $$;
