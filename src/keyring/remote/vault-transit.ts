/**
 * Keys wrapped by the transit engine of HashiCorp Vault 1.13 or newer, or of OpenBao. One transit key for the roots, one for each epoch:
 * `oubli--shop--roots`, `oubli--shop--epoch-7`. Not versions of one key: trimming those destroys all that are older.
 * (https://developer.hashicorp.com/vault/api-docs/secret/transit)
 */
import { ConfigurationError } from '../../errors';
import type { Destruction } from '../provider';
import type { DocumentStore } from './document-store';
import { refuseUnfitName } from './installation-name';
import type { KeyService, Role, Wrapping } from './key-service';
import { type VaultAddress, type VaultAnswer, VaultHttp } from './vault-http';
import { type RemoteKeys, WrappedKeys } from './wrapped-keys';

export interface VaultTransitOptions extends VaultAddress {
  /** Names this installation in Vault, for ever: small letters, digits and single hyphens. Staging and production have different ones. */
  readonly installation: string;
  /** Where the wrapped keys are kept. */
  readonly document: DocumentStore;
  /** Where the transit engine is mounted; `transit` unless it was moved. */
  readonly mount?: string;
}

/**
 * Keys that Vault's transit engine wraps. Destroying an epoch deletes its transit key, at once: what was wrapped under it can be had
 * from no backup any more, but together with a snapshot of Vault itself.
 *
 * Calls, and what the token's policy needs for them (`examples/key-providers.md` has it whole):
 * at start `decrypt` (update); to open an epoch `keys/NAME` (create, update), `encrypt` (update, and not create: encrypting would make a
 * key that is not there) and `decrypt`; to destroy one `keys/NAME/config` (update) and `keys/NAME` (read, delete).
 *
 * @throws ConfigurationError (at once) INSTALLATION_NAME, KEY_SERVICE_ADDRESS; (when asked) KEY_SERVICE_REFUSED, KEY_SERVICE_ANSWER,
 *   KEY_SERVICE_TOKEN, KEY_SERVICE_UNBOUND, WRAPPED_KEY_REFUSED, WRAPPED_DOCUMENT, WRAPPED_ELSEWHERE, and those of the document's store;
 *   KeyUnavailableError KEY_SERVICE_UNREACHABLE (no connection, no answer in time, sealed, standby, 429, 5xx)
 * @example
 * const keys = vaultTransitKeys({
 *   installation: 'shop',
 *   address: 'https://vault.example.org:8200',
 *   token: () => readFile('/run/vault/token', 'utf8'), // Vault Agent keeps it renewed
 *   document: documentTable({ pool }),
 * });
 * await keys.create(); // once
 */
export function vaultTransitKeys(options: VaultTransitOptions): RemoteKeys {
  refuseUnfitName(options.installation);
  return new WrappedKeys(new VaultTransit(options), options.document, options.installation);
}

class VaultTransit implements KeyService {
  readonly kind = 'vault-transit';
  readonly name: string;
  private readonly http: VaultHttp;
  private readonly mount: string;

  constructor(private readonly options: VaultTransitOptions) {
    this.http = new VaultHttp(options);
    this.mount = options.mount ?? 'transit';
    this.name = this.http.name;
  }

  /** Creating a key that is there changes nothing (a warning stands in Vault's answer). */
  async keyFor(wrapping: Wrapping): Promise<string> {
    const key = `oubli--${this.options.installation}--${wrapping.replace(' ', '-')}`;
    await this.ask('POST', `keys/${key}`, { type: 'aes256-gcm96', exportable: false, allow_plaintext_backup: false });
    return key;
  }

  async wrap(key: string, role: Role, bytes: Uint8Array): Promise<string> {
    const plaintext = Buffer.from(bytes).toString('base64');
    const { data } = await this.ask('POST', `encrypt/${key}`, { plaintext, associated_data: this.boundTo(role) });
    return this.text(data.ciphertext, `encrypt/${key}`);
  }

  async unwrap(key: string, role: Role, ciphertext: string): Promise<Uint8Array> {
    const answer = await this.http.ask('POST', this.path(`decrypt/${key}`), {
      ciphertext,
      associated_data: this.boundTo(role),
    });
    if (answer.status === 400)
      throw new ConfigurationError('WRAPPED_KEY_REFUSED', { provider: this.name, role, key, why: 'HTTP 400' });
    const { data } = this.answered(answer, `POST ${this.path(`decrypt/${key}`)}`);
    return Buffer.from(this.text(data.plaintext, `decrypt/${key}`), 'base64');
  }

  async has(key: string): Promise<boolean> {
    const answer = await this.http.ask('GET', this.path(`keys/${key}`));
    if (answer.status === 404 && answer.errors === 0) return false; // with a text it is the engine that is not there
    this.answered(answer, `GET ${this.path(`keys/${key}`)}`);
    return true;
  }

  /** Only now may it be deleted at all, so that nobody's slip of the hand takes a living one. */
  async destroy(key: string): Promise<Destruction> {
    if (await this.has(key)) {
      await this.http.ask('POST', this.path(`keys/${key}/config`), { deletion_allowed: true });
      await this.http.ask('DELETE', this.path(`keys/${key}`)); // 400 where another process was first: whether it is gone is asked
      if (await this.has(key)) throw this.refused(`DELETE ${this.path(`keys/${key}`)}`, 400);
    }
    return { is: 'destroyed', proven: true, how: `transit key ${key} deleted; ${this.name} no longer has it` };
  }

  private async ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<VaultAnswer> {
    return this.answered(await this.http.ask(method, this.path(path), body), `${method} ${this.path(path)}`);
  }

  private answered(answer: VaultAnswer, call: string): VaultAnswer {
    if (answer.status !== 200) throw this.refused(call, answer.status);
    return answer;
  }

  private refused(call: string, status: number): ConfigurationError {
    return new ConfigurationError('KEY_SERVICE_REFUSED', { provider: this.name, call, why: `HTTP ${status}` });
  }

  private text(value: unknown, path: string): string {
    if (typeof value === 'string' && value !== '') return value;
    throw new ConfigurationError('KEY_SERVICE_ANSWER', { provider: this.name, call: `POST ${this.path(path)}` });
  }

  /** One text for one installation and role: neither name can hold a space of its own that would make two of them equal. */
  private boundTo(role: Role): string {
    return Buffer.from(`oubli/wrapped/v1 ${this.options.installation} ${role}`).toString('base64');
  }

  private path(path: string): string {
    return `${this.mount}/${path}`;
  }
}
