/**
 * The end of an archive (ERASURE.md R1): on its date a row is deleted where it is, and with the last row that it opens the key is
 * destroyed and fenced, each with its entry in the ledger. The archive decides itself what has ended: whoever asks it
 * cannot have a row destroyed that has not.
 */
import type { Queryable, Row } from '../../queryable';
import type { Ledger } from '../../registers/ledger';
import { retried } from '../database';
import type { Engine } from '../engine';
import { heldNow, heldSubjects } from './held';
import { asArchiveError, inStore, type Store, storesOf } from './places';

const AT_ONCE = 500;
/** What `oubli.wait_for_archives()` waits for (migrations/011_archive.sql). */
const BETWEEN_COMMITS = 'oubli.archives';

const ENDED_IN_OUTBOX = `
with ended as materialized (
  select id from oubli.archive_outbox where until <= oubli.now() and (subject is null or subject <> all($2::bytea[]))
  order by until limit $1 for update skip locked),
gone as (delete from oubli.archive_outbox o using ended e where o.id = e.id returning o.source, o.entry)
select source, entry::text as entry, count(*)::text as rows from gone group by source, entry`;

const RECORD = `
insert into oubli.ledger (act, because, details)
select 'expired', 'the end of the archive', jsonb_build_object('archive', $1::text, 'tables', jsonb_agg(jsonb_build_object(
  'table', source, 'action', 'delete', 'rows', rows, 'entries', entries) order by source))
from (select source, sum(rows) as rows, jsonb_agg(entry order by entry) as entries
      from unnest($2::text[], $3::bigint[], $4::bigint[]) g(source, entry, rows) group by source) g
returning entry`;

/** A key ends with the last of its rows. */
const SHRED = `
with ended as materialized (
  select key_id from oubli.archive_key where until <= oubli.now() and (subject is null or subject <> all($2::bytea[]))
  order by until limit $1 for update skip locked),
destroyed as (
  delete from oubli.subject_key k using ended e where k.key_id = e.key_id returning k.key_id, k.fingerprint),
fenced as (
  insert into oubli.fence (key_id, fingerprint, erased_at) select key_id, fingerprint, oubli.now() from destroyed)
insert into oubli.ledger (act, key_id, because, details)
select 'shredded', key_id, 'the archive that it was made for has ended', '{}' from destroyed
returning key_id, entry`;

/**
 * @param signal stops between two batches
 * @returns how many rows were destroyed
 */
export async function destroyEnded(engine: Engine, signal?: AbortSignal): Promise<number> {
  let destroyed = 0;
  const failures: unknown[] = [];
  const stores = await storesOf(engine.archives);
  const places = [() => endInOutbox(engine), ...stores.map((store) => () => endIn(engine, store))];
  for (const batch of places) {
    await untilNone(batch, signal).then(
      (rows) => {
        destroyed += rows;
      },
      // an archive that is down must not keep the others, nor any key, longer
      (error: unknown) => failures.push(error),
    );
  }
  while (!signal?.aborted && (await shredSome(engine)) === AT_ONCE);
  if (failures.length > 0) throw failures[0];
  return destroyed;
}

async function untilNone(batch: () => Promise<number>, signal: AbortSignal | undefined): Promise<number> {
  let destroyed = 0;
  for (let rows = 1; rows > 0 && !signal?.aborted; destroyed += rows) rows = await batch();
  return destroyed;
}

function endInOutbox({ database, ledger, keys }: Engine): Promise<number> {
  return database.transaction(async (connection) => {
    const { rows } = await connection.query(ENDED_IN_OUTBOX, [AT_ONCE, await heldSubjects(keys, connection)]);
    return recorded(ledger, connection, 'oubli.archive_outbox', rows);
  });
}

const destroyIn = (store: Store): string =>
  `select source, entry::text as entry, rows::text as rows from ${inStore(store, 'destroy_ended($1, $2)')}`;

/** Nobody can be held meanwhile: a hold that was committed before is seen, and one that comes later finds the rows gone. */
function endIn(engine: Engine, store: Store): Promise<number> {
  const { database, keys, ledger } = engine;
  if (store.elsewhere) return endElsewhere(engine, store);
  return database.transaction(async (here) => {
    const { rows } = await here.query(destroyIn(store), [AT_ONCE, await heldSubjects(keys, here)]);
    return recorded(ledger, here, store.schema, rows);
  });
}

/**
 * The other database may take its time, so no lock of ours is held while it is asked: whoever was held meanwhile is seen before its
 * commit, and nothing is destroyed then. Its rows go last: what the ledger says was destroyed may be destroyed again, never the
 * other way round. Between the two commits whoever places a hold waits, so that what was there when it was placed stays.
 */
function endElsewhere({ database, keys, ledger }: Engine, store: Store): Promise<number> {
  const attempt = async (there: Queryable, beforeItsCommit: () => Promise<void>): Promise<number> => {
    const told = await database.transaction((here) => heldNow(keys, here));
    const { rows } = await there.query(destroyIn(store), [AT_ONCE, told]).catch((error: unknown) => {
      throw asArchiveError(error, store.schema);
    });
    if (rows.length === 0) return 0;
    return database.transaction(async (here) => {
      if (!told.equals(await heldSubjects(keys, here))) throw new HeldMeanwhile();
      await beforeItsCommit();
      return recorded(ledger, here, store.schema, rows);
    });
  };
  return retried(() =>
    keys.locking(BETWEEN_COMMITS, (lock) => store.database.transaction((there) => attempt(there, lock))),
  );
}

/** The one that came later goes on: as PostgreSQL says it of two transactions (manual, appendix A: serialization_failure). */
class HeldMeanwhile extends Error {
  override readonly name = 'HeldMeanwhile';
  readonly code = '40001';
}

async function recorded(ledger: Ledger, connection: Queryable, archive: string, gone: readonly Row[]): Promise<number> {
  if (gone.length === 0) return 0;
  const all = (name: string): unknown[] => gone.map((row) => row[name]);
  const entries = await connection.query(RECORD, [archive, all('source'), all('entry'), all('rows')]);
  await chained(ledger, connection, entries.rows);
  return gone.reduce((sum, { rows }) => sum + Number(rows), 0);
}

async function shredSome({ database, keys, ledger }: Engine): Promise<number> {
  const rows = await database.transaction(async (connection) => {
    const shredded = await connection.query(SHRED, [AT_ONCE, await heldSubjects(keys, connection)]);
    await chained(ledger, connection, shredded.rows);
    return shredded.rows;
  });
  for (const row of rows) keys.cache.evict(Buffer.from(row.key_id as Uint8Array).toString('hex'));
  return rows.length;
}

async function chained(ledger: Ledger, connection: Queryable, written: readonly Row[]): Promise<void> {
  await ledger.chain(
    connection,
    written.map(({ entry }) => entry),
  );
}
