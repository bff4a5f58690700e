/**
 * Proves by a sample that living keys are opened by what the provider gives to whoever starts, and by nothing that is to be destroyed
 * (ENVELOPE.md K6). The keys in memory prove nothing: the provider may have lost what it gave once.
 */

import { equal } from '../../crypto/bytes';
import type { Engine as Cipher } from '../../crypto/engine';
import { randomBytes } from '../../crypto/random';
import { fingerprint, unwrapKey } from '../../crypto/subject-key';
import { ConfigurationError } from '../../errors';
import { type KeyMaterial, wipeKeys } from '../../keyring/provider';
import type { Row } from '../../queryable';
import type { Engine } from '../engine';

const PLACES = 10;
const EACH = 10;
/** Key ids are random: what follows a random one is a sample. */
const SAMPLE = `
select s.* from unnest($1::bytea[]) w(key_id) cross join lateral (
  select k.key_id, k.epoch, k.wrapped, k.fingerprint from oubli.subject_key k where k.key_id >= w.key_id order by k.key_id limit ${EACH}) s`;

/**
 * @param doomed the epoch that is to be destroyed
 * @returns how many keys were opened
 * @throws ConfigurationError EPOCH_NOT_KEPT, WRONG_ROOT_KEY; TamperedError where one opens as another key than it was
 */
export async function verifySample({ database, keys, sealer }: Engine, doomed: number | undefined): Promise<number> {
  const places = Array.from({ length: PLACES }, (_, i) => (i === 0 ? Buffer.alloc(16) : Buffer.from(randomBytes(16))));
  const { rows } = await database.alone((connection) => connection.query(SAMPLE, [places]));
  const loaded = await keys.epochs.loadedAnew();
  try {
    for (const row of rows) verifyKey(sealer.place.engine, row, loaded, doomed, keys.epochs.provider.name);
  } finally {
    wipeKeys(loaded);
  }
  return rows.length;
}

function verifyKey(
  cipher: Cipher,
  row: Row,
  { epochs }: KeyMaterial,
  doomed: number | undefined,
  provider: string,
): void {
  const epoch = Number(row.epoch);
  const kek = epoch === doomed ? undefined : epochs.get(epoch);
  if (!kek) throw new ConfigurationError('EPOCH_NOT_KEPT', { provider, epoch });
  const dek = unwrapKey(cipher, kek, row.wrapped as Uint8Array, row.key_id as Uint8Array, epoch);
  const isItself = equal(fingerprint(cipher, dek), row.fingerprint as Uint8Array);
  dek.fill(0);
  if (!isItself) throw new ConfigurationError('EPOCH_NOT_KEPT', { provider, epoch });
}
