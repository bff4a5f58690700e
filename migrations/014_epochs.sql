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

-- Keys of which a look found that nobody's row is there and that nothing else speaks of whose they are, and since when that is known: made
-- for a write that never came, as keys are committed before what is sealed under them (ENVELOPE.md K3), or left by a row that was deleted
-- past the life cycle. Those of which it is still true after their grace are destroyed, where no value anywhere is sealed under them.
create table oubli.unused_key (
  key_id bytea primary key,
  since  timestamptz not null default oubli.now()
);
create index on oubli.unused_key (since);

-- When all keys were looked at last.
create table oubli.unused_look (
  only_one boolean primary key default true check (only_one),
  began_at timestamptz not null default '-infinity'
);
insert into oubli.unused_look default values;

-- Nobody was erased with it.
alter table oubli.fence add column unused boolean not null default false;

-- Those of some keys under which a value stands in a table, in columns of our types and arrays of them. With the owner's rights, for who
-- destroys keys may not read what they open; and past no row security, which would hide values, or run what somebody wrote into a policy.
-- It is stable, so that all tables that one statement asks for are looked at as of one moment: a row that is moved meanwhile is not missed.
create function oubli.keys_in_use(keys bytea[], target regclass) returns setof bytea
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set row_security = off set enable_seqscan = on as $$
declare
  named text := (
    select string_agg(case when t.typcategory = 'A' then format('select oubli.key_id(v::bytea) from unnest(t.%I) v', a.attname)
      else format('select oubli.key_id(t.%I::bytea)', a.attname) end, ' union all ')
    from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
    join pg_catalog.pg_type t on t.oid = a.atttypid
    join oubli.element e on e.domain = t.oid or e.domain = t.typelem and t.typcategory = 'A'
    where c.oid = target and c.relkind in ('r', 'm', 'f') and a.attnum > 0 and not a.attisdropped and e.protect = 'encrypt');
begin
  if named is not null then
    return query execute format('select distinct k.id from only %s t cross join lateral (%s) k(id) where k.id = any($1)', target, named)
      using keys;
  end if;
end $$;

-- A writer that had such a key in memory while it was destroyed is not told that somebody was erased: written again, she gets a new one.
create or replace function oubli.refuse_keys(of_kind text, keys bytea[], people text[], named text) returns void
language plpgsql as $$
begin
  if exists (
    select from unnest(keys, people) w(key_id, person) join oubli.subject_link l on l.key_id = w.key_id
    where l.kind <> of_kind or l.subject_id is distinct from w.person) then
    raise exception 'oubli: a value in % is sealed under the key of another subject', named using errcode = 'OU004';
  end if;
  if exists (select from oubli.fence f where f.key_id = any(keys) and f.unused) then
    raise exception 'oubli: a value in % is sealed under a key that was destroyed because nobody used it', named using errcode = 'OU054';
  end if;
  if current_setting('transaction_isolation') in ('read committed', 'read uncommitted')
    or exists (select from oubli.fence f where f.key_id = any(keys)) then
    raise exception 'oubli: a value in % is sealed under a key that is not alive', named using errcode = 'OU002';
  end if;
end $$;

-- A returning person: the mark of an erasure is taken off with one new key, and a reason in the ledger. What the law keeps of her life
-- before stays under its own key, which her link goes on naming.
do $$
declare
  named name := (select c.conname from pg_catalog.pg_constraint c
                 where c.conrelid = 'oubli.subject_link'::regclass and c.contype = 'c' and pg_get_constraintdef(c.oid) like '%retained_key_id%');
begin
  execute format('alter table oubli.subject_link drop constraint %I', named);
end $$;

create function oubli.refuse_unsaid_return() returns trigger
language plpgsql as $$
begin
  if not exists (select from oubli.ledger l where l.key_id = new.key_id and l.act = 'new lifecycle allowed') then
    raise exception 'oubli: somebody who was erased comes back without a reason in the ledger' using errcode = 'OU046',
      hint = 'await subject(kind, id).allowNewLifecycle({ because: ''…'' })';
  end if;
  return null;
end $$;
create constraint trigger returned after update on oubli.subject_link deferrable initially deferred
  for each row when (old.erased_at is not null and new.erased_at is null) execute function oubli.refuse_unsaid_return();
alter table oubli.subject_link enable always trigger returned;
