-- The policy is the column's type: one domain per protected element. PostgreSQL itself refuses plaintext from psql, COPY,
-- another service or a forgotten code path, and the error of a domain CHECK prints no value (a table CHECK prints the row).

-- The shape of a sealed value, version 1: magic A7 0B, suite 01, flags, element, [blind index], key id, salt, commitment,
-- ciphertext, tag. A query token (flag bit 1) passes here because parameters pass the domain's input; the guard refuses
-- to store one.
create function oubli.is_sealed(value bytea, element integer, searchable boolean) returns boolean
language sql immutable parallel safe
return case
  when octet_length(value) < 24 then false
  when substring(value from 1 for 3) <> '\xa70b01'::bytea then false
  when substring(value from 5 for 4) <> int4send(element) then false
  when get_byte(value, 3) & 2 = 2 then searchable and get_byte(value, 3) = 3 and octet_length(value) = 24
  when get_byte(value, 3) & 224 <> 0 then false
  when (get_byte(value, 3) & 1 = 1) <> searchable then false
  else octet_length(value) >= case when searchable then 96 else 80 end
end;

create function oubli.is_token(value bytea) returns boolean
language sql immutable parallel safe
return octet_length(value) = 24 and get_byte(value, 3) = 3;

-- The key id inside a sealed value; NULL for NULL, for what is not sealed yet, and for what an erasure left (all zero).
create function oubli.key_id(value bytea) returns bytea
language sql immutable parallel safe
return case when octet_length(value) >= 80 and substring(value from 1 for 3) = '\xa70b01'::bytea then
  nullif(substring(value from case when get_byte(value, 3) & 1 = 1 then 25 else 9 end for 16),
         '\x00000000000000000000000000000000'::bytea) end;

-- How many search tokens a value says that it has, behind its commitment.
create function oubli.token_count(value bytea) returns integer
language sql immutable parallel safe
return case when get_byte(value, 3) & 1 = 1 then get_byte(value, 80) * 256 + get_byte(value, 81)
  else get_byte(value, 64) * 256 + get_byte(value, 65) end;

-- The same with search tokens behind the commitment: flag bit 5, their number in two bytes, 8 bytes each. Without them is only
-- what an erasure left, and a query token.
create function oubli.is_tokenised(value bytea, element integer, searchable boolean) returns boolean
language sql immutable parallel safe
return case
  when value is null then null
  when octet_length(value) < 91 or get_byte(value, 3) & 32 = 0
    then oubli.is_sealed(value, element, searchable) and (oubli.is_token(value)
      or octet_length(value) = case when searchable then 96 else 80 end and oubli.key_id(value) is null)
  when not oubli.is_sealed(set_byte(value, 3, get_byte(value, 3) & 223), element, searchable) then false
  else oubli.token_count(value) between 1 and 1024
    and octet_length(value) > case when searchable then 98 else 82 end + 8 * oubli.token_count(value)
    and oubli.key_id(value) is not null
end;

-- The search tokens of a sealed value, by which its beginning or its words are found; NULL where there are none. It is indexed, so
-- it must do for a writer who may not even look into this schema: no name of ours stands in it. As one SELECT it would take ten
-- times as long for a few tokens.
create function oubli.search_tokens(value bytea) returns bigint[]
language plpgsql immutable strict parallel safe as $$
declare
  counted integer;
  tokens bigint[] := '{}';
begin
  if octet_length(value) < 91 or substring(value from 1 for 3) <> '\xa70b01'::bytea or get_byte(value, 3) & 32 = 0 then
    return null;
  end if;
  counted := case when get_byte(value, 3) & 1 = 1 then 80 else 64 end;
  for i in 1 .. get_byte(value, counted) * 256 + get_byte(value, counted + 1) loop
    tokens[i] := ('x' || encode(substring(value from counted + 8 * i - 5 for 8), 'hex'))::bit(64)::bigint;
  end loop;
  return tokens;
end $$;

-- What an erasure leaves in a NOT NULL sealed column: a well-shaped value whose key id names nobody. It reads as null.
-- Its blind index is unique by construction, so a unique column stays valid (ERASURE.md A6).
create function oubli.tombstone(element integer, searchable boolean, row_mark text) returns bytea
language sql immutable parallel safe
return '\xa70b01'::bytea || case when searchable then '\x01'::bytea else '\x00'::bytea end || int4send(element)
  || case when searchable then decode(md5(row_mark), 'hex') else ''::bytea end || decode(repeat('00', 72), 'hex');

