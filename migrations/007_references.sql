-- References that PostgreSQL does not know: columns without a foreign key, columns that name a row of one table or of another as a
-- third column says, and values inside JSON (ERASURE.md G1). And the indexes by which any reference is followed downwards.

-- The same as before, but of one type in both halves, and asked for one table or one id at a time: only then does PostgreSQL take a
-- condition into a UNION. Else it writes out the columns of every constraint there is, for each table on each way to a person (640,000
-- times for 40 tables that were declared one by one).
create or replace view oubli.table_reference as
  select k.oid as id, k.conname::text as name, k.conrelid as rel, k.confrelid as parent, oubli.columns_numbered(k.conrelid, k.conkey) as columns,
    oubli.columns_numbered(k.confrelid, k.confkey) as referred, k.confdeltype as on_delete, null::text[] as path, '{}'::jsonb as conditions,
    null::text[] as forms
  from pg_catalog.pg_constraint k where k.contype = 'f' and k.conparentid = 0
  union all
  select r.id, 'declared reference ' || r.id, r.rel::oid, r.parent::oid, r.columns, r.referred, 'a'::"char", r.path, r.conditions,
    array(select oubli.referring_form(r.rel, u.col, r.path, r.parent, u.referred) from unnest(r.columns, r.referred) with ordinality u(col, referred, n)
          order by u.n)
  from oubli.reference r;

create or replace function oubli.path_to_subject(target regclass, of_column jsonb default null, out kind text, out col name, out hops oid[])
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
    from unnest(level, ways) f(at, way), lateral (select * from oubli.table_reference r where r.rel = f.at offset 0) k
    where k.path is null and not f.at = any(seen) and coalesce(oubli.via_of(f.at, case when f.way = '' then wanted end) = any(k.columns), true);
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

create or replace function oubli.stations(target regclass, col name, hops oid[], out tables oubli.way_station[], out owner text)
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
    from unnest(hops) with ordinality h(id, n), lateral (select * from oubli.table_reference r where r.id = h.id offset 0) k order by h.n loop
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

-- A number or a uuid that stands in a text, as its own type; NULL where it is none. Immutable, so that an index can be over it:
-- the comparison is then of equal types, and goes by an index in both directions.
create function oubli.as_bigint(value text) returns bigint
language sql immutable strict parallel safe
return case when value ~ '^\s*[-+]?[0-9]{1,40}([.]0*)?\s*$'
  then case when value::numeric between -9223372036854775808 and 9223372036854775807 then value::numeric::bigint end end;

create function oubli.as_uuid(value text) returns uuid
language sql immutable strict parallel safe
return case when value ~* '^ *([0-9a-f]{4}-?){7}[0-9a-f]{4} *$' then trim(value)::uuid end;

-- What a condition asks beside that columns are there.
create function oubli.without_not_null(condition text, keys text[]) returns text
language plpgsql immutable as $$
declare
  key text;
begin
  foreach key in array keys loop
    condition := replace(condition, format('(%s IS NOT NULL)', key), '');
  end loop;
  return condition;
end $$;

create function oubli.quoted(name name) returns text
language sql immutable
return '"' || replace(name::text, '"', '""') || '"';

create function oubli.referring_form_of(form text, col name) returns text
language sql immutable
return overlay(form placing oubli.quoted(col) from position('%s' in form) for 2);

-- How an index shows the value that a reference goes by, as pg_get_indexdef writes it.
create function oubli.indexed_form(target oid, col name, form text) returns text
language sql stable set search_path = pg_catalog
return (
  select case when form is null or form = '%s' then quote_ident(col)
    else overlay(form placing case when a.atttypid = 'varchar'::regtype then format('(%I)::text', col) else quote_ident(col) end
      from position('%s' in form) for 2) end
  from pg_attribute a where a.attrelid = target and a.attname = col);

-- Where no index finds the rows that refer to a given row, and the statements that would create one: of a table, and of those that
-- inherit from it, for an index is not inherited. Without it each row that is deleted reads the whole table (RUNTIME.md, 5).
-- An index serves when it is valid, when the reference's columns come first in it in any order, and when it leaves out no
-- row but those that refer to nothing.
create function oubli.missing_indexes(ids oid[]) returns table (rel regclass, "table" text, columns text, statement text)
language sql stable set search_path = pg_catalog
as $$
  with recursive refers as (
    select r.id, r.rel, r.columns, array(select k::name from jsonb_object_keys(r.conditions) k order by k) as beside,
      array(select oubli.indexed_form(r.rel, u.c, u.f) from unnest(r.columns, r.forms) with ordinality u(c, f, n) order by n) as keys,
      array(select case when u.f is null or u.f = '%s' then oubli.quoted(u.c) else oubli.referring_form_of(u.f, u.c) end
            from unnest(r.columns, r.forms) with ordinality u(c, f, n) order by n) as written
    from oubli.table_reference r where r.id = any(ids)
  ), holds(id, rel) as (
    select r.id, r.rel from refers r
    union select h.id, i.inhrelid from holds h join pg_inherits i on i.inhparent = h.rel
      join pg_class c on c.oid = i.inhrelid and not c.relispartition
  )
  select distinct on (h.rel, r.keys, r.beside) h.rel::regclass, oubli.display_name(h.rel), array_to_string(r.columns, ', '), format('create index %son %s (%s)',
    case c.relkind when 'p' then '' else 'concurrently ' end,
    concat_ws('.', nullif(oubli.quoted(n.nspname), '"public"'), oubli.quoted(c.relname)),
    array_to_string(array(select oubli.quoted(b) from unnest(r.beside) b) || r.written, ', '))
  from holds h join refers r on r.id = h.id join pg_class c on c.oid = h.rel join pg_namespace n on n.oid = c.relnamespace
  where not exists (
    select from pg_index i join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam,
      lateral (select array_agg(case when i.indkey[k - 1] = 0 then regexp_replace(pg_get_indexdef(i.indexrelid, k, false), '^\((\(.*\))\)$', '\1')
                 else quote_ident((select a.attname from pg_attribute a where a.attrelid = i.indrelid and a.attnum = i.indkey[k - 1])) end
                 order by k) as keys
               from generate_series(1, i.indnkeyatts::int) k) own
    where i.indrelid = h.rel and i.indisvalid and i.indisready and m.amname in ('btree', 'hash')
      and exists (
        select from generate_series(cardinality(r.keys), cardinality(own.keys)) taken
        where r.keys <@ own.keys[1:taken]
          and own.keys[1:taken] <@ (r.keys || array(select quote_ident(b) from unnest(r.beside) b)))
      and (i.indpred is null or btrim(replace(oubli.without_not_null(pg_get_expr(i.indpred, i.indrelid), r.keys), ' AND ', ''), '()') = ''))
  order by h.rel, r.keys, r.beside
