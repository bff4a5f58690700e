/** The calls of AWS KMS, by Amazon's client: an optional peer, loaded when it is first needed. Of its errors the name is all that is kept. */
import { ConfigurationError, KeyUnavailableError, type OubliError } from '../../errors';
import { DEFAULT_PATIENCE, type Patience, pauseAfter, UNTRUSTED } from './patience';

export interface KmsAccess extends Patience {
  /** Such as `eu-west-3`. Credentials come from where Amazon's client looks for them: environment, profile, role of the host. */
  readonly region?: string;
  /** Another address of the service: a VPC or FIPS endpoint. */
  readonly endpoint?: string;
  /** The team's own `KMSClient`, in place of region and endpoint: with credentials, proxies and retries as the team has them. */
  readonly client?: KmsClientLike;
}

/** The part of a `KMSClient` of `@aws-sdk/client-kms` 3 used here. */
export interface KmsClientLike {
  // biome-ignore lint/suspicious/noExplicitAny: a command of Amazon's, whose types the reader may not have installed
  send(command: any, options?: { abortSignal?: AbortSignal }): Promise<unknown>;
}

export interface DescribedKey {
  readonly arn: string;
  readonly state: string;
  /** When it will be deleted, or was to be. */
  readonly deletedOn: Date | undefined;
}

type Sdk = typeof import('@aws-sdk/client-kms');
type Commands = { readonly [C in keyof Sdk as C extends `${infer Name}Command` ? Name : never]: Sdk[C] };
type Context = Record<string, string>;

/** What AWS answers when asking again may help; every other of its answers is about what was asked. */
const PASSING =
  /^(Throttling|ThrottlingException|TooManyRequestsException|KMSInternalException|KeyUnavailableException|DependencyTimeoutException|ExpiredTokenException|RequestTimeout|RequestExpired|ServiceUnavailable\w*|Internal\w*)$/;
/** Amazon's client found nobody to sign as, or no region: it never asked. */
const NOT_SET_UP = /^(CredentialsProviderError|ProviderError|TokenProviderError)$/;

export class KmsCalls {
  readonly name: string;
  private readonly timeoutMs: number;
  private readonly attempts: number;
  private loaded: Promise<{ readonly sdk: Sdk; readonly client: KmsClientLike }> | undefined;

  constructor(private readonly access: KmsAccess) {
    this.name = access.region ? `AWS KMS in ${access.region}` : 'AWS KMS';
    this.timeoutMs = access.timeoutMs ?? DEFAULT_PATIENCE.timeoutMs;
    this.attempts = access.attempts ?? DEFAULT_PATIENCE.attempts;
  }

  /** @param key its ARN or alias. @returns undefined where there is none */
  async described(key: string): Promise<DescribedKey | undefined> {
    const answer = await this.ask('DescribeKey', { KeyId: key }, new Set(['NotFoundException']));
    if (typeof answer === 'string') return undefined;
    const { Arn, KeyState, DeletionDate } = (answer.KeyMetadata ?? {}) as Record<string, unknown>;
    if (typeof Arn !== 'string' || typeof KeyState !== 'string') throw this.misunderstood('DescribeKey');
    return { arn: Arn, state: KeyState, deletedOn: DeletionDate instanceof Date ? DeletionDate : undefined };
  }

  /** @returns its ARN */
  async createKey(description: string, tags: Context): Promise<string> {
    const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
    const { KeyMetadata } = await this.asked('CreateKey', { Description: description, Tags });
    const { Arn } = (KeyMetadata ?? {}) as { Arn?: unknown };
    if (typeof Arn !== 'string') throw this.misunderstood('CreateKey');
    return Arn;
  }

  /** @returns whether it was free */
  async createAlias(alias: string, key: string): Promise<boolean> {
    const taken = new Set(['AlreadyExistsException']);
    return typeof (await this.settled('CreateAlias', { AliasName: alias, TargetKeyId: key }, taken)) !== 'string';
  }

  async encrypt(key: string, context: Context, plaintext: Uint8Array): Promise<Uint8Array> {
    const answer = await this.settled('Encrypt', { KeyId: key, EncryptionContext: context, Plaintext: plaintext });
    return this.bytes(answer, 'CiphertextBlob', 'Encrypt');
  }

  /** @returns the name of AWS's refusal where it is one of `known` */
  async decrypt(
    key: string,
    context: Context,
    blob: Uint8Array,
    known: ReadonlySet<string>,
  ): Promise<Uint8Array | string> {
    const answer = await this.settled(
      'Decrypt',
      { KeyId: key, EncryptionContext: context, CiphertextBlob: blob },
      known,
    );
    return typeof answer === 'string' ? answer : this.bytes(answer, 'Plaintext', 'Decrypt');
  }

