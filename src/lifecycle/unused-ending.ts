/**
 * The end of keys that nobody was seen to use for five weeks, unless a value somewhere is sealed under them. They are closed first: whoever
 * writes under one of them opens it again, and waits for nothing. When those are gone who were at work then, and might have copied a value
 * that nobody else sees yet, all values are looked at. What is still closed afterwards is destroyed and fenced, with an entry of the ledger each.
 */
import { byteaArray } from '../bytea-array';
import { randomBytes } from '../crypto/random';
import { BreakerError, SubjectLockedError } from '../errors';
import { KeyCache } from '../keyring/key-cache';
import type { Queryable } from '../queryable';
import { type BreakerOptions, limitOf } from './breaker';
import type { Engine } from './engine';
import { olderHaveEnded } from './older-transactions';
import { announceShredded, hexOf } from './shredded';
import { isSpokenOf, keysInUse, LINK_OF_KEY } from './used-keys';

/**
 * As long as backups are kept unless said otherwise: a table that was emptied to be loaded again finds its keys, and so does whoever
 * restores what was deleted by mistake.
 */
const GRACE = '35 days';
/** Whoever sweeps seldom has seen a table that is loaded every night at a bad moment, perhaps, but hardly on so many days. */
const LOOKS = 5;
/** So many cost one look at all values. */
const AT_ONCE = 100_000;
const PER_TRANSACTION = 10_000;
/** Shares of the keys of a kind, as of the people of one: but these are no people who are due. */
const BREAKER = { people: 0.1, floor: 100 };
const PATIENCE_MS = 3000;
/** One look reads all values. */
const SETTINGS = { enable_seqscan: 'off', jit: 'off', lock_timeout: '5s', statement_timeout: '2h' };

const IS_DUE = `u.since <= oubli.now() - interval '${GRACE}' and u.looks >= ${LOOKS}`;
const DUE = `
select u.key_id, u.since <= oubli.now() - interval '${GRACE}' - interval '7 days' as is_late from oubli.unused_key u
where ${IS_DUE} order by u.since limit ${AT_ONCE}`;
/** What a value was found under is counted no more: it comes again together, after its next grace. */
const SUDDEN = `
select d.kind, d.due, case when d.kind is null then (select count(*) from oubli.subject_key)
  else (select count(*) from oubli.subject_link x where x.kind = d.kind) end as total
from (select l.kind, count(*) as due from oubli.unused_key k ${LINK_OF_KEY}
  where k.key_id in (select u.key_id from oubli.unused_key u where ${IS_DUE} and not u.was_used) group by l.kind having count(*) > $1) d`;
/** A writer under one of them has it locked until it commits: it is left, and looked at by the next sweep. */
const CLOSE = `
with locked as (
  select key_id from oubli.subject_key where key_id = any($1::bytea[]) and successor is null order by key_id for update skip locked)
update oubli.subject_key k set closed = $2::uuid from locked l where k.key_id = l.key_id returning k.key_id`;
const REOPEN = `
update oubli.subject_key set closed = null where key_id = any($1::bytea[]) and closed = $2::uuid and successor is null`;
const STILL_CLOSED = `
select key_id from oubli.subject_key where key_id = any($1::bytea[]) and closed = $2::uuid and successor is null
order by key_id for update skip locked`;
/** Used by what is under nobody's name who is there: to be looked at again after another grace. */
const STILL_USED = `
update oubli.unused_key set since = oubli.now(), was_used = true where key_id = any($1::bytea[])`;
const SPOKEN_OF = 'delete from oubli.unused_key where key_id = any($1::bytea[])';
const WHOSE = 'select key_id, kind, subject_id from oubli.subject_link where key_id = any($1::bytea[])';
/** Another act than that of a person's key: a replay after a restore leaves them, for there the row may be that was deleted since. */
const DESTROY = `
with known as (select * from unnest($1::bytea[], $2::bytea[]) w(key_id, reference)),
destroyed as (
  delete from oubli.subject_key k using known w where k.key_id = w.key_id returning k.key_id, k.fingerprint, k.born, w.reference),
forgotten as (delete from oubli.unused_key u using destroyed d where u.key_id = d.key_id),
fenced as (
  insert into oubli.fence (key_id, fingerprint, erased_at, born, unused, unused_reference)
  select key_id, fingerprint, oubli.now(), born, true, reference from destroyed)
insert into oubli.ledger (act, key_id, because, details)
select 'unused key destroyed', key_id, 'nothing was sealed under it', '{}' from destroyed
returning entry`;

export interface UnusedOptions {
  /** Stops between two pages; what was noted stays noted. */
  readonly signal?: AbortSignal | undefined;
  /** Under `rules`, by `keys:` and the kind, the share of its keys that may end at once. */
  readonly breaker?: BreakerOptions | undefined;
}

/**
 * @returns how many keys were destroyed
 * @throws as `tendUnusedKeys`
 */
export async function destroyUnused(engine: Engine, { signal, breaker }: UnusedOptions): Promise<number> {
  await refuseSudden(engine, breaker);
  let destroyed = 0;
  for (let goesOn = true; goesOn && !signal?.aborted; ) {
    const some = await endSome(engine, signal);
    goesOn = some.isMore;
    destroyed += some.destroyed;
  }
  return destroyed;
}

