-- The key store. A subject key is 32 random bytes, wrapped by an epoch key that PostgreSQL never sees; its random id
-- is the subject's only name in ledger, receipts and jobs (ENVELOPE.md K2).

create table oubli.epoch (
  id           integer primary key,
  -- a known text wrapped at installation, opened at every start: a wrong key is named before any query runs (K9)
  canary       bytea not null,
  created_at   timestamptz not null default pg_catalog.now(),
  destroyed_at timestamptz
);

create table oubli.subject_key (
  key_id      bytea primary key check (octet_length(key_id) = 16),
  -- no foreign key: each writer would lock the one row of the epoch, and look it up once for each key (see below)
  epoch       integer not null,
  wrapped     bytea not null,
  fingerprint bytea not null,
  created_at  timestamptz not null default pg_catalog.now(),
  -- set on the key of rows that the law obliges to keep after their person was erased: the day the last of them leaves, as
  -- far as was known then; infinity while the clock of one has not started
  keep_until  date
);
create index on oubli.subject_key (keep_until) where keep_until is not null;

-- Which key a living subject has. It stands beside the application's tables so that select * and inserts look as before.
-- Where an erasure leaves an anonymised row, its link stays too, without a key: the row is not due again, and a late upsert
-- cannot give it a new identity (ERASURE.md A8).
create table oubli.subject_link (
  kind       text not null,
  subject_id text not null,
  key_id     bytea references oubli.subject_key on delete cascade,
  erased_at  timestamptz,
  -- the key of what the law obliges to keep of her: through it, and her row that stays, one finds what it still opens
  retained_key_id bytea references oubli.subject_key on delete set null,
  primary key (kind, subject_id),
  check ((key_id is null) = (erased_at is not null)),
  check (retained_key_id is null or erased_at is not null)
);
create index on oubli.subject_link (key_id);
create index on oubli.subject_link (retained_key_id) where retained_key_id is not null;

-- Destroyed keys, refused for ever (K4). The subject is named by a keyed reference, not by her primary key.
create table oubli.fence (
  key_id            bytea primary key,
  fingerprint       bytea not null,
  subject_reference bytea,
  erased_at         timestamptz not null
);
create index on oubli.fence (subject_reference);
create index on oubli.fence (fingerprint);

-- What a foreign key would do from this side: an epoch stays, and stays open, while a subject key is wrapped under it (K6). Whoever
-- is inserting keys ends first, and whoever begins waits, and sees what became of the epoch.
create function oubli.keep_epoch() returns trigger
language plpgsql as $$
begin
  if tg_op = 'UPDATE' and new.id = old.id and (new.destroyed_at is null or old.destroyed_at is not null) then
    return new;
  end if;
  lock table oubli.subject_key in share mode;
  if tg_op = 'TRUNCATE' and exists (select from oubli.subject_key)
    or tg_op <> 'TRUNCATE' and exists (select from oubli.subject_key k where k.epoch = old.id) then
    raise exception 'oubli: subject keys are wrapped under this epoch key' using errcode = 'foreign_key_violation';
  end if;
  return case tg_op when 'DELETE' then old when 'UPDATE' then new end;
end $$;
create trigger kept before delete or update on oubli.epoch for each row execute function oubli.keep_epoch();
create trigger kept_all before truncate on oubli.epoch for each statement execute function oubli.keep_epoch();
alter table oubli.epoch enable always trigger kept, enable always trigger kept_all;

create function oubli.refuse_fenced_keys() returns trigger
language plpgsql as $$
begin
  if exists (select from written w join oubli.fence f on f.key_id = w.key_id)
    or exists (select from written w join oubli.fence f on f.fingerprint = w.fingerprint) then
    raise exception 'oubli: this subject key was destroyed and is refused for ever' using errcode = 'OU002';
  end if;
  if exists (select from written w where not exists (select from oubli.epoch e where e.id = w.epoch and e.destroyed_at is null)) then
    raise exception 'oubli: a subject key is wrapped under no epoch key that there is' using errcode = 'foreign_key_violation';
  end if;
  return null;
end $$;
create trigger fenced after insert on oubli.subject_key referencing new table as written
  for each statement execute function oubli.refuse_fenced_keys();
create trigger fenced_again after update on oubli.subject_key referencing new table as written
  for each statement execute function oubli.refuse_fenced_keys();
alter table oubli.subject_key enable always trigger fenced, enable always trigger fenced_again;
