-- What is personal, whose, why and for how long. Written by the user's migrations, read by every process at start.
-- Rows are named by regclass and column name, never by attribute number: pg_dump renumbers attributes when columns
-- had been dropped, and a policy keyed by number would silently move to a neighbour.

create table oubli.instance (
  only_one   boolean primary key default true check (only_one),
  id         uuid not null default gen_random_uuid(),
  -- keyed hashes of a fixed text: tell at start that the index root and the ledger root are the right ones
  index_canary  bytea,
  ledger_canary bytea
);
insert into oubli.instance default values;

-- One protected column's logical identity. The number stands in every sealed value and is never reused;
-- the domain is the column's type and survives renames, LIKE, CTAS, views, dump and restore.
create table oubli.element (
  id                 integer generated always as identity primary key,
  domain             regtype not null unique,
  protect            text not null check (protect in ('encrypt', 'pseudonymise', 'truncate-ip')),
  codec              text not null,
  declared_type      text not null,
  normaliser         text,
  normaliser_version integer,
  -- elements of one search group share an index key, and so compare with each other
  search_group       text,
  -- [{ column, as }]: the other columns of the index that stands in this one's values, and how each is normalised
  compound           jsonb,
  -- { as, version, prefix: { min, max }, words }: of what there are search tokens in its values, and how it is normalised
  tokens             jsonb,
  padding            text not null default 'none',
  -- of a value, before it is sealed
  max_bytes          integer not null default 1048576,
  v4                 integer,
  v6                 integer,
  -- the column's own statistics target, while 0 stands in its place: no sample is taken of a column in transition
  statistics         integer,
  -- 'transition' while rows written before the declaration are still being sealed, or rows are on their way out again
  state              text not null default 'sealed' check (state in ('sealed', 'transition'))
);

-- Every declared column, personal or not, with the declaration as it was written.
create table oubli.annotation (
  rel         regclass not null,
  column_name name not null,
  spec        jsonb not null,
  primary key (rel, column_name)
);

-- Every declared table: a table of data subjects (subject_kind set) or one whose rows belong to a subject.
create table oubli.personal_table (
  rel            regclass primary key,
  subject_kind   text,
  subject_column name,
  spec           jsonb not null,
  check ((subject_kind is null) = (subject_column is null))
);
create unique index on oubli.personal_table (subject_kind);

-- What a table refers to without a foreign key: by columns, by columns while others have certain values (`conditions`, a
-- polymorphic reference), or by what stands at a `path` inside its one column of JSON.
create table oubli.reference (
  -- beside the OIDs of foreign keys, and never one of them: PostgreSQL gives OIDs from 16384 on to what is made after initdb
  id         oid primary key check (id < 16384),
  rel        regclass not null,
  columns    name[] not null,
  path       text[],
  conditions jsonb not null default '{}',
  parent     regclass not null,
  referred   name[] not null
);
create index on oubli.reference (rel);

-- Every process that serves the application listens, and loads the catalogue again before its next statement. Told once, with
-- the commit of the transaction that declared something.
create function oubli.announce_schema() returns trigger
language plpgsql as $$
begin
  perform pg_catalog.pg_notify('oubli_schema', '');
  return null;
end $$;
create trigger announced after insert or update or delete on oubli.element
  for each statement execute function oubli.announce_schema();
create trigger announced after insert or update or delete on oubli.annotation
  for each statement execute function oubli.announce_schema();
create trigger announced after insert or update or delete on oubli.personal_table
  for each statement execute function oubli.announce_schema();
create trigger announced after insert or update or delete on oubli.reference
  for each statement execute function oubli.announce_schema();

-- COMMENT mirrors the declaration for whoever looks with psql; what the team wrote before the mark stays.
create function oubli.before_mark(existing text) returns text
language sql immutable
return nullif(rtrim(split_part(coalesce(existing, ''), '[oubli]', 1)), '');

create function oubli.mirror(existing text, said text) returns text
language sql immutable
return concat_ws(' ', oubli.before_mark(existing), '[oubli] ' || said);