/** A table that lost most of its rows at once has hardly lost these people. @throws BreakerError KEYS_UNUSED_AT_ONCE */
async function refuseSudden({ database }: Engine, breaker: BreakerOptions | undefined): Promise<void> {
  const { rows } = await database.transaction((connection) => connection.query(SUDDEN, [BREAKER.floor]), SETTINGS);
  for (const { kind, due, total } of rows) {
    const name = kind === null ? 'keys' : `keys:${String(kind)}`;
    const { share } = limitOf({ name, kind: String(kind) }, { ...BREAKER, rules: breaker?.rules ?? {} });
    if (Number(due) <= share * Number(total)) continue;
    throw new BreakerError('KEYS_UNUSED_AT_ONCE', {
      kind: kind === null ? 'nobody' : String(kind),
      rule: name,
      counted: Number(due),
      total: Number(total),
      percent: Math.round(share * 1000) / 10,
    });
  }
}

async function endSome(
  engine: Engine,
  signal: AbortSignal | undefined,
): Promise<{ isMore: boolean; destroyed: number }> {
  const { database } = engine;
  const due = (await database.transaction((connection) => connection.query(DUE), SETTINGS)).rows;
  const closing = new Closing(engine);
  try {
    await closing.close(due.map(({ key_id }) => key_id as Uint8Array));
    if (closing.keyIds.length === 0) return { isMore: false, destroyed: 0 };
    const end = performance.now() + PATIENCE_MS;
    if (!(await olderHaveEnded(database, () => performance.now() < end && !signal?.aborted))) {
      if (due.some(({ is_late }) => is_late)) throw new SubjectLockedError('KEYS_UNUSED_WAIT', {});
      return { isMore: false, destroyed: 0 };
    }
    const destroyed = await closing.destroy(await closing.unused());
    return { isMore: due.length === AT_ONCE && destroyed > 0, destroyed };
  } finally {
    await closing.reopen();
  }
}

/** Keys that nobody may destroy but who has closed them, and whoever writes under one of them takes it from him. */
class Closing {
  readonly keyIds: Uint8Array[] = [];
  private readonly mark = Buffer.from(randomBytes(16)).toString('hex');

  constructor(private readonly engine: Engine) {}

  async close(keyIds: readonly Uint8Array[]): Promise<void> {
    for (const some of portions(keyIds)) {
      const { rows } = await this.transaction(async (connection) => {
        const spoken = new Set((await this.spokenOf(connection, some)).map(KeyCache.nameOf));
        const [known, others] = [true, false].map((is) => some.filter((id) => spoken.has(KeyCache.nameOf(id)) === is));
        await connection.query(SPOKEN_OF, [byteaArray(known ?? [])]);
        return connection.query(CLOSE, [byteaArray(others ?? []), this.mark]);
      });
      this.keyIds.push(...rows.map(({ key_id }) => key_id as Uint8Array));
    }
  }

  /** Of all that are closed; the others are looked at again after another grace. */
  async unused(): Promise<Uint8Array[]> {
    return this.transaction(async (connection) => {
      const used = await keysInUse(connection, this.keyIds);
      const [kept, unused] = [true, false].map((is) =>
        this.keyIds.filter((id) => used.has(KeyCache.nameOf(id)) === is),
      );
      await connection.query(STILL_USED, [byteaArray(kept ?? [])]);
      return unused ?? [];
    });
  }

  async destroy(keyIds: readonly Uint8Array[]): Promise<number> {
    let destroyed = 0;
    for (const some of portions(keyIds)) {
      const gone = await this.transaction((connection) => this.destroySome(connection, some));
      for (const keyId of gone) this.engine.keys.cache.evict(hexOf(keyId));
      destroyed += gone.length;
    }
    return destroyed;
  }

  async reopen(): Promise<void> {
    for (const some of portions(this.keyIds))
      await this.transaction((connection) => connection.query(REOPEN, [byteaArray(some), this.mark]));
  }

  private async destroySome(connection: Queryable, keyIds: Uint8Array[]): Promise<Uint8Array[]> {
    const { keys, ledger } = this.engine;
    const { rows: closed } = await connection.query(STILL_CLOSED, [byteaArray(keyIds), this.mark]);
    const locked = closed.map(({ key_id }) => key_id as Uint8Array);
    const spoken = new Set((await this.spokenOf(connection, locked)).map(KeyCache.nameOf)); // a new view, behind the locks
    const unused = locked.filter((keyId) => !spoken.has(KeyCache.nameOf(keyId)));
    const whose = new Map(
      (await connection.query(WHOSE, [byteaArray(unused)])).rows.map(({ key_id, kind, subject_id }) => [
        KeyCache.nameOf(key_id as Uint8Array),
        keys.referenceOf(String(kind), String(subject_id)),
      ]),
    );
    const references = unused.map((keyId) => whose.get(KeyCache.nameOf(keyId)) ?? null);
    const { rows } = await connection.query(DESTROY, [byteaArray(unused), byteaArray(references)]);
    await announceShredded(connection, unused);
    await ledger.chain(
      connection,
      rows.map(({ entry }) => entry),
    );
    return unused;
  }

  private async spokenOf(connection: Queryable, keyIds: Uint8Array[]): Promise<Uint8Array[]> {
    const sql = `
select k.key_id from oubli.subject_key k ${LINK_OF_KEY} where k.key_id = any($1::bytea[]) and ${isSpokenOf(this.engine.catalogue)}`;
    return (await connection.query(sql, [byteaArray(keyIds)])).rows.map(({ key_id }) => key_id as Uint8Array);
  }

  private transaction<T>(work: (connection: Queryable) => Promise<T>): Promise<T> {
    return this.engine.database.transaction(work, SETTINGS);
  }
}

function* portions(all: readonly Uint8Array[]): Generator<Uint8Array[]> {
  for (let at = 0; at < all.length; at += PER_TRANSACTION) yield all.slice(at, at + PER_TRANSACTION);
}
