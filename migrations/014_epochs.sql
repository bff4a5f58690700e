-- Epochs of keys: opened, drained, destroyed (ENVELOPE.md K5, K6), and what erasures owe to them.

alter table oubli.epoch
  alter column created_at set default oubli.now(),
  -- no subject key is wrapped under it any more, as was verified under a lock; a backup from before this moment needs its key
  add column drained_at    timestamptz,
  -- not destroyed earlier, so that backups from before can still be restored; decided by whoever drained it
  add column destroy_after timestamptz,
  -- what the provider says of its key: { is, proven, how, on }
  add column destruction   jsonb,
  add check ((drained_at is null) = (destroy_after is null)),
  add check (destruction is null or drained_at is not null);

create index on oubli.subject_key (epoch);

-- The one under which every new key is wrapped.
create function oubli.newest_epoch() returns integer
language sql stable
return (select max(id) from oubli.epoch);

-- The newest epoch when a key was destroyed: her key was never wrapped under a later one. Of those fenced before this version, the
-- newest of now.
alter table oubli.fence add column epoch integer default oubli.newest_epoch();

-- When the last key was destroyed under which those of an epoch, or their like in an older backup, were ever wrapped; null while one
-- of them is there, or only scheduled to go.
create function oubli.epochs_gone(newest integer) returns timestamptz
language sql stable
return (select case when bool_and(e.destroyed_at is not null) then max(e.destroyed_at) end from oubli.epoch e where e.id <= newest);

-- The newest epoch stays open; what was drained or destroyed does not come back. An epoch is drained, destroyed or deleted when no key
-- is wrapped under it: whoever is inserting keys ends first, and whoever begins waits, and sees what became of the epoch (K6).
create or replace function oubli.keep_epoch() returns trigger
language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if new.drained_at is null and old.drained_at is not null or new.destroyed_at is null and old.destroyed_at is not null then
      raise exception 'oubli: an epoch that was drained or destroyed does not come back' using errcode = 'OU062';
    end if;
    if new.drained_at is not null and new.id >= (select max(id) from oubli.epoch) then
      raise exception 'oubli: the newest epoch is not drained' using errcode = 'OU062';
    end if;
    if new.id = old.id and (new.destroyed_at is null or old.destroyed_at is not null)
      and (new.drained_at is null or old.drained_at is not null) then
      return new;
    end if;
  end if;
  lock table oubli.subject_key in share mode;
  if tg_op = 'TRUNCATE' and exists (select from oubli.subject_key)
    or tg_op <> 'TRUNCATE' and exists (select from oubli.subject_key k where k.epoch = old.id) then
    raise exception 'oubli: subject keys are wrapped under this epoch key' using errcode = 'foreign_key_violation';
  end if;
  return case tg_op when 'DELETE' then old when 'UPDATE' then new end;
end $$;

-- Other processes load their keys anew, and forget the one whose epoch is named: it was destroyed.
create function oubli.announce_epochs() returns trigger
language plpgsql as $$
begin
  perform pg_catalog.pg_notify('oubli_epochs', case when tg_op = 'UPDATE' and new.destruction is not null then new.id::text else '' end);
  return null;
end $$;
create trigger announced after insert or update on oubli.epoch for each row execute function oubli.announce_epochs();
alter table oubli.epoch enable always trigger announced;

-- Keys come under the newest epoch only, new ones and those that are wrapped anew: none slips in under one that was drained. A view of
-- the database from before its last commit could not tell, neither which epoch is the newest nor which keys are fenced.
create or replace function oubli.refuse_fenced_keys() returns trigger
language plpgsql as $$
declare
  newest integer := oubli.newest_epoch();
  late boolean;
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    if tg_op = 'UPDATE' then
      if not exists (
        select from written w left join before b using (key_id)
        where (w.epoch, w.born, w.wrapped, w.fingerprint, w.keep_until, w.successor)
          is distinct from (b.epoch, b.born, b.wrapped, b.fingerprint, b.keep_until, b.successor)) then
        return null; -- a writer has opened it
      end if;
    end if;
    raise exception 'oubli: subject keys are written by transactions that are read committed' using errcode = 'OU061';
  end if;
  if exists (select from written w join oubli.fence f on f.key_id = w.key_id)
    or exists (select from written w join oubli.fence f on f.fingerprint = w.fingerprint) then
    raise exception 'oubli: this subject key was destroyed and is refused for ever' using errcode = 'OU002';
  end if;
  if exists (select from written w where not exists (select from oubli.epoch e where e.id = w.epoch and e.destroyed_at is null)) then
    raise exception 'oubli: a subject key is wrapped under no epoch key that there is' using errcode = 'foreign_key_violation';
  end if;
  if tg_op = 'INSERT' then
    late := exists (select from written w where w.epoch <> newest);
  else
    late := exists (select from written w join before b using (key_id) where w.epoch <> b.epoch and w.epoch <> newest);
  end if;
  if late then
    raise exception 'oubli: a subject key is wrapped under an epoch that is no longer the newest' using errcode = 'OU060';
  end if;
  return null;
