-- How the sweeps of each rule went: for metrics, breakers and what was deferred.

-- One row per rule, named as jobs name it (`subject:user`): when a sweep last began, came to its end or failed, how much has
-- left in all, how much was still due when it ended, and what it raised the alarm for. `runs` is how often one began: whoever asks for a
-- sweep while one runs means the next.
create table oubli.sweep_state (
  rule            text primary key,
  runs            bigint not null default 0,
  last_started_at timestamptz,
  last_success_at timestamptz,
  last_failed_at  timestamptz,
  -- a code of the library's, or an SQLSTATE: never a message
  last_failure    text,
  gone            bigint not null default 0,
  still_due       bigint,
  alarm           text check (alarm in ('breaker', 'left')),
  alarmed_at      timestamptz
);

-- Partitions that are on their way out: written before one is detached and deleted with the commit that drops it, so that a process
-- killed in between leaves nothing behind that nobody knows of. `bound` is how it is attached again, should it have to stay.
create table oubli.ending_partition (
  rel      regclass primary key,
  rule     text not null,
  parent   regclass not null,
  bound    text not null,
  began_at timestamptz not null default oubli.now()
);
create index on oubli.ending_partition (rule);
