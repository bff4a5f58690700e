/**
 * Where the keys above the subject keys come from. A provider is asked at start, and again when an epoch is met that is not known yet;
 * what it hands out stays in memory until `close()`, which overwrites it, or until the epoch is destroyed. The file and environment
 * providers read the same key document (`key-document.ts`).
 */
import { secretCopy } from '../crypto/secret';
import { ConfigurationError } from '../errors';

/** The keys of one installation. Each is 32 bytes and serves one role only (ENVELOPE.md K9). */
export interface KeyMaterial {
  /** Epoch keys by number; the highest wraps new subject keys. */
  readonly epochs: ReadonlyMap<number, Uint8Array>;
  /** Root of the blind-index keys. */
  readonly index: Uint8Array;
  /** Root of the keyed references that name a subject in the fence and the ledger. */
  readonly ledger: Uint8Array;
}

export interface KeyProvider {
  /** How errors name it: `file ./oubli.keys`, `environment variable OUBLI_KEYS`. Never key bytes. */
  readonly name: string;
  /**
   * All keys there are now.
   * @throws ConfigurationError when the keys are missing or malformed; KeyUnavailableError when a retry may help.
   */
  load(): Promise<KeyMaterial>;
}

/** One that makes and destroys epoch keys by itself; with any other the team does it, in the document that it reads. */
export interface EpochProvider extends KeyProvider {
  /**
   * Makes the key of a new epoch and keeps it durably before it returns; asked again for one that there is, gives that one.
   * @throws ConfigurationError BAD_EPOCH, EPOCHS_READ_ONLY where it may not write; KeyUnavailableError when a retry may help
   */
  openEpoch(epoch: number): Promise<Uint8Array>;
  /**
   * Destroys the key of an epoch: `load` gives it no more. Idempotent; asked again it says how things stand.
   * @throws ConfigurationError BAD_EPOCH, EPOCHS_READ_ONLY, NEWEST_EPOCH; KeyUnavailableError when a retry may help
   */
  destroyEpoch(epoch: number): Promise<Destruction>;
}

/** What became of an epoch key: the provider's own truth (ENVELOPE.md K7). */
export type Destruction =
  | {
      readonly is: 'destroyed';
      /** Whether nobody can have it any more: so with Vault's trim, not so with a file that others may have copied. */
      readonly proven: boolean;
      /** In words that a certificate can quote; names, never key bytes. */
      readonly how: string;
    }
  | {
      readonly is: 'scheduled';
      /** When it will be gone; until then it can be had back. AWS KMS: 7 to 30 days. */
      readonly on: Date;
      readonly how: string;
    };

/** Of PostgreSQL's integers (manual 8.1.1), as the database numbers them. */
const LAST_EPOCH = 2 ** 31 - 1;

/** @throws ConfigurationError BAD_EPOCH for what is no number of an epoch, so that nothing is kept under it */
export function refuseNoEpoch(epoch: number, provider: string): void {
  if (!Number.isInteger(epoch) || epoch < 1 || epoch > LAST_EPOCH)
    throw new ConfigurationError('BAD_EPOCH', { given: String(epoch), provider });
}

/** Whether a provider makes and destroys epoch keys. */
export function keepsEpochs(provider: KeyProvider): provider is EpochProvider {
  const { openEpoch, destroyEpoch } = provider as Partial<EpochProvider>;
  return typeof openEpoch === 'function' && typeof destroyEpoch === 'function';
}

/** The epoch whose key wraps new subject keys. */
export function currentEpoch(material: KeyMaterial): number {
  return Math.max(...material.epochs.keys());
}

const handsOver = new WeakSet<KeyProvider>();

/** Marks a provider that hands out fresh bytes each time and keeps none: whoever overwrites them has overwritten the only ones. */
export function handingOver<P extends KeyProvider>(provider: P): P {
  handsOver.add(provider);
  return provider;
}

/** What a provider has, to be overwritten by whoever asks. */
export async function loadKeys(provider: KeyProvider): Promise<KeyMaterial> {
  const loaded = await provider.load();
  const copy = copyKeys(loaded);
  if (handsOver.has(provider)) wipeKeys(loaded);
  return copy;
}

/** The key of an epoch that was opened, to be overwritten by whoever asks. */
export async function openedKey(provider: EpochProvider, epoch: number): Promise<Uint8Array> {
  const opened = await provider.openEpoch(epoch);
  const copy = secretCopy(opened);
  if (handsOver.has(provider)) opened.fill(0);
  return copy;
}

/** The same keys in bytes of our own, which may be overwritten: a provider may hand out one object twice. */
function copyKeys({ epochs, index, ledger }: KeyMaterial): KeyMaterial {
  return {
    epochs: new Map([...epochs].map(([epoch, key]) => [epoch, secretCopy(key)])),
    index: secretCopy(index),
    ledger: secretCopy(ledger),
  };
}

export function wipeKeys({ epochs, index, ledger }: KeyMaterial): void {
  for (const key of [...epochs.values(), index, ledger]) key.fill(0);
}