  async scheduleDeletion(key: string, days: number): Promise<Date> {
    const { DeletionDate } = await this.asked('ScheduleKeyDeletion', { KeyId: key, PendingWindowInDays: days });
    if (!(DeletionDate instanceof Date)) throw this.misunderstood('ScheduleKeyDeletion');
    return DeletionDate;
  }

  /** Of a key that may have just been made: that is not known everywhere at once. (Developer Guide, "Eventual consistency") */
  private async settled(
    call: keyof Commands,
    input: object,
    known: ReadonlySet<string> = new Set(),
  ): ReturnType<KmsCalls['ask']> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.ask(call, input, new Set([...known, 'NotFoundException']));
      const isLast = attempt === this.attempts;
      if (answer === 'NotFoundException' && isLast && !known.has(answer)) throw this.unreachable(call, answer);
      if (answer !== 'NotFoundException' || isLast) return answer;
      await pauseAfter(attempt);
    }
  }

  private async asked(call: keyof Commands, input: object): Promise<Record<string, unknown>> {
    return (await this.ask(call, input, new Set())) as Record<string, unknown>;
  }

  /** @returns what AWS answered, or the name of its refusal where that is one of `known` */
  private async ask(
    call: keyof Commands,
    input: object,
    known: ReadonlySet<string>,
  ): Promise<Record<string, unknown> | string> {
    const { sdk, client } = await this.load();
    const Command = sdk[`${call}Command`] as new (input: object) => object;
    try {
      // all attempts together, also of a client that was given and knows no bounds of its own
      const abortSignal = AbortSignal.timeout(this.timeoutMs * this.attempts);
      return (await client.send(new Command(input), { abortSignal })) as Record<string, unknown>;
    } catch (error) {
      const name = nameOf(error);
      if (known.has(name)) return name;
      throw this.failed(error, name, call);
    }
  }

  private load(): NonNullable<KmsCalls['loaded']> {
    this.loaded ??= this.loadOnce();
    this.loaded.catch(() => {
      this.loaded = undefined;
    });
    return this.loaded;
  }

  private async loadOnce(): Promise<{ sdk: Sdk; client: KmsClientLike }> {
    const sdk = await installedSdk();
    const { client, region, endpoint } = this.access;
    const { timeoutMs, attempts: maxAttempts } = this;
    const requestHandler = { connectionTimeout: timeoutMs, requestTimeout: timeoutMs, throwOnRequestTimeout: true };
    const where = { ...(region && { region }), ...(endpoint && { endpoint }) };
    return { sdk, client: client ?? new sdk.KMSClient({ ...where, maxAttempts, requestHandler }) };
  }

  private bytes(answer: Awaited<ReturnType<KmsCalls['ask']>>, field: string, call: string): Uint8Array {
    const value = typeof answer === 'string' ? undefined : answer[field];
    if (value instanceof Uint8Array && value.length > 0) return Uint8Array.from(value);
    throw this.misunderstood(call);
  }

  /** Without a status nobody answered, unless nothing could be asked at all. */
  private failed(error: unknown, name: string, call: string): OubliError {
    const { $metadata, message } = error as { $metadata?: { httpStatusCode?: number }; message?: string };
    const status = $metadata?.httpStatusCode;
    const isSetUp = !NOT_SET_UP.test(name) && !/^Region is missing/.test(message ?? '');
    const isTrusted = status !== undefined || !UNTRUSTED.test(name);
    if (isSetUp && isTrusted && (status === undefined || status >= 500 || status === 429 || PASSING.test(name)))
      return this.unreachable(call, name);
    return new ConfigurationError('KEY_SERVICE_REFUSED', {
      provider: this.name,
      call,
      why: isSetUp ? name : 'not set up',
    });
  }

  private unreachable(call: string, why: string): KeyUnavailableError {
    return new KeyUnavailableError('KEY_SERVICE_UNREACHABLE', { provider: this.name, call, why });
  }

  private misunderstood(call: string): ConfigurationError {
    return new ConfigurationError('KEY_SERVICE_ANSWER', { provider: this.name, call });
  }
}

/** The system's name for it (ECONNREFUSED), or AWS's; what is no name may be anything, and is not repeated. */
function nameOf(error: unknown): string {
  const { name, code } = error as { name?: unknown; code?: unknown };
  const said = typeof code === 'string' && /^[A-Z][A-Z_]+$/.test(code) ? code : name;
  return typeof said === 'string' && /^\w{1,64}$/.test(said) ? said : 'unknown';
}

/** @throws ConfigurationError KMS_CLIENT_MISSING */
async function installedSdk(): Promise<Sdk> {
  try {
    return await import('@aws-sdk/client-kms');
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new ConfigurationError('KMS_CLIENT_MISSING');
  }
}