create function oubli.say(spec jsonb) returns text
language sql immutable
return case when spec ? 'notPersonal' then 'not personal: ' || (spec ->> 'notPersonal')
  else (select string_agg(key || '=' || (value #>> '{}'), ' ' order by key) from jsonb_each(spec)
        where key in ('category', 'protect', 'search', 'tokens', 'origin', 'purpose', 'basis', 'because')
          or key = 'subject' and spec ? 'protect') end;

create function oubli.annotate_column(target regclass, col name, declaration jsonb) returns void
language plpgsql as $$
declare
  attribute smallint := (select attnum from pg_catalog.pg_attribute
                         where attrelid = target and attname = col and attnum > 0 and not attisdropped);
begin
  if attribute is null then
    raise exception 'oubli: % has no column %', target, col
      using errcode = 'OU010', table = target::text, column = col;
  end if;
  insert into oubli.annotation values (target, col, declaration)
  on conflict (rel, column_name) do update set spec = excluded.spec;
  execute format('comment on column %s.%I is %L', target, col,
    oubli.mirror(pg_catalog.col_description(target, attribute), oubli.say(declaration)));
end $$;

-- What is due is found by a range of the column that starts the clock (ERASURE.md D2), so that column is the first of an index;
-- where the team has none, it is made here, without the rows whose clock has not started. What is no date of the
-- table is refused when the catalogue is verified.
create function oubli.index_anchor(target regclass, anchor name) returns void
language plpgsql as $$
begin
  if not exists (
    select from pg_catalog.pg_attribute a where a.attrelid = target and a.attname = anchor and not a.attisdropped
      and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype))
    or exists (
    select from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = target and a.attname = anchor
    where i.indrelid = target and i.indkey[0] = a.attnum and i.indisvalid
      and (i.indpred is null or pg_get_expr(i.indpred, target) = format('(%I IS NOT NULL)', anchor))) then
    return;
  end if;
  execute format('create index on %s (%I) where %I is not null', target, anchor, anchor);
end $$;

-- A person's key is found by the text of her id. Where equal values have several texts (1 and 1.0 as numeric, any case in
-- citext or under a nondeterministic collation, the spaces of char(n)) she would get several keys, and what one of them opens
-- would outlive her erasure.
create function oubli.refuse_subject_column(target regclass, col name) returns void
language plpgsql as $$
declare
  named record;
begin
  select coalesce(nullif(t.typbasetype, 0), t.oid) as type, format_type(a.atttypid, a.atttypmod) as written,
    e.id is not null as protected, case when not c.collisdeterministic then quote_ident(c.collname) end as folded into named
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
  left join pg_catalog.pg_collation c on c.oid = a.attcollation left join oubli.element e on e.domain = t.oid
  where a.attrelid = target and a.attname = col and a.attnum > 0 and not a.attisdropped;
  if named.type is null then
    raise exception 'oubli: % has no column %', target, col
      using errcode = 'OU010', table = target::text, column = col;
  end if;
  if named.protected or named.folded is not null
    or named.type <> all (array['smallint', 'integer', 'bigint', 'uuid', 'text', 'varchar']::regtype[]) then
    raise exception 'oubli: equal values of %.% have several spellings', target, col
      using errcode = 'OU016', table = target::text, column = col, datatype = concat_ws(' collate ', named.written, named.folded);
  end if;
end $$;

-- Declares a table: whose its rows are, why and for how long. Creates the index by which its retention finds what is due.
create function oubli.annotate_table(target regclass, kind text, subject_col name, declaration jsonb) returns void
language plpgsql as $$
declare
  taken regclass;