$$;

-- A column that refers holds the value itself: of what is sealed nothing can be compared.
create function oubli.refuse_referring_column(target regclass, col name, in_json boolean) returns void
language plpgsql as $$
declare
  found record;
begin
  select a.atttypid::regtype as type, e.id as element into found
  from pg_catalog.pg_attribute a left join oubli.element e on e.domain = a.atttypid
  where a.attrelid = target and a.attname = col and a.attnum > 0 and not a.attisdropped;
  if found.type is null then
    raise exception 'oubli: % has no column %', target, col using errcode = 'OU010', table = target::text, column = col;
  end if;
  if found.element is not null or in_json and found.type <> all (array['json', 'jsonb']::regtype[]) then
    raise exception 'oubli: %.% cannot say what its row refers to', target, col
      using errcode = 'OU029', table = target::text, column = col, datatype = case when found.element is null then found.type::text end;
  end if;
end $$;

-- The tables and columns that a declaration speaks of are there, and can be compared.
create function oubli.refuse_reference(wanted oid) returns void
language plpgsql as $$
declare
  each record;
begin
  for each in
    select r.rel::regclass as rel, u.col, r.parent::regclass as parent, u.referred, u.form, r.path
    from oubli.table_reference r, unnest(r.columns, r.referred, r.forms) u(col, referred, form) where r.id = wanted loop
    perform oubli.refuse_referring_column(each.rel, each.col, each.path is not null);
    if oubli.family_of_type(each.parent, each.referred) is null then
      raise exception 'oubli: % has no column %', each.parent, each.referred
        using errcode = 'OU010', table = each.parent::text, column = each.referred;
    end if;
    if each.form is null then
      raise exception 'oubli: %.% cannot be compared with %.%', each.rel, each.col, each.parent, each.referred
        using errcode = 'OU028', table = each.rel::text, column = each.col, constraint = format('%s.%I', each.parent, each.referred);
    end if;
  end loop;
  perform oubli.refuse_referring_column(r.rel, key::name, false)
    from oubli.reference r, jsonb_object_keys(r.conditions) key where r.id = wanted;
end $$;

-- What a migration said: [{ "columns": […], "to": "users", "on": […], "when": {…} }, { "json": "payload", "path": […], "to": … }].
-- Creates the indexes by which the rows are found, where the team has none.
create function oubli.declare_references(target regclass, said jsonb) returns void
language plpgsql as $$
declare
  each record;
  other regclass;
  declared oid[] := '{}';
  statement text;
begin
  lock table oubli.reference in share row exclusive mode;
  for each in
    select s ->> 'to' as named, coalesce(s -> 'when', '{}') as conditions,
      array(select c::name from jsonb_array_elements_text(coalesce(s -> 'columns', jsonb_build_array(s -> 'json'))) c) as columns,
      (select array_agg(p) from jsonb_array_elements_text(s -> 'path') p) as path,
      (select array_agg(c::name) from jsonb_array_elements_text(s -> 'on') c) as referred
    from jsonb_array_elements(said) s loop
    other := to_regclass(each.named);
    if other is null then
      raise exception 'oubli: % refers to %, which is no table', target, each.named
        using errcode = 'OU027', table = target::text, constraint = each.named;
    end if;
    insert into oubli.reference (id, rel, columns, path, conditions, parent, referred) values (
      (select min(n) from generate_series(1, 16383) n where not exists (select from oubli.reference r where r.id = n::oid)),
      target, each.columns, each.path, each.conditions, other, coalesce(each.referred,
        (select array[p.subject_column] from oubli.personal_table p where p.rel = other and p.subject_kind is not null),
        array[oubli.only_primary_key(other)]))
    returning declared || id into declared;
  end loop;
  perform oubli.refuse_reference(id) from unnest(declared) id;
  for statement in select m.statement from oubli.missing_indexes(declared) m loop
    execute replace(statement, 'create index concurrently', 'create index');
  end loop;
end $$;
