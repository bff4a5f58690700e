/**
 * Wraps the living keys anew under the newest epoch (ENVELOPE.md K5), some blocks of the key store at a time and each in a transaction of
 * its own: killed anywhere, it goes on where it is run again, and what was wrapped is not wrapped twice. Several share the work: what one
 * has locked the others leave to it. Writers about these people go on meanwhile: their lock on a key is FOR KEY SHARE.
 */
import { byteaArray } from '../../bytea-array';
import type { Engine as Cipher } from '../../crypto/engine';
import { unwrapKey, wrapKey } from '../../crypto/subject-key';
import { KeyUnavailableError, TamperedError } from '../../errors';
import type { EpochKey } from '../../keyring/epochs';
import type { Row } from '../../queryable';
import { retried } from '../database';
import type { Engine } from '../engine';

/** Some 1,500 keys: 20 ms of work, for which nobody waits. */
const BLOCKS = 32;
const SIZE = `
select pg_catalog.pg_relation_size('oubli.subject_key') / current_setting('block_size')::integer as blocks`;
/** A range of the table itself (a TID range scan): keys have no order, and an index by epoch would be left behind with each chunk. */
const CHUNK = `
select ctid as at, key_id, epoch, wrapped from oubli.subject_key
where ctid >= $1::tid and ctid < $2::tid and epoch < $3 for no key update skip locked`;
const DESTROY_AGAIN = `
delete from oubli.subject_key k using oubli.fence f where k.ctid >= $1::tid and k.ctid < $2::tid and f.key_id = k.key_id
returning k.key_id`;
/** By the trigger on the key store: a key is fenced. */
const FENCED = 'OU002';
const CAME_BACK = 'destroyed before; its row had come back past the triggers, with a table that was restored';
const REWRAP = `
update oubli.subject_key k set epoch = $1, wrapped = w.wrapped
from unnest($2::tid[], $3::bytea[]) w(at, wrapped) where k.ctid = w.at`;

export interface Pass {
  readonly rewrapped: number;
  /** Hex: keys that cannot be unwrapped, for what is stored of them was changed. */
  readonly damaged: readonly string[];
}

/**
 * One look at every block there is when it begins.
 *
 * @param from the share of the table at which it begins, 0 to 1: those who work at once begin elsewhere
 * @param goesOn asked before each chunk
 * @throws KeyUnavailableError EPOCH_KEY_MISSING
 */
export async function rewrapOnce(engine: Engine, from: number, goesOn: () => boolean): Promise<Pass> {
  const [size] = (await engine.database.alone((connection) => connection.query(SIZE))).rows;
  const chunks = Math.ceil(Number(size?.blocks) / BLOCKS);
  const first = Math.floor(from * chunks);
  let rewrapped = 0;
  const damaged: string[] = [];
  for (let i = 0; i < chunks && goesOn(); i++) {
    const chunk = await rewrapChunk(engine, ((first + i) % chunks) * BLOCKS);
    rewrapped += chunk.rewrapped;
    damaged.push(...chunk.damaged);
  }
  return { rewrapped, damaged };
}

async function rewrapChunk(engine: Engine, block: number): Promise<Pass> {
  const blocks = [`(${block},0)`, `(${block + BLOCKS},0)`] as const;
  try {
    return await rewrapBlocks(engine, blocks);
  } catch (error) {
    const mayBeDestroyed = error instanceof KeyUnavailableError || (error as { code?: unknown }).code === FENCED;
    if (!mayBeDestroyed || !(await destroyAgain(engine, blocks))) throw error;
    return rewrapBlocks(engine, blocks);
  }
}

type Blocks = readonly [from: string, to: string];

async function rewrapBlocks({ database, keys, sealer }: Engine, blocks: Blocks): Promise<Pass> {
  const { epochs } = keys;
  return retried(() =>
    epochs.underNewest((newest) =>
      database.transaction(async (connection) => {
        const { rows } = await connection.query(CHUNK, [...blocks, newest.epoch]);
        await epochs.know(new Set(rows.map(({ epoch }) => Number(epoch))));
        const wrapped = rows.map((row) => wrappedAnew(sealer.place.engine, row, epochs.kek(Number(row.epoch)), newest));
        const whole = rows.filter((_, i) => wrapped[i]);
        if (whole.length > 0) {
          const texts = wrapped.filter((each) => each !== undefined);
          await connection.query(REWRAP, [newest.epoch, whole.map(({ at }) => at), byteaArray(texts)]);
        }
        const damaged = rows.filter((_, i) => !wrapped[i]).map(({ key_id }) => (key_id as Buffer).toString('hex'));
        return { rewrapped: whole.length, damaged };
      }),
    ),
  );
}

/**
 * Keys that were destroyed before, and whose rows came back: refused anyway (ENVELOPE.md K4), but wrapped they can no longer be, and the
 * epoch that they name would never be drained; its key may be long gone.
 * @returns whether there were any
 */
async function destroyAgain({ database, ledger }: Engine, blocks: Blocks): Promise<boolean> {
  return database.transaction(async (connection) => {
    const { rows } = await connection.query(DESTROY_AGAIN, [...blocks]);
    const entries = rows.map(({ key_id: keyId }) => ({ act: 'shredded', keyId: keyId as Buffer, because: CAME_BACK }));
    if (entries.length > 0) await ledger.record(connection, entries);
    return entries.length > 0;
  });
}

/** @returns undefined for what cannot be unwrapped: one damaged key must not keep the others under the old epoch */
function wrappedAnew(cipher: Cipher, row: Row, old: Uint8Array, { epoch, kek }: EpochKey): Uint8Array | undefined {
  const keyId = row.key_id as Uint8Array;
  const dek = unwrapped(cipher, old, row, keyId);
  if (!dek) return undefined;
  try {
    return wrapKey(cipher, kek, dek, keyId, epoch);
  } finally {
    dek.fill(0);
  }
}

function unwrapped(cipher: Cipher, old: Uint8Array, row: Row, keyId: Uint8Array): Uint8Array | undefined {
  try {
    return unwrapKey(cipher, old, row.wrapped as Uint8Array, keyId, Number(row.epoch));
  } catch (error) {
    if (error instanceof TamperedError) return undefined; // its key id is reported
    throw error;
  }
}
