/**
 * Opens the next epoch: from its commit on every new key is wrapped under it, in every process, for the database refuses any other.
 * First the provider keeps the key for good and gives it again: what is wrapped under a key that is lost is lost.
 */
import { equal } from '../../crypto/bytes';
import { secretCopy } from '../../crypto/secret';
import { ConfigurationError } from '../../errors';
import { epochCanary } from '../../keyring/canary';
import type { Epochs } from '../../keyring/epochs';
import { keepsEpochs, openedKey, wipeKeys } from '../../keyring/provider';
import type { Engine } from '../engine';

/** Whoever opens it at the same time has the same key of the provider; one of them writes it down. */
const OPEN = `
insert into oubli.epoch (id, canary) select $1::integer, $2 where oubli.newest_epoch() < $1::integer
on conflict do nothing returning id`;

/**
 * @param epoch the number after the newest
 * @param because the human reason, for the ledger
 * @throws ConfigurationError EPOCHS_READ_ONLY, EPOCH_NOT_KEPT; and what the provider throws
 */
export async function openEpoch(
  { database, keys, ledger, sealer }: Engine,
  epoch: number,
  because: string,
): Promise<void> {
  const kek = await keptKey(keys.epochs, epoch);
  try {
    await database.transaction(async (connection) => {
      const { rows } = await connection.query(OPEN, [epoch, epochCanary(sealer.place.engine, epoch, kek)]);
      if (rows.length > 0) await ledger.record(connection, [{ act: 'epoch opened', because, details: { epoch } }]);
    });
  } finally {
    kek.fill(0);
  }
  keys.epochs.suspect(); // the announcement is on its way
}

/**
 * Epochs that the provider has and a restored database does not know: opened after its backup was taken. Whoever was erased meanwhile may be
 * in copies under their keys, and is not called unrecoverable before those are destroyed, too.
 */
export async function adoptEpochs(engine: Engine, because: string): Promise<void> {
  const { epochs } = engine.keys;
  const { epoch: newest } = await epochs.newest();
  const loaded = await epochs.loadedAnew();
  const unknown = [...loaded.epochs.keys()].filter((epoch) => epoch > newest).sort((a, b) => a - b);
  wipeKeys(loaded);
  for (const epoch of unknown) await openEpoch(engine, epoch, because);
}

/** The provider's key of an epoch, as it gives it to whoever starts. One that was put there by hand beforehand is taken. */
async function keptKey(epochs: Epochs, epoch: number): Promise<Uint8Array> {
  const { provider } = epochs;
  const made = keepsEpochs(provider) ? await openedKey(provider, epoch) : undefined;
  const loaded = await epochs.loadedAnew();
  const kept = loaded.epochs.get(epoch);
  try {
    if (!kept && !made) throw new ConfigurationError('EPOCHS_READ_ONLY', { provider: provider.name, epoch });
    if (!kept || (made && !equal(made, kept)))
      throw new ConfigurationError('EPOCH_NOT_KEPT', { provider: provider.name, epoch });
    return secretCopy(kept);
  } finally {
    made?.fill(0);
    wipeKeys(loaded);
  }
}
