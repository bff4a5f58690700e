-- What can no longer be undone, and what still can, until when.

-- What was looked at beside an erasure is found by the entries it speaks of (ERASURE.md A7, L5).
create index on oubli.ledger using gin ((details -> 'entries') jsonb_path_ops) where act = 'examined';
