-- What can no longer be undone, and what still can, until when.

-- What was looked at beside an erasure is found by the entries it speaks of (ERASURE.md A7, L5).
create index on oubli.ledger using gin ((details -> 'entries') jsonb_path_ops) where act = 'examined';

-- How far the tables that erasures touched have been vacuumed, by the position in the ledger's chain, and what became of it.
create table oubli.vacuumed (
  only_one boolean primary key default true check (only_one),
  position bigint not null default 0,
  at       timestamptz,
  report   jsonb
);
insert into oubli.vacuumed default values;

-- A clear column that asks for it is never sampled: the planner's statistics outlive the rows, and those of an emptied table even
-- an ANALYZE (ERASURE.md L4).
create function oubli.settle_statistics() returns trigger
language plpgsql as $$
declare
  was boolean := tg_op = 'UPDATE' and old.spec ->> 'statistics' = 'none';
begin
  if (new.spec ->> 'statistics' = 'none') is not distinct from was or new.spec ->> 'statistics' is null and not was then
    return null;
  end if;
  execute format('alter table %s alter column %I set statistics %s', new.rel, new.column_name, case when was then -1 else 0 end);
  return null;
end $$;
create trigger settled after insert or update of spec on oubli.annotation
  for each row execute function oubli.settle_statistics();

-- Rows of declared tables leave, so they are vacuumed when some hundreds have left, and not a fifth of the table. What the team has set
-- stays. A partitioned table has no rows of its own, and takes no such settings.
create function oubli.settle_vacuum() returns trigger
language plpgsql as $$
declare
  part record;
begin
  for part in
    select c.oid::regclass as rel, string_agg(format('%s = %s', s.name, s.value), ', ') as settings
    from oubli.family(new.rel) f join pg_catalog.pg_class c on c.oid = f.rel and c.relkind = 'r'
    cross join (values ('autovacuum_vacuum_scale_factor', '0.01'), ('autovacuum_vacuum_threshold', '500')) s(name, value)
    where not exists (select from unnest(c.reloptions) o where o like s.name || '=%')
    group by c.oid
  loop
    execute format('alter table %s set (%s)', part.rel, part.settings);
  end loop;
  return null;
end $$;
create trigger settled after insert on oubli.personal_table
  for each row execute function oubli.settle_vacuum();