-- A truncated address: nothing below the kept bits. 6to4 is refused whole, since its first 48 bits are an IPv4 address.
create function oubli.is_truncated(value inet, v4 integer, v6 integer) returns boolean
language sql immutable parallel safe
return case when family(value) = 4 then value = host(network(set_masklen(value, v4)))::inet
  else value = host(network(set_masklen(value, v6)))::inet and not value <<= '2002::/16'::inet end;

-- The same for an address in a text column, in the one form that host() gives, so that equal addresses are equal texts.
-- What is no address at all is refused here and not by the cast, whose error would print it.
create function oubli.is_truncated_text(value text, v4 integer, v6 integer) returns boolean
language plpgsql immutable parallel safe as $$
begin
  return value = pg_catalog.host(value::inet) and oubli.is_truncated(value::inet, v4, v6);
exception when invalid_text_representation then
  return false;
end $$;

-- `=` and `<>` compare blind indexes and are inlined, so raw SQL and views use the expression index. They must be plain
-- RETURN bodies: STRICT or SET search_path would prevent inlining and give a sequential scan. They stand in the schema of
-- the table, which is on the search path of whoever finds the table; elsewhere bytea's own `=` would match nothing.
create function oubli.refuse_operator(a bytea, b bytea) returns boolean
language plpgsql immutable as $$
begin
  raise exception 'oubli: this operator cannot work over a sealed column'
    using errcode = 'OU003', hint = 'compare with = where the column was declared with search, or decrypt in the application';
end $$;

-- The value that a text is for a column's type, as its input function reads it. Its length, or precision, is the column's own
-- affair: an assignment keeps to that, where a cast would cut. `model` is of that type; what it is does not matter.
create function oubli.typed(model anyelement, written text) returns anyelement
language plpgsql stable parallel safe as $$
declare
  cell model%type;
begin
  if written ~ '^\s*\(' and exists (
    select from pg_catalog.pg_type t left join pg_catalog.pg_type b on b.oid = t.typbasetype
    where t.oid = pg_typeof(model) and 'c' in (t.typtype, b.typtype)) then
    execute format('select (%L::%s).*', written, pg_typeof(model)) into cell; -- nothing else makes a composite value of a text
    return cell;
  end if;
  return written;
end $$;

-- Both sides of a comparison past the type, as `in ('a', 'b')` makes of a list: what is not stored like this matches nothing.
create function oubli.refuse_operand(operand anyelement) returns anyelement
language plpgsql immutable as $$
begin
  if operand is null then
    return null;
  end if;
  raise exception 'oubli: this operand is not what the column holds, and would match nothing'
    using errcode = 'OU003', hint = 'compare with = or = any(…), through the protected instance';
end $$;

create function oubli.refuse_pattern(a bytea, b bytea, domain regtype) returns boolean
language plpgsql immutable as $$
declare
  named name := (select t.typname from pg_catalog.pg_type t where t.oid = domain);
begin
  raise exception 'oubli: the beginning or the words of % are looked for by the query builder only', named
    using errcode = 'OU021', datatype = named, hint = $re$.whereILike(column, 'abc%'), .where(column, '@@', 'two words')$re$;
end $$;

create function oubli.create_operator(operator text, a text, b text, operator_schema name, body text) returns void
language plpgsql as $$
begin
  execute format('create or replace function oubli.%I(a %s, b %s) returns boolean language sql immutable parallel safe return %s',
    'operator ' || operator, a, b, body);
  execute format('create operator %I.%s (function = oubli.%I, leftarg = %s, rightarg = %s%s)',
    operator_schema, operator, 'operator ' || operator, a, b,
    case operator when '=' then ', restrict = eqsel, join = eqjoinsel' when '<>' then ', restrict = neqsel' else '' end);
end $$;

create function oubli.create_operators(domain text, searchable boolean, tokenised boolean, operator_schema name) returns void
language plpgsql as $$
declare
  operator text;
  refused constant text := 'oubli.refuse_operator(a::bytea, b::bytea)';
  pattern constant text := case when tokenised then format('oubli.refuse_pattern(a::bytea, b::bytea, %L::regtype)', domain) else refused end;
  index constant text := 'substring(%s::bytea from 9 for 16)';
  checked constant text := $re$case when substring(%1$s from 1 for 3) = '\xa70b01'::bytea then substring(%1$s from 9 for 16)
    else oubli.refuse_operand(%1$s) end$re$;
