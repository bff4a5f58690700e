/**
 * Known texts wrapped under the installation's keys, opened at every start: a wrong key is named, by epoch or role, before
 * any query runs (ENVELOPE.md K9). The first start of an installation writes them.
 */
import type { Engine } from '../crypto/engine';
import { unwrapKey, wrapKey } from '../crypto/subject-key';
import { ConfigurationError, TamperedError } from '../errors';
import type { Queryable } from '../queryable';
import { currentEpoch, type KeyMaterial } from './provider';

const KNOWN_TEXT = Buffer.from('oubli/canary/v1 one wrong key a day');
const CANARY_DEK = Uint8Array.from(KNOWN_TEXT.subarray(0, 32));
const NOBODY = new Uint8Array(16);

const IS_MISSING = `
select i.index_canary is null or not exists (select from oubli.epoch where id = $1::integer) as missing from oubli.instance i`;

/** @throws ConfigurationError WRONG_EPOCH_KEY, UNKNOWN_EPOCH or WRONG_ROOT_KEY */
export async function verifyCanaries(
  store: Queryable,
  engine: Engine,
  keys: KeyMaterial,
  provider: string,
): Promise<void> {
  const verify = (): Promise<void> => verifyWritten(store, engine, keys, provider);
  await verify(); // before anything is written: the wrong document must leave nothing that refuses the right one
  await writeMissing(store, engine, keys);
  await verify(); // another process may have been first, with other keys
}

async function verifyWritten(store: Queryable, engine: Engine, keys: KeyMaterial, provider: string): Promise<void> {
  const { rows } = await store.query('select id, canary from oubli.epoch where destroyed_at is null order by id');
  for (const row of rows) verifyEpoch(engine, Number(row.id), row.canary as Uint8Array, keys, provider);
  const [roots] = (await store.query('select index_canary, ledger_canary from oubli.instance')).rows;
  verifyRoot('index', keys.index, roots?.index_canary, engine, provider);
  verifyRoot('ledger', keys.ledger, roots?.ledger_canary, engine, provider);
}

async function writeMissing(store: Queryable, engine: Engine, keys: KeyMaterial): Promise<void> {
  const epoch = currentEpoch(keys);
  const [found] = (await store.query(IS_MISSING, [epoch])).rows;
  if (!found?.missing) return; // who starts later needs no right to write them
  const kek = keys.epochs.get(epoch) as Uint8Array;
  await store.query(
    `insert into oubli.epoch (id, canary)
     select $1::integer, $2 where not exists (select from oubli.epoch where id = $1::integer) on conflict do nothing`,
    [epoch, Buffer.from(wrapKey(engine, kek, CANARY_DEK, NOBODY, epoch))],
  );
  await store.query(`update oubli.instance set index_canary = $1, ledger_canary = $2 where index_canary is null`, [
    rootCanary(engine, keys.index),
    rootCanary(engine, keys.ledger),
  ]);
}

function verifyEpoch(engine: Engine, epoch: number, canary: Uint8Array, keys: KeyMaterial, provider: string): void {
  const kek = keys.epochs.get(epoch);
  if (!kek) throw new ConfigurationError('UNKNOWN_EPOCH', { epoch, provider });
  try {
    unwrapKey(engine, kek, canary, NOBODY, epoch);
  } catch (error) {
    if (error instanceof TamperedError) throw new ConfigurationError('WRONG_EPOCH_KEY', { epoch, provider });
    throw error;
  }
}

function verifyRoot(role: string, root: Uint8Array, canary: unknown, engine: Engine, provider: string): void {
  const known = canary === null || rootCanary(engine, root).equals(canary as Uint8Array);
  if (!known) throw new ConfigurationError('WRONG_ROOT_KEY', { role, provider });
}

function rootCanary(engine: Engine, root: Uint8Array): Buffer {
  return Buffer.from(engine.hash(16, root, KNOWN_TEXT));
}
