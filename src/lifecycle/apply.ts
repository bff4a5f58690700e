/**
 * Applies a plan to a few people or rows at a time, each time in one transaction: lock and test again, seal anew what is
 * kept, then the one statement that erases and writes the ledger (ERASURE.md A1, A2).
 */
import type { Catalogue } from '../catalogue/model';
import { randomBytes } from '../crypto/random';
import { SHREDDED_CHANNEL } from '../keyring/key-connection';
import type { Sealer } from '../keyring/sealer';
import type { SubjectKey, SubjectKeys } from '../keyring/subject-keys';
import type { Queryable, Row } from '../queryable';
import type { Database } from './database';
import { erasureStatement } from './erasure-statement';
import { type Plan, refuseBlocked } from './plan';
import { resealKept } from './reseal-kept';

/** What applying needs; the assembly hands it over. */
export interface Engine {
  readonly catalogue: Catalogue;
  readonly database: Database;
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
}

/** Chooses and locks what leaves: names as text. Runs first in the transaction. */
export type Choose = (connection: Queryable) => Promise<string[]>;

export interface Reason {
  /** `erased` or `expired`, as the ledger names it. */
  readonly act: string;
  readonly because: string;
}

const LOCK_TIMEOUT = "set local lock_timeout = '5s'";
/** NOTIFY takes 8000 bytes; a key id is 32 characters of hex. */
const ANNOUNCED_AT_ONCE = 200;

/** @returns the ledger's rows; none when nothing was chosen */
export async function applyPlan(engine: Engine, plan: Plan, choose: Choose, reason: Reason): Promise<Row[]> {
  refuseBlocked(plan);
  const destroyed: Uint8Array[] = [];
  const entries = await engine.database.transaction(async (connection) => {
    await connection.query(LOCK_TIMEOUT);
    const ids = await choose(connection);
    if (ids.length === 0) return [];
    if (plan.kind === undefined)
      return erase(
        engine,
        plan,
        connection,
        ids,
        ids.map(() => ROWS_TAG),
        [],
        reason,
      );
    const living = await lockKeys(engine, plan.kind, connection, ids);
    const tags = living.map(({ key }) => key.keyId);
    destroyed.push(...tags);
    const names = living.map(({ id }) => id);
    if (names.length === 0) return [];
    const references = names.map((id) => engine.keys.referenceOf(plan.kind as string, id));
    const rows = await erase(engine, plan, connection, names, tags, references, reason);
    await announce(connection, tags);
    return rows;
  });
  for (const keyId of destroyed) engine.keys.cache.evict(Buffer.from(keyId).toString('hex'));
  return entries;
}

const ROWS_TAG = Buffer.from([0]);

async function erase(
  engine: Engine,
  plan: Plan,
  connection: Queryable,
  ids: readonly string[],
  tags: readonly Uint8Array[],
  references: readonly Uint8Array[],
  reason: Reason,
): Promise<Row[]> {
  const resealed = await resealKept(engine.catalogue, plan, connection, engine.keys, engine.sealer, ids);
  const statement = erasureStatement(engine.catalogue, plan, resealed.tables);
  const salt = Buffer.from(randomBytes(16)).toString('hex');
  const own = [ids, tags, references, reason.act, reason.because, salt];
  return (await connection.query(statement, [...own, ...resealed.parameters])).rows;
}

/** Locks the keys after the rows, in the order writers take them; who lost a race against another erasure drops out. */
async function lockKeys(
  engine: Engine,
  kind: string,
  connection: Queryable,
  ids: readonly string[],
): Promise<{ id: string; key: SubjectKey }[]> {
  const keys = await engine.keys.forSubjects(kind, ids);
  const wanted = [...keys].map(([id, key]) => ({ id, key }));
  const { rows } = await connection.query(
    'select key_id from oubli.subject_key where key_id = any($1) order by key_id for update',
    [wanted.map(({ key }) => key.keyId)],
  );
  const alive = new Set(rows.map((row) => Buffer.from(row.key_id as Uint8Array).toString('hex')));
  return wanted.filter(({ key }) => alive.has(Buffer.from(key.keyId).toString('hex')));
}

/** Other processes drop the key from their caches when this commits. */
async function announce(connection: Queryable, keyIds: readonly Uint8Array[]): Promise<void> {
  for (let from = 0; from < keyIds.length; from += ANNOUNCED_AT_ONCE) {
    const names = keyIds.slice(from, from + ANNOUNCED_AT_ONCE).map((keyId) => Buffer.from(keyId).toString('hex'));
    await connection.query('select pg_notify($1, $2)', [SHREDDED_CHANNEL, names.join(',')]);
  }
}
