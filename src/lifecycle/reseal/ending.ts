/**
 * The end of keys that were replaced. PostgreSQL proves that no value is left under them: they are looked for in one view of all tables;
 * then whoever still has one in a cache is kept from writing under it, which waits for those who do at this moment; then it is looked again,
 * for what was committed in between. A key of which a value turned up is opened to writers again, and nothing is lost.
 */
import { byteaArray } from '../../bytea-array';
import { randomBytes } from '../../crypto/random';
import type { Queryable } from '../../queryable';
import { retried } from '../database';
import type { Engine } from '../engine';
import { keyIdsIn } from '../sealed-places';
import { announceShredded, hexOf } from '../shredded';
import { fromTable, type StoredTable, storedTables } from './stored';

const AT_ONCE = 1000;
const REPLACED = 'select key_id from oubli.subject_key where successor is not null order by key_id';
const ANY_REPLACED = 'select exists (select from oubli.subject_key where successor is not null) as found';
const CLOSE = `
with locked as (
  select key_id from oubli.subject_key where key_id = any($1::bytea[]) and successor is not null order by key_id for update skip locked)
update oubli.subject_key k set closed = $2::uuid from locked l where k.key_id = l.key_id returning k.key_id`;
const REOPEN = 'update oubli.subject_key set closed = null where key_id = any($1::bytea[]) and closed is not null';
/** Not where somebody else has opened it again meanwhile, or closed it: he has another view. */
const DESTROY = `
with gone as (
  delete from oubli.subject_key k where k.key_id = any($1::bytea[]) and k.closed = $2::uuid
  returning k.key_id, k.fingerprint, k.born, k.successor),
kept as (update oubli.subject_link l set retained_key_id = g.successor from gone g where l.retained_key_id = g.key_id)
insert into oubli.fence (key_id, fingerprint, erased_at, born, successor)
select key_id, fingerprint, oubli.now(), born, successor from gone returning key_id`;

export interface Ending {
  /** How many keys were destroyed. */
  readonly destroyed: number;
  /** How many have values left under them, or writers at work. */
  readonly left: number;
  /** Where such values stand that are not sealed anew there. */
  readonly stays: readonly StoredTable[];
}

/** Whether values may be left under keys that were replaced. */
export async function isAnyReplaced({ database }: Engine): Promise<boolean> {
  const [row] = (await database.alone((connection) => connection.query(ANY_REPLACED))).rows;
  return row?.found === true;
}

/** @param goesOn asked between two chunks */
export async function endReplaced(engine: Engine, because: string, goesOn: () => boolean): Promise<Ending> {
  const before = await usesOf(engine);
  await reopen(engine, [...before.used]);
  const mark = uuid();
  const closed = await close(engine, before.unused, mark, goesOn);
  const after = closed.length === 0 ? before : await usesOf(engine);
  await reopen(
    engine,
    closed.filter((keyId) => after.used.has(keyId)),
  );
  const unused = closed.filter((keyId) => !after.used.has(keyId));
  const destroyed = await destroy(engine, unused, mark, because, goesOn);
  return { destroyed, left: before.used.size + before.unused.length - destroyed, stays: after.stays };
}

interface Uses {
  /** Hex, as below. */
  readonly used: ReadonlySet<string>;
  readonly unused: readonly string[];
  readonly stays: readonly StoredTable[];
}

/** One view of the database: what is copied from one table to another stands in one of them. */
async function usesOf({ database }: Engine): Promise<Uses> {
  return database.snapshot(async (snapshot) => {
    const keys = (await snapshot.query(REPLACED)).rows.map(({ key_id }) => hexOf(key_id as Uint8Array));
    if (keys.length === 0) return { used: new Set<string>(), unused: [], stays: [] };
    const used = new Set<string>();
    const stays: StoredTable[] = [];
    for (const table of await storedTables(snapshot)) {
      const { rows } = await snapshot.query(usedIn(table));
      for (const { key_id } of rows) used.add(hexOf(key_id as Uint8Array));
      if (table.stays && rows.length > 0) stays.push(table);
    }
    return { used, unused: keys.filter((keyId) => !used.has(keyId)), stays };
  });
}

/** Which keys that were replaced have values in a table. */
export function usedIn(table: StoredTable): string {
  return `
select distinct k.key_id from ${fromTable(table, 't')} cross join lateral (${keyIdsIn(table.columns)}) v(key_id)
join oubli.subject_key k on k.key_id = v.key_id where k.successor is not null`;
}

async function close(
  { database }: Engine,
  keyIds: readonly string[],
  mark: string,
  goesOn: () => boolean,
): Promise<string[]> {
  const closed: string[] = [];
  for (const some of parts(keyIds)) {
    if (!goesOn()) break;
    const { rows } = await retried(() =>
      database.transaction((connection) => connection.query(CLOSE, [bytesOf(some), mark])),
    );
    closed.push(...rows.map(({ key_id }) => hexOf(key_id as Uint8Array)));
  }
  return closed;
}

async function reopen({ database }: Engine, keyIds: readonly string[]): Promise<void> {
  for (const some of parts(keyIds))
    await retried(() => database.transaction((connection) => connection.query(REOPEN, [bytesOf(some)])));
}

async function destroy(
  engine: Engine,
  keyIds: readonly string[],
  mark: string,
  because: string,
  goesOn: () => boolean,
): Promise<number> {
  let destroyed = 0;
  for (const some of parts(keyIds)) {
    if (!goesOn()) break;
    destroyed += await retried(() =>
      engine.database.transaction((connection) => destroySome(engine, connection, some, mark, because)),
    );
    for (const keyId of some) engine.keys.cache.evict(keyId);
  }
  return destroyed;
}

async function destroySome(
  { ledger }: Engine,
  connection: Queryable,
  keyIds: readonly string[],
  mark: string,
  because: string,
): Promise<number> {
  const { rows } = await connection.query(DESTROY, [bytesOf(keyIds), mark]);
  if (rows.length === 0) return 0;
  const gone = rows.map(({ key_id }) => key_id as Uint8Array);
  await announceShredded(connection, gone);
  await ledger.record(connection, [{ act: 'replaced keys destroyed', because, details: { keys: gone.length } }]);
  return gone.length;
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
