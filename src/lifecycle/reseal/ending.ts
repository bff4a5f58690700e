/**
 * The end of keys that were replaced. PostgreSQL proves that no value is left under them: they are looked for in one view of all tables;
 * then whoever still has one in a cache is kept from writing under it, and all transactions that are under way are waited for, for what they
 * wrote or copied is not seen before; then it is looked again. A key of which a value turned up is opened to writers again, and nothing is lost.
 */
import { byteaArray } from '../../bytea-array';
import { randomBytes } from '../../crypto/random';
import type { Queryable } from '../../queryable';
import { retried } from '../database';
import type { Engine } from '../engine';
import { olderHaveEnded } from '../older-transactions';
import { announceShredded, hexOf } from '../shredded';
import type { StoredTable } from './stored';
import { isAnyReplaced, type Uses, usesOf } from './uses';

const AT_ONCE = 1000;
/** Whoever keeps a transaction open for longer is not waited for: it is said that the reseal has not come to its end. */
const PATIENCE_MS = 5 * 60_000;
/** By their ids, from $1 on: of a million keys none is remembered here. */
const CLOSE = `
with locked as (
  select key_id from oubli.subject_key where key_id > $1 and successor is not null and not (key_id = any($2::bytea[]))
  order by key_id limit ${AT_ONCE} for update skip locked)
update oubli.subject_key k set closed = $3::uuid from locked l where k.key_id = l.key_id returning k.key_id`;
const REOPEN = 'update oubli.subject_key set closed = null where key_id = any($1::bytea[]) and closed is not null';
const REOPEN_ALL = `
update oubli.subject_key k set closed = null from (
  select key_id from oubli.subject_key where key_id > $1 and successor is not null and closed = $2::uuid order by key_id limit ${AT_ONCE}) c
where k.key_id = c.key_id and k.closed = $2::uuid returning k.key_id`;
/** Not where somebody else has opened it again meanwhile, or closed it: he has another view. */
const DESTROY = `
with closed as (
  select key_id from oubli.subject_key where key_id > $1 and successor is not null and closed = $2::uuid order by key_id limit ${AT_ONCE}),
gone as (
  delete from oubli.subject_key k using closed c where k.key_id = c.key_id and k.closed = $2::uuid
  returning k.key_id, k.fingerprint, k.born, k.successor),
kept as (update oubli.subject_link l set retained_key_id = g.successor from gone g where l.retained_key_id = g.key_id)
insert into oubli.fence (key_id, fingerprint, erased_at, born, successor)
select key_id, fingerprint, oubli.now(), born, successor from gone returning key_id`;

export interface Ending {
  /** How many keys were destroyed. */
  readonly destroyed: number;
  /** Whether some have values left under them, or writers at work. */
  readonly isAnyLeft: boolean;
  /** Where such values stand that are not sealed anew there. */
  readonly stays: readonly StoredTable[];
  /** Whether a transaction was open all the time, which may have values under them. */
  readonly isHeldUp: boolean;
}

/** @param goesOn asked between two chunks, and while others are waited for */
export async function endReplaced(engine: Engine, because: string, goesOn: () => boolean): Promise<Ending> {
  const before = await usesOf(engine);
  await reopen(engine, before);
  const mark = uuid();
  if (before.isMore || (await close(engine, before, mark, goesOn)) === 0) return ended(engine, 0, before);
  const until = performance.now() + PATIENCE_MS;
  const isClear = await olderHaveEnded(engine.database, () => goesOn() && performance.now() < until);
  const after = isClear ? await usesOf(engine) : before;
  if (!isClear || after.isMore) await reopenAll(engine, mark);
  else await reopen(engine, after);
  const destroyed = isClear && !after.isMore ? await destroy(engine, mark, because, goesOn) : 0;
  return ended(engine, destroyed, after, !isClear);
}

async function ended(engine: Engine, destroyed: number, { stays }: Uses, isHeldUp = false): Promise<Ending> {
  return { destroyed, isAnyLeft: await isAnyReplaced(engine), stays, isHeldUp };
}

/** @returns how many */
async function close(engine: Engine, { used }: Uses, mark: string, goesOn: () => boolean): Promise<number> {
  return throughKeys(engine, CLOSE, [bytesOf([...used]), mark], goesOn);
}

async function reopen({ database }: Engine, { used }: Uses): Promise<void> {
  for (const some of parts([...used]))
    await retried(() => database.transaction((connection) => connection.query(REOPEN, [bytesOf(some)])));
}

/** Also where the signal came: nobody is to find them closed for nothing. */
async function reopenAll(engine: Engine, mark: string): Promise<void> {
  await throughKeys(engine, REOPEN_ALL, [mark], () => true);
}

async function destroy(engine: Engine, mark: string, because: string, goesOn: () => boolean): Promise<number> {
  const { keys, ledger } = engine;
  const tell = async (connection: Queryable, gone: readonly Uint8Array[]): Promise<void> => {
    await announceShredded(connection, gone);
    await ledger.record(connection, [{ act: 'replaced keys destroyed', because, details: { keys: gone.length } }]);
  };
  return throughKeys(engine, DESTROY, [mark], goesOn, tell, (keyId) => keys.cache.evict(hexOf(keyId)));
}

/** A chunk of the key store at a time, each in a transaction of its own. @param sql $1 is the id behind which it begins */
async function throughKeys(
  { database }: Engine,
  sql: string,
  params: readonly unknown[],
  goesOn: () => boolean,
  within?: (connection: Queryable, keyIds: readonly Uint8Array[]) => Promise<void>,
  afterwards?: (keyId: Uint8Array) => void,
): Promise<number> {
  let count = 0;
  let last: Uint8Array = Buffer.alloc(0);
  for (let some = AT_ONCE; some === AT_ONCE && goesOn(); count += some) {
    const from = last;
    const keyIds = await retried(() =>
      database.transaction(async (connection) => {
        const { rows } = await connection.query(sql, [from, ...params]);
        const found = rows.map(({ key_id }) => key_id as Uint8Array);
        if (found.length > 0) await within?.(connection, found);
        return found;
      }),
    );
    some = keyIds.length;
    for (const keyId of keyIds) {
      afterwards?.(keyId);
      if (Buffer.compare(keyId, last) > 0) last = keyId;
    }
  }
  return count;
}

function bytesOf(keyIds: readonly string[]): Buffer {
  return byteaArray(keyIds.map((keyId) => Buffer.from(keyId, 'hex')));
}

function* parts(all: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < all.length; at += AT_ONCE) yield all.slice(at, at + AT_ONCE);
}

function uuid(): string {
  const hex = Buffer.from(randomBytes(16)).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