begin
  foreach operator in array array['=', '<>'] loop
    perform oubli.create_operator(operator, sides.a, sides.b, operator_schema,
      case when searchable then format('%s %s %s', format(sides.x, 'a'), operator, format(sides.y, 'b')) else refused end)
    from (values (domain, domain, index, index), (domain, 'bytea', index, checked), ('bytea', domain, checked, index))
      sides(a, b, x, y);
  end loop;
  foreach operator in array array['<', '<=', '>', '>='] loop
    perform oubli.create_operator(operator, domain, domain, operator_schema, refused);
  end loop;
  foreach operator in array array['~~', '!~~'] || case when tokenised then array['~~*', '!~~*', '@@'] end loop
    perform oubli.create_operator(operator, domain, domain, operator_schema, pattern);
  end loop;
end $$;

-- `=` and `<>` between the columns of one search group, wherever the one or the other is found. Without them PostgreSQL would take
-- a value of the one for a value of the other, and its CHECK would refuse it.
create function oubli.create_group_operators(new_domain regtype, operator_schema name) returns void
language sql
begin atomic
  select oubli.create_operator(named, sides.a, sides.b, place,
    format('substring(a::bytea from 9 for 16) %s substring(b::bytea from 9 for 16)', named))
  from oubli.element e
  join oubli.element other on other.search_group = e.search_group and other.id <> e.id
  join pg_catalog.pg_operator o on o.oprleft = other.domain and o.oprright = other.domain and o.oprname = '='
  cross join lateral (select operator_schema as place union select (select nspname from pg_catalog.pg_namespace where oid = o.oprnamespace)) places
  cross join lateral (values (e.domain::text, other.domain::text), (other.domain::text, e.domain::text)) sides(a, b)
  cross join unnest(array['=', '<>']) named
  where e.domain = new_domain;
end;

-- Equal values have equal indexes only where they are normalised, and encoded, alike.
create function oubli.refuse_other_group(definition jsonb) returns void
language plpgsql as $$
declare
  other name := (
    select t.typname from oubli.element e join pg_catalog.pg_type t on t.oid = e.domain
    where e.search_group = definition ->> 'searchGroup'
      and (e.normaliser, e.normaliser_version, e.codec) is distinct from
        (definition ->> 'normaliser', (definition ->> 'normaliserVersion')::integer, definition ->> 'codec') limit 1);
begin
  if other is not null then
    raise exception 'oubli: the search group % is that of %', definition ->> 'searchGroup', other
      using errcode = 'OU017', constraint = definition ->> 'searchGroup', datatype = other;
  end if;
end $$;

-- Addresses and pseudonyms compare as ever. Their `=` is declared for the domain itself, so that PostgreSQL calls an operand of
-- raw SQL by the domain's name: then it is truncated, or made a pseudonym, like what is stored, and anything else is refused
-- instead of matching nothing. The base type's `=` is declared, too, for `in ('a', 'b')` compares by that. Pseudonyms have
-- neither order nor pattern.
create function oubli.create_plain_operators(domain text, base text, definition jsonb, operator_schema name) returns void
language plpgsql as $$
declare
  checked constant text := 'case when %s then %s else oubli.refuse_operand(%2$s) end';
begin
  perform oubli.create_operator(operator, sides.a, sides.b, operator_schema, format('%s %s %s', sides.x, operator, sides.y))
  from unnest(array['=', '<>']) operator, (values
    (domain, domain, format('a::%s', base), format('b::%s', base)),
    (domain, base, format('a::%s', base), format(checked, oubli.plain_check(definition, 'b'), 'b')),
    (base, domain, format(checked, oubli.plain_check(definition, 'a'), 'a'), format('b::%s', base))) sides(a, b, x, y);
  if definition ->> 'protect' = 'pseudonymise' then
    perform oubli.create_operator(operator, domain, domain, operator_schema,
      'oubli.refuse_operator(a::text::bytea, b::text::bytea)')
    from unnest(array['<', '<=', '>', '>=', '~~', '!~~', '~~*', '!~~*', '~', '!~', '~*', '!~*']) operator;
  end if;
