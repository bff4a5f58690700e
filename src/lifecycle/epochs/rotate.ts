/**
 * The rotation of epoch keys (ENVELOPE.md K5): a new epoch is opened, the old ones are drained, and the keys of those whose time has come are
 * destroyed. Interrupted anywhere it goes on where it is run again, and opens no other epoch before it has come to its end.
 */
import { ConfigurationError } from '../../errors';
import { type Destruction, keepsEpochs } from '../../keyring/provider';
import { isPeriod, type Period, toInterval } from '../../period';
import type { Engine } from '../engine';
import { destroyEpoch, dueEpochs } from './destroy';
import { type Drained, drainEpochs, type Keep } from './drain';
import { openEpoch } from './open';

export interface RotateOptions {
  /** The human reason, for the ledger: `'the regular rotation'` unless said otherwise. */
  readonly because?: string;
  /**
   * How long backups from before stay restorable: the old key is destroyed no earlier. As long as the longest of your backups unless said
   * otherwise, or 35 days where none was declared; `'none'` destroys at once.
   */
  readonly keep?: Keep;
  /** Opens a new epoch only if the newest is so old; else it goes on with what is unfinished or due. */
  readonly every?: Period;
  /** Stops after the chunk under way. */
  readonly signal?: AbortSignal;
}

export interface Rotation extends Drained {
  /** The newest epoch, under which every key is wrapped when `finished`. */
  readonly epoch: number;
  /** Whether it was opened by this call. */
  readonly opened: boolean;
  /** What became of the keys whose time had come. */
  readonly destroyed: readonly { readonly epoch: number; readonly destruction: Destruction }[];
}

/** A month, and some days for whoever notices late: as long as many keep their backups. */
export const DEFAULT_KEEP = '35 days' as const satisfies Period;
const BECAUSE = 'the regular rotation';
/** By dates: a job that runs some seconds earlier than a week ago does not wait for another day. */
const NEXT = `
select oubli.newest_epoch() as newest,
  exists (select from oubli.epoch e where e.id < oubli.newest_epoch() and e.drained_at is null and e.destroyed_at is null) as is_unfinished,
  (select $1::interval is null or ((e.created_at at time zone 'UTC')::date + $1::interval <= (oubli.now() at time zone 'UTC')::date)
   from oubli.epoch e where e.id = oubli.newest_epoch()) as is_old`;

/**
 * @throws ConfigurationError BAD_KEEP, EPOCHS_READ_ONLY, EPOCH_NOT_KEPT; TamperedError WRAPPED_KEYS_DAMAGED; KeyUnavailableError
 */
export async function rotateEpochs(engine: Engine, options: RotateOptions = {}): Promise<Rotation> {
  const { because = BECAUSE, keep = DEFAULT_KEEP, every, signal } = options;
  for (const period of [keep, every])
    if (period !== undefined && period !== 'none' && !isPeriod(period))
      throw new ConfigurationError('BAD_KEEP', { given: String(period) });
  const { newest, opened } = await openIfTime(engine, every, because);
  const drained = await drainEpochs(engine, { because, keep, signal });
  return { epoch: newest, opened, ...drained, destroyed: await destroyDue(engine, because) };
}

async function openIfTime(
  engine: Engine,
  every: Period | undefined,
  because: string,
): Promise<{ newest: number; opened: boolean }> {
  const asked = [every === undefined ? null : toInterval(every)];
  const [next] = (await engine.database.alone((connection) => connection.query(NEXT, asked))).rows;
  const newest = Number(next?.newest);
  if (next?.is_unfinished || !next?.is_old) return { newest, opened: false };
  await openEpoch(engine, newest + 1, because);
  return { newest: newest + 1, opened: true };
}

/** Where the team keeps the keys itself, it destroys them, and says so. */
async function destroyDue(engine: Engine, because: string): Promise<Rotation['destroyed']> {
  if (!keepsEpochs(engine.keys.epochs.provider)) return [];
  const destroyed: { epoch: number; destruction: Destruction }[] = [];
  for (const epoch of await dueEpochs(engine))
    destroyed.push({ epoch, destruction: await destroyEpoch(engine, epoch, because) });
  return destroyed;
}