end $$;
drop trigger fenced_again on oubli.subject_key;
create trigger fenced_again after update on oubli.subject_key referencing old table as before new table as written
  for each statement execute function oubli.refuse_fenced_keys();
alter table oubli.subject_key enable always trigger fenced_again;

-- Keys of which a look found that nobody's row is there and that nothing else speaks of whose they are: since when that is known, and how
-- many looks on different days have found it, none of them the contrary. Made for a write that never came, as keys are committed before what is
-- sealed under them (ENVELOPE.md K3), or left by a row that was deleted past the life cycle. Those of which it is still true after their
-- grace are destroyed, where no value anywhere is sealed under them.
create table oubli.unused_key (
  key_id    bytea primary key,
  since     timestamptz not null default oubli.now(),
  looks     integer not null default 1,
  looked_at timestamptz not null default oubli.now(),
  -- a value was found under it when its grace was over: it has another
  was_used  boolean not null default false
);
create index on oubli.unused_key (since);

-- When all keys were looked at last.
create table oubli.unused_look (
  only_one boolean primary key default true check (only_one),
  began_at timestamptz not null default '-infinity'
);
insert into oubli.unused_look default values;

-- Nobody was erased with it: a writer that had it in memory asks again, and gets a new one.
alter table oubli.fence
  add column unused           boolean not null default false,
  -- the keyed reference of whose it was: values of hers in a backup are under it, whoever comes back under her name (ENVELOPE.md K5)
  add column unused_reference bytea;
create index on oubli.fence (unused_reference) where unused_reference is not null;

-- Whether a text is a value of a type: a link may name somebody in the way in which her table named her before its type changed.
create function oubli.reads_as(model anyelement, written text) returns boolean
language plpgsql stable as $$
begin
  return oubli.typed(model, written) is not null;
exception when data_exception or integrity_constraint_violation then
  return false;
end $$;

-- The element whose value a column of a type holds: one of our types, or a domain over one.
create function oubli.element_of(of_type oid) returns integer
language sql stable
begin atomic
  with recursive base (oid) as (
    select of_type union all
    select t.typbasetype from base join pg_catalog.pg_type t on t.oid = base.oid where t.typbasetype <> 0)
  select e.id from base join oubli.element e on e.domain = base.oid where e.protect = 'encrypt';
end;

-- SQL of all key ids in a value, a SELECT of one column with nulls, however deep they stand in it: in a domain over one of our types, an
-- array, a row of a table, a range. Null where none can be. PostgreSQL lets no type be in itself.
create function oubli.key_ids_within(value text, of_type oid) returns text
language plpgsql stable as $$
declare
  t pg_catalog.pg_type := (select p from pg_catalog.pg_type p where p.oid = of_type);
  many text;
  inner_type oid;
  inner_ids text;
  each name := 'v' || length(value);
begin
  if t.typtype = 'd' then
    return case when oubli.element_of(of_type) is null then oubli.key_ids_within(value, t.typbasetype)
      else format('select oubli.key_id((%s)::bytea)', value) end;
  elsif t.typtype = 'c' then
    return (
      select string_agg(oubli.key_ids_within(format('(%s).%I', value, a.attname), a.atttypid), ' union all ' order by a.attnum)
      from pg_catalog.pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped);
  elsif t.typtype = 'r' then
    many := format('array[pg_catalog.lower(%1$s), pg_catalog.upper(%1$s)]', value);
    inner_type := (select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid = of_type);
  elsif t.typtype = 'm' then
    many := value;
    inner_type := (select r.rngtypid from pg_catalog.pg_range r where r.rngmultitypid = of_type);
  elsif t.typcategory = 'A' and t.typelem <> 0 then
    many := value;
    inner_type := t.typelem;
  else
    return null;
  end if;
  inner_ids := oubli.key_ids_within(format('%I.v', each), inner_type);
  return case when inner_ids is not null then
    format('select k.id from (select pg_catalog.unnest(%s) as v) %I cross join lateral (%s) k(id)', many, each, inner_ids) end;
