/**
 * Where the keys above the subject keys come from. A provider is asked once, at start; what it hands out stays in memory
 * until `close()`. The file and environment providers read the same key document (`key-document.ts`).
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
