-- The intermediate archive (POLICY.md P8, ERASURE.md R1), as far as it stands in the active base: which schemas are archives, the
-- keys of what is in them, and the outbox of rows on their way to another database. The archives themselves belong to roles of
-- their own; a migration that declares one makes it (src/schema/archive-store.ts).

create table oubli.archive (
  schema    name not null,
  owner     name not null,
  -- in another database
  elsewhere boolean not null,
  primary key (schema, elsewhere)
);
create trigger announced after insert or update or delete on oubli.archive
  for each statement execute function oubli.announce_schema();

-- The keys of archived rows: destroyed when the last of their rows has reached its end. A key of a move that was rolled back has no
-- line here, and a date that is long past in the key store: the next sweep but one destroys it.
create table oubli.archive_key (
  key_id  bytea primary key references oubli.subject_key on delete cascade,
  -- the ledger's entry of the move
  entry   bigint not null,
  until   timestamptz not null check (isfinite(until)),
  -- whose rows they are, as the fence would name her: a hold on her defers their end
  subject bytea
);
create index on oubli.archive_key (until);
create index on oubli.archive_key (entry);
create index on oubli.archive_key (subject) where subject is not null;

-- What was archived of somebody is held for a case, whether she is still there or was erased: until it is released nothing of it ends,
-- wherever it stands, and no key of it (ERASURE.md H1).
create table oubli.held_archive (
  subject bytea not null,
  case_id integer not null references oubli.hold_case,
  primary key (subject, case_id)
);
create index on oubli.held_archive (case_id);

-- Whoever ends an archive in another database has this lock from before our commit until after theirs: a hold that is placed between the
-- two waits (`lock_timeout`), and finds what is there when it returns.
create function oubli.wait_for_archives() returns trigger
language plpgsql as $$
begin
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('oubli.archives', 0));
  return null;
end $$;
create trigger waited before insert on oubli.held_archive for each statement execute function oubli.wait_for_archives();
create trigger waited before insert on oubli.held_person for each statement execute function oubli.wait_for_archives();
create trigger waited before insert on oubli.restriction for each statement execute function oubli.wait_for_archives();

-- Rows that were moved, in the transaction that took them out of their table, and have not arrived in the other database yet. What a row
-- becomes before it leaves is one value, sealed under a key made for one person and one move. Its element's number is the greatest
-- there is and belongs to no column, so nothing that opens results of queries opens it.
create table oubli.archive_outbox (
  id       uuid primary key,
  schema   name not null,
  source   text not null,
  key_id   bytea not null,
  subject  bytea,
  until    timestamptz not null check (isfinite(until)),
  entry    bigint not null,
  moved_at timestamptz not null,
  sealed   bytea not null check (oubli.is_sealed(sealed, 2147483647, false))
);
create index on oubli.archive_outbox (entry);
create index on oubli.archive_outbox (schema, entry, id);
create index on oubli.archive_outbox (until);
create index on oubli.archive_outbox (source);

-- A row that came after the others were read and sealed: the move is tried again, and finds it. Not a null, and not its old values.
create function oubli.refuse_unsealed_move() returns bytea
language plpgsql volatile as $$
begin
  raise exception 'oubli: a row was added while it was to be archived' using errcode = 'serialization_failure';
end $$;

-- After a column was renamed, the rule that archives it names it anew.
create function oubli.rename_archived(target regclass, old name, new name) returns void
language sql
begin atomic
  update oubli.personal_table p
    set spec = jsonb_set(spec, '{retention,archive,columns}', (
      select jsonb_agg(case c when old then new::text else c end order by n)
      from jsonb_array_elements_text(p.spec #> '{retention,archive,columns}') with ordinality u(c, n)))
    where rel = target and spec #> '{retention,archive,columns}' ? old;
  update oubli.personal_table set spec = jsonb_set(spec, '{retention,archive,from}', to_jsonb(new::text))
    where rel = target and spec #>> '{retention,archive,from}' = old;
end;
