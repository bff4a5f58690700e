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
select i.index_canary is null or not exists (select from oubli.epoch) as missing from oubli.instance i`;

/** The newest, and those under which a key is wrapped: of the others the provider may have given up the key already. */
const NEEDED = `
select e.id, e.canary, e.id = oubli.newest_epoch() or exists (select from oubli.subject_key k where k.epoch = e.id) as is_needed
from oubli.epoch e where e.destroyed_at is null and e.destruction is null order by e.id`;

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
  const { rows } = await store.query(NEEDED);
  for (const { id, canary, is_needed } of rows) {
    if (is_needed || keys.epochs.has(Number(id))) verifyEpoch(engine, Number(id), canary as Uint8Array, keys, provider);
  }
  const [roots] = (await store.query('select index_canary, ledger_canary from oubli.instance')).rows;
  verifyRoot('index', keys.index, roots?.index_canary, engine, provider);
  verifyRoot('ledger', keys.ledger, roots?.ledger_canary, engine, provider);
}

/** An epoch that comes later is opened by a rotation, when every process can have its key. */
async function writeMissing(store: Queryable, engine: Engine, keys: KeyMaterial): Promise<void> {
  const epoch = currentEpoch(keys);
  const [found] = (await store.query(IS_MISSING)).rows;
  if (!found?.missing) return; // who starts later needs no right to write them
  await store.query(
    `insert into oubli.epoch (id, canary)
     select $1::integer, $2 where not exists (select from oubli.epoch) on conflict do nothing`,
    [epoch, epochCanary(engine, epoch, keys.epochs.get(epoch) as Uint8Array)],
  );
  await store.query(`update oubli.instance set index_canary = $1, ledger_canary = $2 where index_canary is null`, [
    rootCanary(engine, keys.index),
    rootCanary(engine, keys.ledger),
  ]);
}

/** What tells a key of an epoch from any other. */
export function epochCanary(engine: Engine, epoch: number, kek: Uint8Array): Buffer {
  return Buffer.from(wrapKey(engine, kek, CANARY_DEK, NOBODY, epoch));
}

/** @throws ConfigurationError WRONG_EPOCH_KEY or UNKNOWN_EPOCH */
export function verifyEpoch(
  engine: Engine,
  epoch: number,
  canary: Uint8Array,
  keys: KeyMaterial,
  provider: string,
): void {
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
