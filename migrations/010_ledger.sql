-- The chain over the ledger, and what is told to the journal outside (ERASURE.md L1, S1).

-- An entry as it is hashed, and as an auditor reads it: a JSON array of number, moment in microseconds since 1970, act, key id,
-- reason and details. Never changed again: what was hashed with it must give the same bytes in ten years. It depends on no
-- setting of the session.
create function oubli.ledger_text(e oubli.ledger) returns text
language sql stable parallel safe
return json_build_array(e.entry, (extract(epoch from e.at) * 1000000)::bigint, e.act, encode(e.key_id, 'hex'), e.because,
  e.details::text)::text;

-- Each entry's link hashes the link before it, so nothing can be changed without changing all that follows; its mac is keyed, so
-- whoever has only the database cannot make a chain of her own.
create table oubli.ledger_link (
  position bigint primary key,
  entry    bigint not null unique,
  link     bytea not null check (octet_length(link) = 32),
  mac      bytea not null check (octet_length(mac) = 32)
);
create trigger append_only before update or delete or truncate on oubli.ledger_link
  for each statement execute function oubli.refuse_rewriting();
alter table oubli.ledger_link enable always trigger append_only;

-- Where the chain ends. Locked by whoever writes entries, last of all and until her commit: positions are committed in order.
create table oubli.ledger_head (
  only_one boolean primary key default true check (only_one),
  position bigint not null default 0,
  link     bytea check ((link is null) = (position = 0))
);
insert into oubli.ledger_head default values;
create trigger stays before delete or truncate on oubli.ledger_head
  for each statement execute function oubli.refuse_rewriting();
alter table oubli.ledger_head enable always trigger stays;

-- At commit every entry has its link: one that was written past the chain would be found as a forgery later. By its index, whatever
-- the size of the chain was when the session made its plan: a first purge begins with an empty one.
create function oubli.refuse_unlinked() returns trigger
language plpgsql set enable_seqscan = off as $$
begin
  if not exists (select from oubli.ledger_link l where l.entry = new.entry) then
    raise exception 'oubli: an entry of the ledger has no link in its chain' using errcode = 'OU032',
      hint = 'write entries with the function of the library that links them: engine.ledger.record(), or engine.ledger.chain()';
  end if;
  return null;
end $$;
create constraint trigger linked after insert on oubli.ledger deferrable initially deferred
  for each row execute function oubli.refuse_unlinked();
alter table oubli.ledger enable always trigger linked;

-- How far the journal outside the database was told, and when its last checkpoint was signed. Its name, where one is in use: nobody
-- opens this database without it then. Whoever gives it up for good, knowing that no restore will be noticed any more, makes it null.
-- How often another was begun in its place: who tells the one before is refused.
create table oubli.ledger_told (
  only_one            boolean primary key default true check (only_one),
  journal             text,
  begun               integer not null default 0,
  position            bigint not null default 0,
  checkpoint_position bigint not null default 0,
  checkpoint_at       timestamptz
);
insert into oubli.ledger_told default values;

-- Where the chain went on after a restore: what had been written behind this position is in the journal only, under the number of
-- the branch before.
create table oubli.ledger_fork (
  branch   integer primary key check (branch > 0),
  after    bigint not null,
  -- by the clock of the keys: whoever got one later got it from the replay, for nobody else is served
  named_at timestamptz not null default pg_catalog.now()
);
create trigger append_only before update or delete or truncate on oubli.ledger_fork
  for each statement execute function oubli.refuse_rewriting();
alter table oubli.ledger_fork enable always trigger append_only;

-- Of which of these the replay has come to its end, and the journal knows it. While one is missing here the database is refused.
create table oubli.ledger_replayed (
  branch integer primary key references oubli.ledger_fork
);
create trigger append_only before update or delete or truncate on oubli.ledger_replayed
  for each statement execute function oubli.refuse_rewriting();
alter table oubli.ledger_replayed enable always trigger append_only;

-- What people asked for, among millions of entries that nobody asked for (ERASURE.md L2).
create index on oubli.ledger (entry) where act = 'requested';
