/** Whether a database that was restored, and replayed, brought nobody back (ERASURE.md S1): counts only. */
import type { LedgerKeys } from '../keyring/ledger-keys';
import { batches } from '../lifecycle/fork';
import type { Queryable } from '../queryable';
import type { Journal } from '../registers/journal';
import { oursIn } from '../registers/restore-watch';

export interface Looked {
  /** How many were looked at. */
  readonly looked: number;
  /** How many of them are not as they should be. */
  readonly wrong: number;
}

const BATCH = 1000;
const LIVING = `
select count(*) as count from unnest($1::bytea[]) w(key_id) where exists (
  select from oubli.subject_key k where k.key_id = w.key_id)`;
const FENCED = `
select count(*) as looked, count(*) filter (where f.key_id is null) as wrong
from (select distinct key_id from oubli.ledger where act in ('erased', 'shredded') and key_id is not null) l
left join oubli.fence f using (key_id)`;

/** Keys that the journal names as destroyed, and of them those that live. */
export async function destroyedKeys(
  snapshot: Queryable,
  journal: Journal,
  keys: LedgerKeys,
  instance: Uint8Array,
): Promise<Looked> {
  let looked = 0;
  let wrong = 0;
  for await (const lines of batches(oursIn(journal, keys, instance), BATCH)) {
    const named = lines.flatMap((line) =>
      line.is === 'entry' && ['erased', 'shredded'].includes(line.entry.act) && line.entry.key !== null
        ? [Buffer.from(line.entry.key, 'hex')]
        : [],
    );
    looked += named.length;
    wrong += Number((await snapshot.query(LIVING, [named])).rows[0]?.count);
  }
  return { looked, wrong };
}

/** Everybody of whom the ledger says that she was erased, and of them those whom nothing refuses if they come back (A8). */
export async function fencedPeople(snapshot: Queryable): Promise<Looked> {
  const [row] = (await snapshot.query(FENCED)).rows;
  return { looked: Number(row?.looked), wrong: Number(row?.wrong) };
}
