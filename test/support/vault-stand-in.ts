/**
 * Stands in for HashiCorp Vault with its transit engine, as its HTTP API is documented
 * (https://developer.hashicorp.com/vault/api-docs/secret/transit): paths, headers, statuses and the shape of errors. Its policies are
 * evaluated. It is not Vault: it keeps its keys in memory, and knows the calls that are made of it.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Answer, StandIn } from './stand-in';

interface TransitKey {
  readonly secret: Buffer;
  deletionAllowed: boolean;
}

/** What a token may do, by paths that may end in `*`. */
export type Policy = readonly { readonly path: string; readonly capabilities: readonly string[] }[];

const ROOT: Policy = [{ path: '*', capabilities: ['create', 'read', 'update', 'delete'] }];

export class VaultStandIn extends StandIn {
  readonly token = 'hvs.a-token-of-the-tests';
  readonly keys = new Map<string, TransitKey>();
  sealed = false;
  /** Before 1.13, which overlooked associated data. */
  bindsKeys = true;
  policy = ROOT;

  constructor(
    readonly namespace?: string,
    private readonly mount = 'transit',
  ) {
    super();
  }

  protected nameOf({ method, url = '' }: IncomingMessage): string {
    return `${method} ${url.replace('/v1/', '')}`;
  }

  protected answer(request: IncomingMessage, body: Record<string, unknown>): Answer {
    if (this.sealed) return failure(503, 'Vault is sealed');
    const path = (request.url ?? '').replace('/v1/', '');
    const { 'x-vault-token': token, 'x-vault-namespace': namespace } = request.headers;
    if (namespace !== this.namespace) return failure(404, `no handler for route "${path}". route entry not found.`);
    if (token !== this.token || !this.allows(request.method, path))
      return failure(403, '1 error occurred: permission denied');
    const [mount, operation, name = '', config] = path.split('/');
    if (mount !== this.mount) return failure(404, `no handler for route "${path}". route entry not found.`);
    if (operation === 'keys' && config === 'config') return this.configure(name, body);
    if (operation === 'keys') return this.key(request.method, name);
    if (operation === 'encrypt') return this.encrypt(name, body);
    if (operation === 'decrypt') return this.decrypt(name, body);
    return failure(404, `unsupported path`);
  }

  /** Encrypting under a key that is not there is creating it; all other POSTs are updates. */
  private allows(method: string | undefined, path: string): boolean {
    const [, operation, name = ''] = path.split('/');
    const writing = operation === 'encrypt' && !this.keys.has(name) ? 'create' : 'update';
    const needed = { GET: 'read', DELETE: 'delete', POST: writing }[method ?? ''] ?? 'sudo';
    const fits = this.policy.filter((rule) =>
      rule.path.endsWith('*') ? path.startsWith(rule.path.slice(0, -1)) : path === rule.path,
    );
    // the most specific rule decides, alone (Vault, "Policies": priority matching)
    const [best] = fits.sort((a, b) => b.path.length - a.path.length);
    return best?.capabilities.includes(needed) ?? false;
  }

  private key(method: string | undefined, name: string): Answer {
    const known = this.keys.get(name);
    if (method === 'POST') {
      if (known) return { status: 200, body: { data: { name }, warnings: [`key ${name} already existed`] } };
      this.keys.set(name, { secret: randomBytes(32), deletionAllowed: false });
      return { status: 200, body: { data: { name, type: 'aes256-gcm96', latest_version: 1 } } };
    }
    if (method === 'GET')
      return known ? { status: 200, body: { data: { name, deletion_allowed: known.deletionAllowed } } } : failure(404);
    if (!known) return failure(400, `error deleting policy ${name}: could not delete key; not found`);
    if (!known.deletionAllowed)
      return failure(400, `error deleting policy ${name}: deletion is not allowed for this key`);
    this.keys.delete(name);
    return { status: 204 };
  }

  private configure(name: string, body: Record<string, unknown>): Answer {
    const known = this.keys.get(name);
    if (!known) return failure(400, `no existing key named ${name} could be found`);
    if (typeof body.deletion_allowed === 'boolean') known.deletionAllowed = body.deletion_allowed;
    return { status: 200, body: { data: { name, deletion_allowed: known.deletionAllowed } } };
  }

  private encrypt(name: string, { plaintext, associated_data }: Record<string, unknown>): Answer {
    if (!this.keys.has(name)) this.key('POST', name);
    const { secret } = this.keys.get(name) as TransitKey;
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', secret, nonce).setAAD(this.bound(associated_data));
    const sealed = Buffer.concat([cipher.update(Buffer.from(`${plaintext}`, 'base64')), cipher.final()]);
    const ciphertext = `vault:v1:${Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64')}`;
    return { status: 200, body: { data: { ciphertext, key_version: 1 } } };
  }

  private decrypt(name: string, { ciphertext, associated_data }: Record<string, unknown>): Answer {
    const known = this.keys.get(name);
    if (!known) return failure(400, 'encryption key not found');
    const [, version, text = ''] = `${ciphertext}`.split(':');
    const bytes = Buffer.from(text, 'base64');
    if (version !== 'v1' || bytes.length < 28) return failure(400, 'invalid ciphertext: no prefix');
    const decipher = createDecipheriv('aes-256-gcm', known.secret, bytes.subarray(0, 12));
    decipher.setAAD(this.bound(associated_data)).setAuthTag(bytes.subarray(-16));
    try {
      const opened = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
      return { status: 200, body: { data: { plaintext: opened.toString('base64') } } };
    } catch {
      return failure(400, 'cipher: message authentication failed');
    }
  }

  private bound(associated: unknown): Buffer {
    return this.bindsKeys ? Buffer.from(`${associated ?? ''}`, 'base64') : Buffer.alloc(0);
  }
}

function failure(status: number, ...errors: string[]): Answer {
  return { status, body: { errors } };
}