end $$;

-- Those of some keys under which a value stands in a table, in columns that may have one. With the owner's rights, for who destroys keys may
-- not read what they open; and past no row security, which would hide values, or run what somebody wrote into a policy.
-- It is stable, so that all tables that one statement asks for are looked at as of one moment: a row that is moved meanwhile is not missed.
create function oubli.keys_in_use(keys bytea[], target regclass) returns setof bytea
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set row_security = off set enable_seqscan = on as $$
declare
  named text := (
    select string_agg(oubli.key_ids_within(format('t.%I', a.attname), a.atttypid), ' union all ')
    from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
    where c.oid = target and c.relkind in ('r', 'm', 'f') and a.attnum > 0 and not a.attisdropped);
begin
  if named is not null then
    return query execute format('select distinct k.id from only %s t cross join lateral (%s) k(id) where k.id = any($1)', target, named)
      using keys;
  end if;
end $$;

-- Keeps a table as it is until the transaction ends, before it is looked at in a statement of its own: a view from before would not see what
-- whoever rewrote or emptied it meanwhile has done (PostgreSQL manual 13.6: TRUNCATE and some forms of ALTER TABLE are not MVCC-safe).
create function oubli.hold_place(target regclass) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set row_security = off as $$
begin
  if exists (select from pg_catalog.pg_class c where c.oid = target) then
    execute format('select from only %s limit 0', target);
  end if;
end $$;

-- Whoever may ask which keys are used learns about people whose rows are not his to read.
revoke all on function oubli.keys_in_use(bytea[], regclass), oubli.hold_place(regclass) from public;

-- A returning person: the mark of an erasure is taken off with one new key, and a reason in the ledger. What the law keeps of her life
-- before stays under its own key, which her link goes on naming.
do $$
declare
  named name := (select c.conname from pg_catalog.pg_constraint c
                 where c.conrelid = 'oubli.subject_link'::regclass and c.contype = 'c' and pg_get_constraintdef(c.oid) like '%retained_key_id%');
begin
  execute format('alter table oubli.subject_link drop constraint %I', named);
end $$;

create function oubli.refuse_unsaid_return(key bytea) returns void
language plpgsql as $$
begin
  if not exists (select from oubli.ledger l where l.key_id = key and l.act = 'new lifecycle allowed') then
    raise exception 'oubli: somebody who was erased comes back without a reason in the ledger' using errcode = 'OU046',
      hint = 'await subject(kind, id).allowNewLifecycle({ because: ''…'' })';
  end if;
end $$;

-- With the owner's rights: where keys have a role of their own no process may make one, nor give one to anybody, but for her whom the entry
-- of the ledger speaks of that it has written in this transaction. Whether that has its link is asked at its commit. Of two who let her in
-- at once the second finds her back. Where her row stayed its mark goes; where it left she gets a link anew, beside the fence.
create function oubli.let_in(of_kind text, id text, reference bytea, key bytea, bytes bytea, print bytea, of_epoch integer) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform oubli.refuse_unsaid_return(key);
  with back as (
    update oubli.subject_link l set key_id = key, erased_at = null
    where l.kind = of_kind and l.subject_id = id and l.erased_at is not null returning l.key_id),
  begun as (
    insert into oubli.subject_link (kind, subject_id, key_id)
    select of_kind, id, key where exists (select from oubli.fence f where f.subject_reference = reference)
      and not exists (select from oubli.subject_link l where l.kind = of_kind and l.subject_id = id)
    on conflict do nothing returning key_id)
  insert into oubli.subject_key (key_id, epoch, born, wrapped, fingerprint)
  select w.key_id, of_epoch, of_epoch, bytes, print from (select * from back union all select * from begun) w;
  return found;
end $$;
revoke all on function oubli.let_in(text, text, bytea, bytea, bytea, bytea, integer) from public;

create function oubli.keep_erased() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform oubli.refuse_unsaid_return(new.key_id);
  return null;
