/**
 * Keys that nobody uses. A key is committed before what is sealed under it (ENVELOPE.md K3), so one whose write was rolled back, or whose
 * process died, stays behind; so does that of a person whose row was deleted past the life cycle. Once a day all keys are looked at (30 µs
 * each), and it is noted of which nothing is there that speaks of their person. Those of which no look has said otherwise for five weeks end.
 */
import type { Catalogue } from '../catalogue/model';
import type { Engine } from './engine';
import { destroyUnused, type UnusedOptions } from './unused-ending';
import { isSpokenOf, LINK_OF_KEY } from './used-keys';

/** A little less than a day: the sweep of the next night may begin some minutes earlier. */
const EVERY = '20 hours';
const AT_ONCE = 10_000;
/** What is looked up has an index. */
const SETTINGS = { enable_seqscan: 'off', jit: 'off', lock_timeout: '5s' };

/** Whoever comes second finds it begun. */
const BEGIN = `
update oubli.unused_look set began_at = oubli.now()
where only_one in (select only_one from oubli.unused_look where began_at <= oubli.now() - interval '${EVERY}' for update skip locked)
returning began_at`;
const BEGIN_AGAIN = "update oubli.unused_look set began_at = '-infinity'";
/** Those that were destroyed otherwise meanwhile. */
const FORGET = `
delete from oubli.unused_key u where not exists (select from oubli.subject_key k where k.key_id = u.key_id)`;

/**
 * @returns how many keys were destroyed
 * @throws ConfigurationError KEY_USE_UNSEEN, ROW_SECURITY, BAD_BREAKER; BreakerError KEYS_UNUSED_AT_ONCE; SubjectLockedError KEYS_UNUSED_WAIT;
 *   and what PostgreSQL says of a table that is locked: no key is destroyed then
 */
export async function tendUnusedKeys(engine: Engine, options: UnusedOptions = {}): Promise<number> {
  const { database } = engine;
  const [begun] = await database.transaction(async (connection) => (await connection.query(BEGIN)).rows);
  if (begun) await lookAtAll(engine, options.signal);
  return destroyUnused(engine, options);
}

/** One that failed is begun again by the next sweep. */
async function lookAtAll({ catalogue, database }: Engine, signal: AbortSignal | undefined): Promise<void> {
  try {
    await database.transaction((connection) => connection.query(FORGET), SETTINGS);
    const look = lookingAtKeys(catalogue);
    let last: unknown = Buffer.alloc(0);
    for (let looked = AT_ONCE; looked === AT_ONCE && !signal?.aborted; ) {
      const [page] = await database.transaction(
        async (connection) => (await connection.query(look, [last])).rows,
        SETTINGS,
      );
      looked = Number(page?.looked);
      last = page?.last;
    }
  } catch (error) {
    await database.transaction((connection) => connection.query(BEGIN_AGAIN));
    throw error;
  }
}

/** $1 the key id behind which the page begins. What another process is about to destroy is left to it. */
export function lookingAtKeys(catalogue: Catalogue): string {
  return `
with page as materialized (
  select key_id, keep_until, successor from oubli.subject_key where key_id > $1::bytea order by key_id limit ${AT_ONCE}),
seen as materialized (
  select k.key_id, bool_or(${isSpokenOf(catalogue)}) as used from page k ${LINK_OF_KEY} group by k.key_id),
noted as (
  insert into oubli.unused_key as u (key_id) select key_id from seen where not used
  on conflict (key_id) do update set looks = u.looks + 1, looked_at = oubli.now() where u.looked_at <= oubli.now() - interval '${EVERY}'),
used_again as (delete from oubli.unused_key where key_id in (
  select u.key_id from oubli.unused_key u join seen s on s.key_id = u.key_id and s.used for update of u skip locked))
select count(*) as looked, (select key_id from page order by key_id desc limit 1) as last from seen`;
}