begin
  -- A table dropped by raw SQL must not keep its kind to itself.
  delete from oubli.personal_table p where not exists (select from pg_catalog.pg_class c where c.oid = p.rel);
  delete from oubli.annotation a where not exists (select from pg_catalog.pg_class c where c.oid = a.rel);
  if kind is not null then
    perform oubli.refuse_subject_column(target, subject_col);
  end if;
  select p.rel into taken from oubli.personal_table p where p.subject_kind = kind and p.rel <> target;
  if taken is not null then
    raise exception 'oubli: % are the rows of % already', kind, taken
      using errcode = 'OU013', table = target::text, datatype = kind, constraint = taken::text;
  end if;
  insert into oubli.personal_table values (target, kind, subject_col, declaration)
  on conflict (rel) do update
    set subject_kind = excluded.subject_kind, subject_column = excluded.subject_column, spec = excluded.spec;
  delete from oubli.reference r where r.rel = target;
  if declaration ? 'references' then
    perform oubli.declare_references(target, declaration -> 'references');
  end if;
  perform oubli.index_anchor(target, declaration #>> '{retention,from}')
    where jsonb_typeof(declaration #> '{retention,from}') = 'string';
  execute format('comment on table %s is %L', target,
    oubli.mirror(pg_catalog.obj_description(target, 'pg_class'),
      coalesce('subject=' || kind || ' ', '') || oubli.say(declaration)));
end $$;

-- A declaration names columns in seven places: its own row, the subject's id, the start of retention, the way to the subject, the
-- way to a column's own subject, a reference, a compound index.
create function oubli.rename_column(target regclass, old name, new name) returns void
language sql
begin atomic
  update oubli.annotation set column_name = new where rel = target and column_name = old;
  update oubli.personal_table set subject_column = new where rel = target and subject_column = old;
  update oubli.personal_table set spec = jsonb_set(spec, '{id}', to_jsonb(new::text))
    where rel = target and spec ->> 'id' = old;
  update oubli.personal_table set spec = jsonb_set(spec, '{retention,from}', to_jsonb(new::text))
    where rel = target and spec #>> '{retention,from}' = old;
  update oubli.personal_table set spec = jsonb_set(spec, '{retention,from,endOfFiscalYear}', to_jsonb(new::text))
    where rel = target and spec #>> '{retention,from,endOfFiscalYear}' = old;
  update oubli.personal_table set spec = jsonb_set(spec, '{retention,from,deletionOf}', to_jsonb(new::text))
    where rel = target and spec #>> '{retention,from,deletionOf}' = old;
  update oubli.personal_table
    set spec = jsonb_set(spec, '{retention,from,latestOf}', (
      select jsonb_agg(case c when old then new::text else c end order by n)
      from jsonb_array_elements_text(spec #> '{retention,from,latestOf}') with ordinality columns(c, n)))
    where rel = target and spec #> '{retention,from,latestOf}' @> to_jsonb(old::text);
  update oubli.personal_table set spec = jsonb_set(spec, '{subject,via}', to_jsonb(new::text))
    where rel = target and spec #>> '{subject,via}' = old;
  update oubli.reference set columns = array_replace(columns, old, new),
      conditions = case when conditions ? old then (conditions - old::text) || jsonb_build_object(new, conditions -> old) else conditions end
    where rel = target and (old = any(columns) or conditions ? old);
  update oubli.reference r set referred = array_replace(r.referred, old, new) where r.parent = target and old = any(r.referred);
  update oubli.annotation set spec = jsonb_set(spec, '{subject,via}', to_jsonb(new::text))
    where rel = target and spec #>> '{subject,via}' = old;
  update oubli.annotation
    set spec = jsonb_set(spec #- array['search', 'with', old], array['search', 'with', new], spec #> array['search', 'with', old])
    where rel = target and spec #> array['search', 'with', old] is not null;
  update oubli.element e
    set compound = (select jsonb_agg(case m ->> 'column' when old then m || jsonb_build_object('column', new) else m end order by n)
                    from jsonb_array_elements(e.compound) with ordinality members(m, n))
    where e.compound is not null and e.domain in (select a.atttypid from pg_catalog.pg_attribute a where a.attrelid = target);
end;

-- A column's type and default as SQL that means the same under every search path: read by every process at start. pg_get_expr
-- is not told the table, whose lock it would wait for while a migration has it: no default names a column of it.
create function oubli.written_type(type oid, modifier integer) returns text
language sql stable set search_path = pg_catalog
return format_type(coalesce((select nullif(t.typbasetype, 0) from pg_type t where t.oid = type), type), modifier);

create function oubli.written_default(target oid, attribute smallint) returns text
language sql stable set search_path = pg_catalog
return (
  select case when a.attidentity <> '' then format('nextval(%L::regclass)', pg_get_serial_sequence(target::regclass::text, a.attname))
    when a.attgenerated = '' then pg_get_expr(d.adbin, 0) end
  from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = target and a.attnum = attribute);