end $$;

-- A column of some relation that has a type of ours, or an array of it.
create function oubli.column_of_type(wanted regtype) returns text
language sql stable
begin atomic
  select format('%s.%I', a.attrelid::regclass, a.attname)
  from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = wanted
  where a.atttypid in (t.oid, t.typarray) and not a.attisdropped order by a.attrelid, a.attnum limit 1;
end;

-- Removes a domain of ours that is no longer the type of any column, with our operators and nothing else: a function of
-- the team's that takes the type makes PostgreSQL refuse, by name.
create function oubli.drop_unused_domain(unused regtype) returns void
language plpgsql as $$
declare
  code record;
  operator regoperator;
begin
  if oubli.column_of_type(unused) is not null then
    return;
  end if;
  delete from oubli.element where domain = unused;
  if not exists (select from pg_catalog.pg_type where oid = unused) then
    return;
  end if;
  for code in select p.oid::regprocedure as signature,
                array(select o.oid::regoperator from pg_catalog.pg_operator o where o.oprcode = p.oid) as operators
              from pg_catalog.pg_proc p
              where p.pronamespace = 'oubli'::regnamespace and p.proname like 'operator %'
                and unused = any(p.proargtypes::oid[]) loop
    -- one for each schema in which a column of the search group is found
    foreach operator in array code.operators loop
      execute format('drop operator %s', operator);
    end loop;
    execute format('drop function %s', code.signature);
  end loop;
  execute format('drop domain %s', unused);
end $$;

-- The lasting name of an element's domain: `users.email`, with its schema before it unless that is `public`.
create function oubli.name_of_domain(target regclass, col name, attempt integer) returns name
language sql stable
begin atomic
  select case when octet_length(wanted) <= 63 then wanted
    else left(wanted, case when octet_length(wanted) = length(wanted) then 48 else 12 end) || '~'
      || left(encode(sha256(convert_to(wanted, 'UTF8')), 'hex'), 14) end::name
  from (select concat_ws('.', nullif(n.nspname, 'public'), c.relname, col) || coalesce('~' || nullif(attempt, 0), '') as wanted
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = target) names;
end;

-- Gives the domains of a table's declared columns their lasting names, once the table or a column is new or has a new
-- name: what was called `users.email` is free again for another column, in this schema or in another tenant's. Columns of
-- copies (LIKE, CTAS) are not declared, and share the domain under the name it has.
create function oubli.name_domains(target regclass) returns void
language plpgsql as $$
declare
  found record;
  wanted name;
  attempt integer;
begin
  -- called after every change of a declared table, of its name too, of which no row of ours would tell
  perform pg_catalog.pg_notify('oubli_schema', '');
  for found in
    select t.typname as called, a.attname as col
    from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid join pg_catalog.pg_type t on t.oid = e.domain
    where a.attrelid = target and a.attnum > 0 and not a.attisdropped
      and exists (select from oubli.annotation s where s.rel = target and s.column_name = a.attname) loop
    attempt := 0;
    loop
      wanted := oubli.name_of_domain(target, found.col, attempt);
      exit when wanted = found.called;
      perform oubli.drop_unused_domain(to_regtype(format('oubli.%I', wanted)));
      if to_regtype(format('oubli.%I', wanted)) is null then
        execute format('alter domain oubli.%I rename to %I', found.called, wanted);
        exit;
      end if;
      attempt := attempt + 1;
    end loop;
  end loop;
end $$;

-- Refuses what would take the meaning from a sealed column, or its type: asked by migrations before they alter a table.
create function oubli.refuse_constraint(target regclass, columns name[], what text) returns void
language plpgsql as $$
declare
  sealed name;
begin
  select a.attname into sealed from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid
  where a.attrelid = target and a.attname = any(columns) and e.protect = 'encrypt' limit 1;
  if sealed is not null then
    raise exception 'oubli: % over %.% would look at ciphertext, which differs at every write', what, target, sealed
      using errcode = 'OU014', table = target::text, column = sealed, constraint = what;
  end if;
end $$;

create function oubli.refuse_new_type(target regclass, col name) returns void
language plpgsql as $$
begin
  if exists (select from pg_catalog.pg_attribute a join oubli.element e on e.domain = a.atttypid
             where a.attrelid = target and a.attname = col and not a.attisdropped) then
    raise exception 'oubli: another type would end the protection of %.%', target, col
      using errcode = 'OU015', table = target::text, column = col;
  end if;
