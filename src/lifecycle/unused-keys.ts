/**
 * Keys that nobody uses. A key is committed before what is sealed under it (ENVELOPE.md K3), so one whose write was rolled back, or whose
 * process died, stays behind; so does that of a person whose row was deleted past the life cycle. Once a week all keys are looked at (30 µs
 * each), and it is noted of which nothing is there that speaks of their person. Those of which that is still true five weeks later are destroyed and
 * fenced, with an entry of the ledger each, unless a value somewhere is sealed under them.
 */
import { byteaArray } from '../bytea-array';
import type { Catalogue } from '../catalogue/model';
import { KeyCache } from '../keyring/key-cache';
import type { Queryable } from '../queryable';
import type { Engine } from './engine';
import { announceShredded, hexOf } from './shredded';
import { isSpokenOf, keysInUse, LINK_OF_KEY } from './used-keys';

/**
 * As long as backups are kept unless said otherwise: a table that was emptied to be loaded again finds its keys, and so does whoever
 * restores what was deleted by mistake.
 */
const GRACE = '35 days';
const EVERY = '7 days';
const AT_ONCE = 10_000;
/** What is looked up has an index; and one look reads all values. */
const SETTINGS = { enable_seqscan: 'off', jit: 'off', lock_timeout: '5s', statement_timeout: '2h' };

/** Whoever comes second finds it begun. */
const BEGIN = `
update oubli.unused_look set began_at = oubli.now()
where only_one in (select only_one from oubli.unused_look where began_at <= oubli.now() - interval '${EVERY}' for update skip locked)
returning began_at`;
/** Those that were destroyed otherwise meanwhile. */
const FORGET = `
delete from oubli.unused_key u where not exists (select from oubli.subject_key k where k.key_id = u.key_id)`;
const DUE = `
select key_id from oubli.unused_key where since <= oubli.now() - interval '${GRACE}' order by since limit ${AT_ONCE}`;
/** A writer under one of them has it locked until it commits: it is left, and looked at by the next sweep. */
const LOCK = 'select key_id from oubli.subject_key where key_id = any($1::bytea[]) for update skip locked';
/** Used by what is under nobody's name who is there: to be looked at again after another grace. */
const STILL_USED = 'update oubli.unused_key set since = oubli.now() where key_id = any($1::bytea[])';
/** Another act than that of a person's key: a replay after a restore leaves them, for there the row may be that was deleted since. */
const DESTROY = `
with destroyed as (delete from oubli.subject_key k where k.key_id = any($1::bytea[]) returning k.key_id, k.fingerprint, k.born),
forgotten as (delete from oubli.unused_key u using destroyed d where u.key_id = d.key_id),
fenced as (
  insert into oubli.fence (key_id, fingerprint, erased_at, born, unused)
  select key_id, fingerprint, oubli.now(), born, true from destroyed)
insert into oubli.ledger (act, key_id, because, details)
select 'unused key destroyed', key_id, 'nothing was sealed under it', '{}' from destroyed
returning entry`;

/**
 * @param signal stops between two pages; what was noted stays noted
 * @returns how many keys were destroyed
 * @throws ConfigurationError KEY_USE_UNSEEN, ROW_SECURITY, and what PostgreSQL says of a table that is locked: no key is destroyed then
 */
export async function destroyUnusedKeys(engine: Engine, signal?: AbortSignal): Promise<number> {
  const { database } = engine;
  const [begun] = await database.transaction(async (connection) => (await connection.query(BEGIN)).rows);
  if (begun) await lookAtAll(engine, signal);
  let destroyed = 0;
  for (let settled = AT_ONCE; settled === AT_ONCE && !signal?.aborted; ) {
    const some = await destroySome(engine);
    settled = some.settled;
    destroyed += some.destroyed.length;
    for (const keyId of some.destroyed) engine.keys.cache.evict(hexOf(keyId));
  }
  return destroyed;
}

async function lookAtAll({ catalogue, database }: Engine, signal: AbortSignal | undefined): Promise<void> {
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
}

/** $1 the key id behind which the page begins. What another process is about to destroy is left to it. */
export function lookingAtKeys(catalogue: Catalogue): string {
  return `
with page as materialized (
  select key_id, keep_until, successor from oubli.subject_key where key_id > $1::bytea order by key_id limit ${AT_ONCE}),
seen as materialized (
  select k.key_id, bool_or(${isSpokenOf(catalogue)}) as used from page k ${LINK_OF_KEY} group by k.key_id),
noted as (insert into oubli.unused_key (key_id) select key_id from seen where not used on conflict do nothing),
used_again as (delete from oubli.unused_key where key_id in (
  select u.key_id from oubli.unused_key u join seen s on s.key_id = u.key_id and s.used for update of u skip locked))
select count(*) as looked, (select key_id from page order by key_id desc limit 1) as last from seen`;
}

/** @returns which were destroyed, and of how many it was found out */
async function destroySome({
  catalogue,
  database,
  ledger,
}: Engine): Promise<{ settled: number; destroyed: Uint8Array[] }> {
  return database.transaction(async (connection) => {
    const due = await keysOf(connection, DUE);
    const locked = due.length === 0 ? [] : await keysOf(connection, LOCK, due);
    if (locked.length === 0) return { settled: 0, destroyed: [] };
    const used = await usedAmong(catalogue, connection, locked); // a new statement sees what was committed until the locks were there
    const [kept, unused] = [true, false].map((is) => locked.filter((keyId) => used.has(KeyCache.nameOf(keyId)) === is));
    await connection.query(STILL_USED, [byteaArray(kept ?? [])]);
    const { rows } = await connection.query(DESTROY, [byteaArray(unused ?? [])]);
    await announceShredded(connection, unused ?? []);
    await ledger.chain(
      connection,
      rows.map(({ entry }) => entry),
    );
    return { settled: locked.length, destroyed: unused ?? [] };
  }, SETTINGS);
}

async function usedAmong(
  catalogue: Catalogue,
  connection: Queryable,
  locked: readonly Uint8Array[],
): Promise<ReadonlySet<string>> {
  const spokenOf = `
select k.key_id from oubli.subject_key k ${LINK_OF_KEY} where k.key_id = any($1::bytea[]) and ${isSpokenOf(catalogue)}`;
  const names = new Set((await keysOf(connection, spokenOf, locked)).map(KeyCache.nameOf));
  const others = locked.filter((keyId) => !names.has(KeyCache.nameOf(keyId)));
  for (const name of await keysInUse(connection, others)) names.add(name);
  return names;
}

async function keysOf(connection: Queryable, sql: string, among?: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const { rows } = await connection.query(sql, among ? [byteaArray([...among])] : []);
  return rows.map((row) => row.key_id as Uint8Array);
}
