/**
 * The way to an archive in another database. The erasing transaction puts sealed rows into an outbox; here they are brought over:
 * written there, committed there, then taken from the outbox, with the ledger's entry, in one commit here. Whatever ends the process
 * in between, they are brought again, and the archive keeps what it has. While it is down they wait, and erasures go on.
 */
import { byteaArray } from '../../bytea-array';
import { type Queryable, quoteIdentifier as q, type Row } from '../../queryable';
import type { Ledger } from '../../registers/ledger';
import type { Engine } from '../engine';
import { type ArchiveDatabase, asArchiveError } from './places';

const AT_ONCE = 500;

const ARCHIVES = 'select schema::text as schema from oubli.archive where elsewhere order by 1';

/** Oldest first, past those that another worker is bringing over at this moment. */
const WAITING = `
select id::text as id, source, key_id, subject, until::text as until, entry::text as entry,
  moved_at::text as moved_at, sealed::bytea as sealed
from oubli.archive_outbox where schema = $2 and until > oubli.now() order by entry, id limit $1 for update skip locked`;

/** No RETURNING and no conflict target: the role that brings rows may insert them, and nothing else. */
const delivery = (schema: string): string => `
insert into ${q(schema)}.archived_row (source, id, key_id, subject, until, entry, moved_at, sealed)
select * from unnest($1::text[], $2::uuid[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::bigint[], $7::timestamptz[], $8::bytea[])
on conflict do nothing`;

const ARRIVED = `
with arrived as (delete from oubli.archive_outbox where id = any($1::uuid[]) returning source, entry),
counted as (select source, entry, count(*) as rows from arrived group by source, entry)
insert into oubli.ledger (act, key_id, because, details)
select 'delivered', (select l.key_id from oubli.ledger l where l.entry = c.entry), 'arrived in the archive of the other database',
  jsonb_build_object('entry', c.entry,
    'tables', jsonb_agg(jsonb_build_object('table', c.source, 'action', 'archive', 'rows', c.rows) order by c.source),
    'waiting', (select count(*) from oubli.archive_outbox o where o.entry = c.entry) - sum(c.rows))
from counted c group by c.entry order by c.entry
returning entry`;

/**
 * Brings over what waits, where this process knows the other database. An archive that is missing there keeps no other waiting.
 * @param signal stops between two batches
 * @returns how many rows arrived
 * @throws ConfigurationError ARCHIVE_NOT_INSTALLED, ARCHIVE_BUSY, and what the connection says when the archive is down: nothing is
 *   lost then
 */
export async function deliver(
  { database, ledger, archives: { elsewhere } }: Engine,
  signal?: AbortSignal,
): Promise<number> {
  if (!elsewhere) return 0;
  const { rows } = await database.transaction((connection) => connection.query(ARCHIVES));
  let delivered = 0;
  const failures: unknown[] = [];
  for (const schema of rows.map((row) => String(row.schema))) {
    try {
      for (let arrived = 1; arrived > 0 && !signal?.aborted; delivered += arrived)
        arrived = await database.transaction((connection) => deliverSome(ledger, connection, elsewhere, schema));
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return delivered;
}

async function deliverSome(
  ledger: Ledger,
  connection: Queryable,
  elsewhere: ArchiveDatabase,
  schema: string,
): Promise<number> {
  const { rows } = await connection.query(WAITING, [AT_ONCE, schema]);
  if (rows.length === 0) return 0;
  await elsewhere
    .transaction((there) => there.query(delivery(schema), arraysOf(rows)))
    .catch((error: unknown) => {
      throw asArchiveError(error, schema);
    });
  const entries = await connection.query(ARRIVED, [rows.map(({ id }) => id)]);
  await ledger.chain(
    connection,
    entries.rows.map(({ entry }) => entry),
  );
  return rows.length;
}

function arraysOf(rows: readonly Row[]): unknown[] {
  const all = (name: string): unknown[] => rows.map((row) => row[name]);
  const bytes = (name: string): Buffer => byteaArray(all(name) as (Uint8Array | null)[]);
  return [
    all('source'),
    all('id'),
    bytes('key_id'),
    bytes('subject'),
    all('until'),
    all('entry'),
    all('moved_at'),
    bytes('sealed'),
  ];
}