end $$;

-- What a dropped table or column leaves: its declarations, its domain, its operators.
create function oubli.sweep_catalogue() returns void
language plpgsql as $$
begin
  delete from oubli.annotation a where not exists (
    select from pg_catalog.pg_attribute t
    where t.attrelid = a.rel and t.attname = a.column_name and t.attnum > 0 and not t.attisdropped);
  delete from oubli.personal_table p where not exists (select from pg_catalog.pg_class c where c.oid = p.rel);
  delete from oubli.reference r where not exists (select from pg_catalog.pg_class c where c.oid = r.rel)
    or not exists (select from pg_catalog.pg_class c where c.oid = r.parent);
  perform oubli.drop_unused_domain(e.domain) from oubli.element e;
  perform oubli.refresh_guards();
end $$;

-- Whether a text or an address is one that the column could hold.
create function oubli.plain_check(definition jsonb, operand text) returns text
language sql stable
return case definition ->> 'protect'
  when 'pseudonymise' then format($re$%s ~ '^psn1\.[A-Za-z0-9_-]{43}$'$re$, operand)
  else format('oubli.%I(%s, %s, %s)',
    case definition ->> 'declaredType' when 'inet' then 'is_truncated' else 'is_truncated_text' end, operand,
    definition ->> 'v4', definition ->> 'v6') end;

create function oubli.domain_check(definition jsonb, element integer) returns text
language sql stable
return case definition ->> 'protect'
  when 'encrypt' then
    format('oubli.%I(value, %s, %L)', case when definition ->> 'tokens' is null then 'is_sealed' else 'is_tokenised' end,
      element, definition ->> 'normaliser' is not null)
  else oubli.plain_check(definition, 'value') end;

-- Creates the domain of an element before its column exists. `deferred` leaves the CHECK to oubli.enforce_domain, for a
-- column that has rows.
create function oubli.define_element(domain_name text, definition jsonb, operator_schema name, deferred boolean default false)
returns void
language plpgsql as $$
declare
  base text := case definition ->> 'protect' when 'encrypt' then 'bytea' when 'pseudonymise' then 'text'
    else definition ->> 'declaredType' end;
  element integer;
begin
  perform oubli.drop_unused_domain(to_regtype(format('oubli.%I', domain_name)));
  if to_regtype(format('oubli.%I', domain_name)) is not null then
    raise exception 'oubli: % is the type of %', domain_name, oubli.column_of_type(to_regtype(format('oubli.%I', domain_name)))
      using errcode = 'OU011', datatype = domain_name,
        column = oubli.column_of_type(to_regtype(format('oubli.%I', domain_name)));
  end if;
  perform oubli.refuse_other_group(definition) where definition ->> 'searchGroup' is not null;
  execute format('create domain oubli.%I as %s', domain_name, base);
  insert into oubli.element (domain, protect, codec, declared_type, normaliser, normaliser_version, search_group, compound, tokens, padding, max_bytes, v4, v6, state)
  values (format('oubli.%I', domain_name)::regtype, definition ->> 'protect', definition ->> 'codec',
    definition ->> 'declaredType', definition ->> 'normaliser', (definition ->> 'normaliserVersion')::integer,
    definition ->> 'searchGroup', definition -> 'compound', definition -> 'tokens',
    coalesce(definition ->> 'padding', 'none'), coalesce((definition ->> 'maxBytes')::integer, 1048576), (definition ->> 'v4')::integer, (definition ->> 'v6')::integer,
    case when deferred then 'transition' else 'sealed' end)
  returning id into element;
  if not deferred then
    execute format('alter domain oubli.%I add constraint %I check (%s)', domain_name, definition ->> 'protect',
      oubli.domain_check(definition, element));
  end if;
  if definition ->> 'protect' = 'encrypt' then
    perform oubli.create_operators(format('oubli.%I', domain_name),
      definition ->> 'normaliser' is not null, definition ->> 'tokens' is not null, operator_schema);
    perform oubli.create_group_operators(format('oubli.%I', domain_name)::regtype, operator_schema);
  else
    perform oubli.create_plain_operators(format('oubli.%I', domain_name), base, definition, operator_schema);
  end if;
end $$;
