/**
 * Stands in for AWS Key Management Service, as its API reference documents it (https://docs.aws.amazon.com/kms/latest/APIReference):
 * JSON 1.1 with the call in `X-Amz-Target`, dates as seconds, bytes as base64, errors by `__type`. Permissions are evaluated by action.
 * It is not KMS: signatures are asked for and not verified, and it keeps its keys in memory.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type Answer, StandIn } from './stand-in';

interface KmsKey {
  readonly arn: string;
  readonly secret: Buffer;
  readonly tags: unknown;
  state: 'Enabled' | 'Disabled' | 'PendingDeletion';
  deletedOn?: number;
  /** Requests that are answered as if it were not there yet. */
  settling: number;
}

type Body = Record<string, unknown>;

const DAY = 86_400;

export class KmsStandIn extends StandIn {
  readonly keys = new Map<string, KmsKey>();
  readonly aliases = new Map<string, string>();
  /** `kms:Decrypt` …; undefined allows all. */
  allowed: ReadonlySet<string> | undefined;
  /** How many requests a key that was just made is not known to. */
  settlesAfter = 0;
  private daysPassed = 0;

  constructor(readonly region = 'eu-west-3') {
    super();
  }

  /** Keys whose waiting period ends within them are deleted, with their aliases. */
  passDays(days: number): void {
    this.daysPassed += days;
    for (const key of [...this.keys.values()]) if ((key.deletedOn ?? Infinity) <= this.now()) this.forget(key.arn);
  }

  cancelDeletion(arn: string): void {
    const key = this.keys.get(arn) as KmsKey;
    key.state = 'Disabled';
    delete key.deletedOn;
  }

  protected nameOf({ headers }: IncomingMessage): string {
    return `${headers['x-amz-target']}`.replace('TrentService.', '');
  }

  protected answer(request: IncomingMessage, body: Body): Answer {
    const call = this.nameOf(request);
    const { authorization = '', 'content-type': type } = request.headers;
    const isSigned = new RegExp(`^AWS4-HMAC-SHA256 Credential=\\S+/${this.region}/kms/aws4_request, `).test(
      authorization,
    );
    if (!isSigned || type !== 'application/x-amz-json-1.1') return failure('MissingAuthenticationTokenException');
    if (this.allowed && !this.allowed.has(`kms:${call}`)) return failure('AccessDeniedException');
    if (call === 'CreateKey') return this.createKey(body);
    const key = this.named(`${body.KeyId ?? body.TargetKeyId}`);
    if (!key) return failure('NotFoundException');
    if (call === 'CreateAlias') return this.createAlias(key, body);
    if (call === 'DescribeKey') return { status: 200, body: { KeyMetadata: metadataOf(key) } };
    if (key.state === 'Disabled' && call !== 'ScheduleKeyDeletion') return failure('DisabledException');
    if (key.state === 'PendingDeletion') return failure('KMSInvalidStateException');
    if (call === 'ScheduleKeyDeletion') return this.scheduleDeletion(key, body);
    if (call === 'Encrypt') return encrypt(key, body);
    if (call === 'Decrypt') return decrypt(key, body);
    return failure('UnknownOperationException');
  }

  private createKey({ Tags }: Body): Answer {
    if (Tags && this.allowed && !this.allowed.has('kms:TagResource')) return failure('AccessDeniedException');
    const arn = `arn:aws:kms:${this.region}:111122223333:key/${randomUUID()}`;
    const key: KmsKey = { arn, secret: randomBytes(32), tags: Tags, state: 'Enabled', settling: this.settlesAfter };
    this.keys.set(arn, key);
    return { status: 200, body: { KeyMetadata: metadataOf(key) } };
  }

  private createAlias(key: KmsKey, { AliasName }: Body): Answer {
    if (this.aliases.has(`${AliasName}`)) return failure('AlreadyExistsException');
    this.aliases.set(`${AliasName}`, key.arn);
    return { status: 200 };
  }

  private scheduleDeletion(key: KmsKey, { PendingWindowInDays }: Body): Answer {
    key.state = 'PendingDeletion';
    key.deletedOn = this.now() + Number(PendingWindowInDays) * DAY;
    return {
      status: 200,
      body: { KeyId: key.arn, DeletionDate: key.deletedOn, KeyState: key.state, PendingWindowInDays },
    };
  }

  private named(name: string): KmsKey | undefined {
    const key = this.keys.get(this.aliases.get(name) ?? name);
    if (!key || key.settling === 0) return key;
    key.settling--;
    return undefined;
  }

  private forget(arn: string): void {
    this.keys.delete(arn);
    for (const [alias, target] of this.aliases) if (target === arn) this.aliases.delete(alias);
  }

  private now(): number {
    return Date.now() / 1000 + this.daysPassed * DAY;
  }
}

function metadataOf(key: KmsKey): Body {
  return { Arn: key.arn, KeyId: key.arn.split('/')[1], KeyState: key.state, DeletionDate: key.deletedOn };
}

/** AWS's blob names its key, and is bound to the context as associated data. */
function encrypt(key: KmsKey, { Plaintext, EncryptionContext }: Body): Answer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key.secret, nonce).setAAD(bound(EncryptionContext));
  const sealed = Buffer.concat([
    cipher.update(Buffer.from(`${Plaintext}`, 'base64')),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  const blob = Buffer.from(JSON.stringify({ arn: key.arn, sealed: Buffer.concat([nonce, sealed]).toString('base64') }));
  return { status: 200, body: { CiphertextBlob: blob.toString('base64'), KeyId: key.arn } };
}

function decrypt(key: KmsKey, { CiphertextBlob, EncryptionContext }: Body): Answer {
  try {
    const { arn, sealed } = JSON.parse(Buffer.from(`${CiphertextBlob}`, 'base64').toString());
    if (arn !== key.arn) return failure('IncorrectKeyException');
    const bytes = Buffer.from(sealed, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', key.secret, bytes.subarray(0, 12));
    decipher.setAAD(bound(EncryptionContext)).setAuthTag(bytes.subarray(-16));
    const opened = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
    return { status: 200, body: { Plaintext: opened.toString('base64'), KeyId: arn } };
  } catch {
    return failure('InvalidCiphertextException');
  }
}

function bound(context: unknown): Buffer {
  return Buffer.from(JSON.stringify(Object.entries((context ?? {}) as Body).sort()));
}

function failure(type: string): Answer {
  return { status: 400, body: { __type: type, message: `${type}: as the service says it, with a secret of its own` } };
}
