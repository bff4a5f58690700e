/**
 * What a key service far away does for us: it wraps keys under keys of its own, which never leave it, and destroys those. AWS KMS and
 * Vault's transit engine are two; `wrapped-keys.ts` makes a key provider of any.
 */
import type { Destruction } from '../provider';

/** What a wrapped key serves. With the installation's name it is what the service binds it to (ENVELOPE.md K8). */
export type Role = 'index' | 'ledger' | EpochRole;
export type EpochRole = `epoch ${number}`;

/** What one remote key wraps: both roots, which are never destroyed, or one epoch, so that it goes alone. */
export type Wrapping = 'roots' | EpochRole;

/** Every call ends within its time. @throws KeyUnavailableError when a retry may help; ConfigurationError when none does */
export interface KeyService {
  /** Which kind of service wrapped a document: `aws-kms`, `vault-transit`. */
  readonly kind: string;
  /** How errors name it: `AWS KMS in eu-west-3`, `Vault at https://vault.example.org`. */
  readonly name: string;
  /** The service's name for the remote key that wraps these; made where there is none, the same when asked again. */
  keyFor(wrapping: Wrapping): Promise<string>;
  /** @returns text that only `unwrap` with the same remote key and role makes the key of again */
  wrap(remoteKey: string, role: Role, key: Uint8Array): Promise<string>;
  /** @throws ConfigurationError WRAPPED_KEY_REFUSED where the service has no such key, or it wrapped something else */
  unwrap(remoteKey: string, role: Role, wrapped: string): Promise<Uint8Array>;
  /** Whether it is there and usable: where the roots' key is, the service that is asked is the right one. */
  has(remoteKey: string): Promise<boolean>;
  /** Idempotent; asked again it says how things stand. */
  destroy(remoteKey: string): Promise<Destruction>;
}