end $$;
revoke all on function oubli.keep_erased() from public;
create constraint trigger returned after update on oubli.subject_link deferrable initially deferred
  for each row when (old.erased_at is not null and new.erased_at is null) execute function oubli.keep_erased();
alter table oubli.subject_link enable always trigger returned;

-- An epoch key that somebody else may have opens every key that was ever wrapped under it, whatever wraps it now. So these keys are replaced:
-- each gets a successor, under which its person's values are sealed anew; when none is left under the old key, it is destroyed. Two moments,
-- for one is not the other: when it was told, and when that was done.
alter table oubli.epoch
  add column compromised_at timestamptz,
  add column resealed_at    timestamptz,
  add check (resealed_at is null or compromised_at is not null);

alter table oubli.subject_key
  -- the first epoch that it was wrapped under; an earlier one cannot open it
  add column born      integer not null default oubli.newest_epoch(),
  -- the key that takes its place. Both are her key until the values under this one are sealed anew.
  add column successor bytea,
  -- whoever found no value under it any more and looks again. Where it has a successor, none may be written from now on; where it has none,
  -- whoever writes opens it, and so it stays.
  add column closed    uuid;
update oubli.subject_key set born = epoch where born <> epoch;
create index on oubli.subject_key (successor) where successor is not null;

alter table oubli.fence
  add column born      integer,
  -- of a key that was replaced: its person lives on under this one
  add column successor bytea;
create index on oubli.fence (successor) where successor is not null;

-- All names that a person has had in the ledger, by one of them (ENVELOPE.md K2): one, unless her key was replaced.
create function oubli.names_of(key bytea) returns bytea[]
language sql stable
begin atomic
  with last (key_id) as (
    select coalesce((select s.successor from oubli.subject_key s where s.key_id = key),
      (select f.successor from oubli.fence f where f.key_id = key), key))
  select array(
    select key_id from last
    union select s.key_id from oubli.subject_key s join last on s.successor = last.key_id
    union select f.key_id from oubli.fence f join last on f.successor = last.key_id);
end;

-- No value is written under a key that is closed. Whoever comes too late has an old key in a cache, and asks again. Of a key without a
-- successor somebody is finding out whether it is used: it is.
create or replace function oubli.refuse_keys(of_kind text, keys bytea[], people text[], named text) returns void
language plpgsql as $$
declare
  living integer;
begin
  if exists (
    select from unnest(keys, people) w(key_id, person) join oubli.subject_link l on l.key_id = w.key_id
    where l.kind <> of_kind or l.subject_id is distinct from w.person) then
    raise exception 'oubli: a value in % is sealed under the key of another subject', named using errcode = 'OU004';
  end if;
  perform from oubli.subject_key s where s.key_id = any(keys) and s.closed is not null and s.successor is null order by s.key_id for no key update;
  if found then -- an UPDATE of no row would lock the table, too, and whoever drains an epoch would wait for it
    update oubli.subject_key s set closed = null where s.key_id = any(keys) and s.closed is not null and s.successor is null;
    perform from unnest(keys) w(key_id) join oubli.subject_key s on s.key_id = w.key_id and s.closed is null order by s.key_id for key share of s;
    get diagnostics living = row_count;
    if living = cardinality(keys) then
      return;
    end if;
  end if;
  if exists (select from oubli.subject_key s where s.key_id = any(keys) and s.closed is not null)
    or exists (select from oubli.fence f where f.key_id = any(keys) and f.successor is not null and not exists (
      select from oubli.fence d where d.key_id = f.successor))
    or exists (select from oubli.fence f where f.key_id = any(keys) and f.unused) then
    raise exception 'oubli: a value in % is sealed under a key that was replaced', named using errcode = 'OU050';
  end if;
  if current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
    or exists (select from oubli.fence f where f.key_id = any(keys)) then
    raise exception 'oubli: a value in % is sealed under a key that is not alive', named using errcode = 'OU002';
  end if;
end $$;

create or replace function oubli.guard_of_keys(target regclass, sealed name[], kind text, owner text, source text) returns text
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
    perform from unnest(keys, people) w(id, person) join oubli.subject_key s on s.key_id = w.id and s.closed is null%6$s order by s.key_id for key share of s;
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

create or replace function oubli.guard_of_one_row(target regclass, event text, kind text, owner text, steady name[]) returns text
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
      perform from oubli.subject_key s where s.key_id = low and s.closed is null%5$s for key share of s;
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

select oubli.refresh_guards();
