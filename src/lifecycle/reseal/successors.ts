/**
 * Gives a successor to every key that a compromised epoch can open: whatever was ever wrapped under it, in a backup too. From the commit on
 * the person's new values are sealed under the new key; the old one opens what is stored until that is sealed anew. A chunk of the key
 * store at a time, each in a transaction of its own; several share the work.
 */
import { byteaArray } from '../../bytea-array';
import { randomBytes, randomKey } from '../../crypto/random';
import { fingerprint, wrapKey } from '../../crypto/subject-key';
import type { EpochKey } from '../../keyring/epochs';
import type { Queryable } from '../../queryable';
import { retried } from '../database';
import type { Engine } from '../engine';
import { announceShredded, hexOf } from '../shredded';

/** Some 750 keys, as an erasure and a writer wait for them no longer than for a chunk of a rotation. */
const BLOCKS = 16;
/**
 * What is archived is under keys of its own, in the hands of another role, and ends on its date: its keys are not replaced here. One that was
 * made for an archive, and whose move is under way, is long past.
 */
const CONCERNED = `k.born <= $1 and k.successor is null and k.keep_until is distinct from '-infinity'
  and not exists (select from oubli.archive_key a where a.key_id = k.key_id)`;
const SIZE = `
select pg_catalog.pg_relation_size('oubli.subject_key') / current_setting('block_size')::integer as blocks`;
const LEFT = `select exists (select from oubli.subject_key k where ${CONCERNED}) as left`;
const CHUNK = `
select k.key_id from oubli.subject_key k where k.ctid >= $2::tid and k.ctid < $3::tid and ${CONCERNED} for no key update skip locked`;
/** Whatever names the old key where the new one is to be found by it. What it had replaced itself is replaced by the new one. */
const SUCCEED = `
with given as materialized (
  select w.*, k.keep_until from unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[]) w(old, new, wrapped, fingerprint)
  join oubli.subject_key k on k.key_id = w.old),
made as (insert into oubli.subject_key (key_id, epoch, born, wrapped, fingerprint, keep_until)
  select new, $1::integer, $1::integer, wrapped, fingerprint, keep_until from given),
named as (
  select n.kind, n.subject_id, (array_agg(n.key_id) filter (where n.key_id is not null))[1] as key_id,
    (array_agg(n.retained) filter (where n.retained is not null))[1] as retained
  from (select l.kind, l.subject_id, g.new as key_id, null::bytea as retained from given g join oubli.subject_link l on l.key_id = g.old
    union all select l.kind, l.subject_id, null, g.new from given g join oubli.subject_link l on l.retained_key_id = g.old) n group by 1, 2),
linked as (update oubli.subject_link l
  set key_id = coalesce(n.key_id, l.key_id), retained_key_id = coalesce(n.retained, l.retained_key_id)
  from named n where l.kind = n.kind and l.subject_id = n.subject_id),
restricted as (update oubli.restriction r set key_id = g.new from given g where r.key_id = g.old),
followed as (update oubli.fence f set successor = g.new from given g where f.successor = g.old),
earlier as (update oubli.subject_key k set successor = g.new from given g where k.successor = g.old)
update oubli.subject_key k set successor = g.new, keep_until = null from given g where k.key_id = g.old`;

/**
 * One look at every key there is when it begins.
 *
 * @param from the share of the key store at which it begins, 0 to 1: those who work at once begin elsewhere
 * @param goesOn asked before each chunk
 * @returns how many keys got a successor
 */
export async function succeedOnce(
  engine: Engine,
  epoch: number,
  because: string,
  goesOn: () => boolean,
): Promise<number> {
  const [size] = (await engine.database.alone((connection) => connection.query(SIZE))).rows;
  const chunks = Math.ceil(Number(size?.blocks) / BLOCKS);
  const first = Math.floor(Math.random() * chunks);
  let replaced = 0;
  for (let i = 0; i < chunks && goesOn(); i++)
    replaced += await succeedChunk(engine, epoch, ((first + i) % chunks) * BLOCKS, because);
  return replaced;
}

/** Whether keys are left that the epoch can open, and that have no successor. */
export async function isAnyLeft({ database }: Engine, epoch: number): Promise<boolean> {
  const [row] = (await database.alone((connection) => connection.query(LEFT, [epoch]))).rows;
  return row?.left === true;
}

async function succeedChunk(engine: Engine, epoch: number, block: number, because: string): Promise<number> {
  const { database, keys, ledger } = engine;
  const old = await retried(() =>
    keys.epochs.underNewest((newest) =>
      database.transaction(async (connection) => {
        const { rows } = await connection.query(CHUNK, [epoch, `(${block},0)`, `(${block + BLOCKS},0)`]);
        if (rows.length === 0) return [];
        const ids = rows.map(({ key_id }) => key_id as Buffer);
        await succeed(engine, connection, ids, newest);
        await announceShredded(connection, ids);
        const details = { epoch, keys: ids.length };
        await ledger.record(connection, [{ act: 'keys replaced', because, details }]);
        return ids;
      }),
    ),
  );
  for (const keyId of old) keys.cache.evict(hexOf(keyId));
  return old.length;
}

async function succeed({ sealer }: Engine, connection: Queryable, old: readonly Buffer[], newest: EpochKey) {
  const cipher = sealer.place.engine;
  const fresh = old.map(() => {
    const keyId = randomBytes(16);
    const dek = randomKey();
    const wrapped = wrapKey(cipher, newest.kek, dek, keyId, newest.epoch);
    const print = fingerprint(cipher, dek);
    dek.fill(0); // whoever seals with it first unwraps it
    return { keyId, wrapped, print };
  });
  await connection.query(SUCCEED, [
    newest.epoch,
    byteaArray(old),
    byteaArray(fresh.map(({ keyId }) => keyId)),
    byteaArray(fresh.map(({ wrapped }) => wrapped)),
    byteaArray(fresh.map(({ print }) => print)),
  ]);
}
