/** The epoch keys as the application and its operator ask for them: listed, rotated, destroyed. */
import { ConfigurationError } from '../../errors';
import { type Destruction, type KeyProvider, keepsEpochs } from '../../keyring/provider';
import { type Period, parsePeriod } from '../../period';
import type { Queryable } from '../../queryable';
import type { Backup } from '../../registers/backups';
import { type EpochState, type Restorable, readEpochs, restorable } from '../../registers/epochs';
import type { Engine } from '../engine';
import { type Reseal, type ResealOptions, resealEpoch } from '../reseal/reseal';
import { destroyEpoch } from './destroy';
import { DEFAULT_KEEP, type RotateOptions, type Rotation, rotateEpochs } from './rotate';

export interface EpochKeys {
  /** Newest first: what each stands for, and how many keys are wrapped under it. */
  list(): Promise<EpochState[]>;
  /**
   * Opens a new epoch, wraps every living key under it, verifies that, and has the keys of epochs destroyed whose time has come: then what
   * was erased before them cannot be had back from any backup (ENVELOPE.md K5). Reads and writes go on meanwhile. Interrupted, run it again;
   * several share the work.
   *
   * @throws ConfigurationError EPOCHS_READ_ONLY where the provider makes no keys and none was put there by hand; EPOCH_NOT_KEPT, BAD_KEEP
   * @throws TamperedError WRAPPED_KEYS_DAMAGED; KeyUnavailableError
   * @example const { epoch, rewrapped, destroyed } = await epochs.rotate({ because: 'the regular rotation', keep: '14 days' });
   */
  rotate(options?: RotateOptions): Promise<Rotation>;
  /**
   * Has the key of a drained epoch destroyed now, before its time. No backup from before it was drained can be restored afterwards: there
   * everybody's key is wrapped under it, that of the living, too.
   *
   * @throws ConfigurationError NO_BECAUSE, NO_SUCH_EPOCH, NEWEST_EPOCH, EPOCH_NOT_DRAINED, EPOCHS_READ_ONLY, EPOCH_NOT_KEPT
   * @example await epochs.destroy(3, { because: 'the laptop with a copy of the key file was stolen' });
   */
  destroy(epoch: number, options: { readonly because: string }): Promise<Destruction>;
  /**
   * Somebody else may have the key of an epoch: every living key that it can open, in whichever backup, is replaced, and what is stored under
   * it is sealed anew; then the old ones are destroyed. Reads and writes go on meanwhile. Interrupted, run it again; several share the work.
   * What backups from before hold stays open to whoever has the key: throw them away. Pseudonyms stay as they are, for what they were made
   * of is not stored; the same value gives another one from now on.
   *
   * @throws ConfigurationError NO_BECAUSE, NO_SUCH_EPOCH, BAD_PACE, EPOCHS_READ_ONLY, EPOCH_NOT_KEPT
   * @throws TamperedError VALUES_DAMAGED, WRAPPED_KEYS_DAMAGED; UnsupportedQueryError RESEAL_VIEW, RESEAL_STAYS, RESEAL_KEPT; AnnotationError RESEAL_WAITS; KeyUnavailableError
   * @example const { rows, finished } = await epochs.compromised(3, { because: 'the key file was in a public repository' });
   */
  compromised(epoch: number, options: ResealOptions): Promise<Reseal>;
  /** Since when backups can be restored, and when that will change. */
  restorable(): Promise<Restorable>;
}

/**
 * @param engine after it has caught up with what is known outside of the database
 * @returns the keys as they are asked for, and what the regular job does: nothing where the team keeps the keys itself
 */
export function epochKeysOf(
  engine: () => Promise<Engine>,
  { keys: provider, backups = [] }: { readonly keys: KeyProvider; readonly backups?: readonly Backup[] },
): { readonly keys: EpochKeys; readonly regular: EpochKeys['rotate'] | undefined } {
  const reading = async <T>(read: (connection: Queryable) => Promise<T>): Promise<T> =>
    (await engine()).database.snapshot(read);
  const keys: EpochKeys = {
    list: () => reading(readEpochs),
    rotate: async (options) => rotateEpochs(await engine(), { keep: longestKeep(backups), ...options }),
    destroy: async (epoch, { because }) => {
      refuseNoReason(because, `destroy(${epoch}, …)`);
      return destroyEpoch(await engine(), epoch, because);
    },
    compromised: async (epoch, options) => {
      refuseNoReason(options?.because, `compromised(${epoch}, …)`);
      return resealEpoch(await engine(), epoch, { keep: longestKeep(backups), ...options });
    },
    restorable: () => reading(restorable),
  };
  return { keys, regular: keepsEpochs(provider) ? keys.rotate : undefined };
}

function refuseNoReason(because: unknown, call: string): void {
  if (typeof because !== 'string' || !because.trim())
    throw new ConfigurationError('NO_BECAUSE', { call: `epochs.${call}` });
}

/** As long as any declared backup is kept: a month counts 31 days. */
export function longestKeep(backups: readonly Backup[]): Period {
  const days = (period: Period): number => {
    const span = parsePeriod(period);
    return span.months * 31 + span.days;
  };
  const [longest] = backups.map(({ keep }) => keep).sort((a, b) => days(b) - days(a));
  return longest ?? DEFAULT_KEEP;
}
