/**
 * Keys wrapped by AWS Key Management Service: one KMS key for the roots, one for each epoch, found by their aliases
 * `alias/oubli/shop/roots`, `alias/oubli/shop/epoch-7`. The calls are signed, sent and repeated by Amazon's own client.
 * (https://docs.aws.amazon.com/kms/latest/APIReference)
 */
import { ConfigurationError } from '../../errors';
import type { Destruction } from '../provider';
import { type KmsAccess, KmsCalls } from './aws-kms-calls';
import type { DocumentStore } from './document-store';
import { refuseUnfitName } from './installation-name';
import type { KeyService, Role, Wrapping } from './key-service';
import { type RemoteKeys, WrappedKeys } from './wrapped-keys';

export interface AwsKmsOptions extends KmsAccess {
  /** Names this installation in KMS, for ever: small letters, digits and single hyphens. Staging and production have different ones. */
  readonly installation: string;
  /** Where the wrapped keys are kept. */
  readonly document: DocumentStore;
  /**
   * How many days AWS waits before it deletes the key of a destroyed epoch, 7 to 30. 7 unless given, AWS's least: only then is what was
   * erased unrecoverable. Until then `CancelKeyDeletion` brings the key back.
   */
  readonly waitingDays?: number;
}

/** What AWS says of a key that was wrapped for something else, or whose KMS key can no longer be used. */
const UNOPENED = new Set([
  ...['InvalidCiphertextException', 'IncorrectKeyException', 'NotFoundException', 'DisabledException'],
  'KMSInvalidStateException',
]);

/**
 * Keys that AWS KMS wraps. Destroying an epoch schedules the deletion of its KMS key, which AWS carries out 7 to 30 days later: until
 * then `Destruction` says when, afterwards that it is gone.
 *
 * Needs `@aws-sdk/client-kms`. Calls, and so permissions (`examples/key-providers.md` has the policy whole): at start `kms:Decrypt`; to
 * open an epoch `kms:DescribeKey`, `kms:CreateKey`, `kms:TagResource`, `kms:CreateAlias`, `kms:Encrypt`, `kms:Decrypt`; to destroy one
 * `kms:DescribeKey` and `kms:ScheduleKeyDeletion`. AWS asks a monthly price for each key that is not waiting for its deletion.
 *
 * @throws ConfigurationError (at once) INSTALLATION_NAME, KMS_WAITING_DAYS; (when asked) KMS_CLIENT_MISSING, KEY_SERVICE_REFUSED,
 *   KEY_SERVICE_ANSWER, KEY_SERVICE_UNBOUND, WRAPPED_KEY_REFUSED, WRAPPED_DOCUMENT, WRAPPED_ELSEWHERE, and those of the document's store;
 *   KeyUnavailableError KEY_SERVICE_UNREACHABLE (no connection, no answer in time, throttled, 5xx)
 * @example
 * const keys = awsKmsKeys({ installation: 'shop', region: 'eu-west-3', document: documentTable({ pool }) });
 * await keys.create(); // once
 */
export function awsKmsKeys(options: AwsKmsOptions): RemoteKeys {
  const { installation, waitingDays = 7 } = options;
  refuseUnfitName(installation);
  if (!Number.isInteger(waitingDays) || waitingDays < 7 || waitingDays > 30)
    throw new ConfigurationError('KMS_WAITING_DAYS');
  return new WrappedKeys(new AwsKms(new KmsCalls(options), installation, waitingDays), options.document, installation);
}

class AwsKms implements KeyService {
  readonly kind = 'aws-kms';
  readonly name: string;

  constructor(
    private readonly kms: KmsCalls,
    private readonly installation: string,
    private readonly waitingDays: number,
  ) {
    this.name = kms.name;
  }

  /** By its ARN, which says account and region too. */
  async keyFor(wrapping: Wrapping): Promise<string> {
    const alias = `alias/oubli/${this.installation}/${wrapping.replace(' ', '-')}`;
    return (await this.kms.described(alias))?.arn ?? this.made(alias, wrapping);
  }

  async wrap(key: string, role: Role, bytes: Uint8Array): Promise<string> {
    const blob = await this.kms.encrypt(key, this.boundTo(role), bytes);
    return Buffer.from(blob).toString('base64');
  }

  async unwrap(key: string, role: Role, wrapped: string): Promise<Uint8Array> {
    const opened = await this.kms.decrypt(key, this.boundTo(role), Buffer.from(wrapped, 'base64'), UNOPENED);
    if (typeof opened === 'string')
      throw new ConfigurationError('WRAPPED_KEY_REFUSED', { provider: this.name, role, key, why: opened });
    return opened;
  }

  async has(key: string): Promise<boolean> {
    return (await this.kms.described(key))?.state === 'Enabled';
  }

  async destroy(key: string): Promise<Destruction> {
    const known = await this.kms.described(key);
    if (!known) return { is: 'destroyed', proven: true, how: `${key} is gone from ${this.name}` };
    const on = known.deletedOn ?? (await this.kms.scheduleDeletion(key, this.waitingDays));
    return { is: 'scheduled', on, how: `AWS deletes ${key} then; CancelKeyDeletion would keep it` };
  }

  /** Of two processes that make one at once, the alias goes to the first, and the other one's key is given back. */
  private async made(alias: string, wrapping: Wrapping): Promise<string> {
    const arn = await this.kms.createKey(`oubli ${this.installation}, ${wrapping}`, {
      'oubli:installation': this.installation,
      'oubli:wraps': wrapping,
    });
    if (await this.kms.createAlias(alias, arn)) return arn;
    await this.kms.scheduleDeletion(arn, this.waitingDays);
    const first = await this.kms.described(alias);
    if (first) return first.arn;
    throw new ConfigurationError('KEY_SERVICE_ANSWER', { provider: this.name, call: 'DescribeKey' });
  }

  /** AWS's encryption context: authenticated with the key, and to be read in CloudTrail, so that it holds names only. */
  private boundTo(role: Role): Record<string, string> {
    return { 'oubli:installation': this.installation, 'oubli:role': role };
  }
}
