-- The clock, the start events and the ledger of what left.

-- Only the database's clock decides what is due (ERASURE.md D2). Tests replace this function to move it.
create function oubli.now() returns timestamptz
language sql stable
return pg_catalog.now();

-- What happened to a person, where a rule's clock starts with it: her service ended, she was last active, a consent of hers
-- (the purpose says which) ended. Found by a range of the day, as the dates in the team's own columns are.
create table oubli.person_event (
  kind        text not null,
  event       text not null check (event in ('service_ended', 'last_activity', 'consent_ended')),
  purpose     text not null default '',
  subject_id  text not null,
  happened_on date not null,
  primary key (kind, event, purpose, subject_id)
);
create index on oubli.person_event (kind, event, purpose, happened_on);

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
