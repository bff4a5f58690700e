-- The clock, the start events and the ledger of what left.

-- Only the database's clock decides what is due (ERASURE.md D2). Tests replace this function to move it.
create function oubli.now() returns timestamptz
language sql stable
return pg_catalog.now();

-- The end of service as an event, for subjects whose table has no date column for it.
create table oubli.service_end (
  kind       text not null,
  subject_id text not null,
  ended_on   date not null,
  primary key (kind, subject_id)
);
create index on oubli.service_end (kind, ended_on);

-- What was done, written in the same statement that did it. No personal data: a subject is her key id.
create table oubli.ledger (
  entry   bigint generated always as identity primary key,
  at      timestamptz not null default oubli.now(),
  act     text not null,
  key_id  bytea,
  because text not null,
  details jsonb not null
);
create index on oubli.ledger (key_id);

create function oubli.refuse_rewriting() returns trigger
language plpgsql as $$
begin
  raise exception 'oubli: the ledger is append-only' using errcode = 'OU005';
end $$;
create trigger append_only before update or delete or truncate on oubli.ledger
  for each statement execute function oubli.refuse_rewriting();
alter table oubli.ledger enable always trigger append_only;
