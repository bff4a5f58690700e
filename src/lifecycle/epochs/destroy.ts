/**
 * Has the key of a drained epoch destroyed, by the provider, and writes down what that says of it (ENVELOPE.md K5-K7). From then on what was
 * erased before cannot be had back from any backup, and no backup from before the epoch was drained can be restored.
 *
 * Killed between the provider's act and the database's knowledge of it, it asks again: the provider says how things stand.
 */
import { ConfigurationError, KeyUnavailableError } from '../../errors';
import type { Epochs } from '../../keyring/epochs';
import { type Destruction, keepsEpochs, wipeKeys } from '../../keyring/provider';
import type { Engine } from '../engine';
import { verifySample } from './sample';

const STATE = `
select e.drained_at, e.destroyed_at, exists (select from oubli.subject_key k where k.epoch = e.id) as is_needed,
  e.id >= oubli.newest_epoch() as is_newest, e.destroy_after <= oubli.now() as is_due
from oubli.epoch e where e.id = $1`;
const DUE = `
select e.id from oubli.epoch e where e.drained_at is not null and e.destroyed_at is null and e.destroy_after <= oubli.now()
  and (e.destruction is null or (e.destruction ->> 'on')::timestamptz <= oubli.now()) order by e.id`;
/** What is scheduled is gone when its date has come and the provider says so, not before. */
const SAID = `
update oubli.epoch e set destruction = $2::jsonb,
  destroyed_at = case when $2::jsonb ->> 'is' = 'destroyed' then oubli.now() end
where e.id = $1 and e.destroyed_at is null
  and (e.destruction is distinct from $2::jsonb)
returning (select count(*) from oubli.fence f where f.epoch = e.id and f.successor is null)::integer as erased`;

/** Epochs whose time has come, and those whose scheduled date has. */
export async function dueEpochs({ database }: Engine): Promise<number[]> {
  const { rows } = await database.alone((connection) => connection.query(DUE));
  return rows.map(({ id }) => Number(id));
}

/**
 * @param because the human reason, for the ledger
 * @throws ConfigurationError NO_SUCH_EPOCH, NEWEST_EPOCH, EPOCH_NOT_DRAINED, EPOCHS_READ_ONLY, EPOCH_NOT_KEPT; and what the provider throws
 */
export async function destroyEpoch(engine: Engine, epoch: number, because: string): Promise<Destruction> {
  engine.keys.epochs.suspect();
  await engine.keys.epochs.newest(); // a database that was restored is noticed before anything is destroyed
  await refuseNeeded(engine, epoch);
  await verifySample(engine, epoch);
  const said = await destroyedBy(engine.keys.epochs, epoch);
  const { database, ledger, keys } = engine;
  await database.transaction(async (connection) => {
    const { rows } = await connection.query(SAID, [epoch, JSON.stringify(said)]);
    const [row] = rows;
    if (!row) return; // another process was told the same
    const act = said.is === 'destroyed' ? 'epoch destroyed' : 'epoch scheduled';
    await ledger.record(connection, [{ act, because, details: { epoch, erased: row.erased, ...said } }]);
  });
  keys.epochs.suspect(epoch);
  return said;
}

/** A hold keeps the key of whom it holds, and that keeps the epoch: there is nothing else that needs one (K6). */
async function refuseNeeded({ database, keys }: Engine, epoch: number): Promise<void> {
  const [state] = (await database.alone((connection) => connection.query(STATE, [epoch]))).rows;
  if (!state) throw new ConfigurationError('NO_SUCH_EPOCH', { epoch });
  if (state.is_newest) throw new ConfigurationError('NEWEST_EPOCH', { epoch, provider: keys.epochs.provider.name });
  if (!state.drained_at || state.is_needed) throw new ConfigurationError('EPOCH_NOT_DRAINED', { epoch });
}

/** Where the team keeps the keys itself, it is gone when it was taken out by hand. */
async function destroyedBy(epochs: Epochs, epoch: number): Promise<Destruction> {
  const { provider } = epochs;
  if (keepsEpochs(provider)) return stated(await provider.destroyEpoch(epoch), provider.name);
  const loaded = await epochs.loadedAnew();
  const isThere = loaded.epochs.has(epoch);
  wipeKeys(loaded);
  if (isThere) throw new ConfigurationError('EPOCHS_READ_ONLY', { provider: provider.name, epoch });
  return { is: 'destroyed', proven: false, how: 'taken out of the keys by hand; who has a copy of them has the key' };
}

/** Nothing else of what a provider answers is kept. */
function stated(said: Destruction, provider: string): Destruction {
  if (said?.is === 'destroyed') return { is: 'destroyed', proven: said.proven === true, how: String(said.how) };
  if (said?.is === 'scheduled' && said.on instanceof Date && !Number.isNaN(said.on.getTime()))
    return { is: 'scheduled', on: said.on, how: String(said.how) };
  throw new KeyUnavailableError('DESTRUCTION_UNCLEAR', { provider });
}
