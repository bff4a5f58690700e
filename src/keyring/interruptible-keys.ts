/** A key provider for tests of outages: it can be taken down and brought back, and records what it was asked. */
import { randomBytes } from '../crypto/random';
import { ConfigurationError, KeyUnavailableError } from '../errors';
import { currentEpoch, type EpochProvider, type KeyMaterial, refuseNoEpoch } from './provider';

/** One call of the provider, in the order they came. */
export interface KeyCall {
  readonly call: 'load' | 'openEpoch' | 'destroyEpoch';
  /** Of `load`, undefined. */
  readonly epoch: number | undefined;
  /** Whether it came while the provider was down. */
  readonly refused: boolean;
}

export interface InterruptibleKeys extends EpochProvider {
  /** What it was asked until now. */
  readonly calls: readonly KeyCall[];
  /** From now on every call raises `KeyUnavailableError` KEY_SERVICE_UNREACHABLE. */
  goDown(): void;
  /** From now on it answers again. */
  comeBack(): void;
}

const NAME = 'interruptible keys';

export function makeInterruptible(keys: EpochProvider): InterruptibleKeys {
  const calls: KeyCall[] = [];
  let down = false;
  const note = (call: KeyCall['call'], epoch?: number): void => {
    calls.push({ call, epoch, refused: down });
    if (down)
      throw new KeyUnavailableError('KEY_SERVICE_UNREACHABLE', { provider: keys.name, call, why: 'taken down' });
  };
  return {
    name: keys.name,
    calls,
    goDown: () => {
      down = true;
    },
    comeBack: () => {
      down = false;
    },
    load: async () => {
      note('load');
      return keys.load();
    },
    openEpoch: async (epoch) => {
      note('openEpoch', epoch);
      return keys.openEpoch(epoch);
    },
    destroyEpoch: async (epoch) => {
      note('destroyEpoch', epoch);
      return keys.destroyEpoch(epoch);
    },
  };
}

/** Fresh keys that nothing outlives: each 32 random bytes, in this process only. */
export function keysInMemory(): EpochProvider {
  const material = { epochs: new Map([[1, randomBytes(32)]]), index: randomBytes(32), ledger: randomBytes(32) };
  const destroyed = new Set<number>();
  return {
    name: NAME,
    load: async (): Promise<KeyMaterial> => ({ ...material, epochs: new Map(material.epochs) }),
    openEpoch: async (epoch) => {
      refuseNoEpoch(epoch, NAME);
      if (destroyed.has(epoch)) throw new ConfigurationError('EPOCH_DESTROYED', { epoch, provider: NAME });
      const key = material.epochs.get(epoch) ?? randomBytes(32);
      material.epochs.set(epoch, key);
      return Uint8Array.from(key);
    },
    destroyEpoch: async (epoch) => {
      const known = material.epochs.has(epoch);
      if (!known && !destroyed.has(epoch)) throw new ConfigurationError('UNKNOWN_EPOCH', { epoch, provider: NAME });
      if (known && epoch === currentEpoch(material))
        throw new ConfigurationError('NEWEST_EPOCH', { epoch, provider: NAME });
      material.epochs.delete(epoch);
      destroyed.add(epoch);
      return { is: 'destroyed', proven: true, how: 'forgotten by the process that held it' };
    },
  };
}
