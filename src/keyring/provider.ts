/**
 * Where the keys above the subject keys come from. A provider is asked once, at start; what it hands out stays in memory
 * until `close()`, which overwrites it. The file and environment providers read the same key document (`key-document.ts`).
 */

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
  /** @throws ConfigurationError when the keys are missing or malformed; KeyUnavailableError when a retry may help. */
  load(): Promise<KeyMaterial>;
}

/** The epoch whose key wraps new subject keys. */
export function currentEpoch(material: KeyMaterial): number {
  return Math.max(...material.epochs.keys());
}

/** The same keys in bytes of our own, which may be overwritten: a provider may hand out one object twice. */
export function copyKeys({ epochs, index, ledger }: KeyMaterial): KeyMaterial {
  return {
    epochs: new Map([...epochs].map(([epoch, key]) => [epoch, Uint8Array.from(key)])),
    index: Uint8Array.from(index),
    ledger: Uint8Array.from(ledger),
  };
}

export function wipeKeys({ epochs, index, ledger }: KeyMaterial): void {
  for (const key of [...epochs.values(), index, ledger]) key.fill(0);
}
