/**
 * One call of Vault's HTTP API, as its documentation has it (https://developer.hashicorp.com/vault/api-docs): JSON, a token and a
 * namespace as headers, errors as `{ "errors": [texts] }`. Texts, bodies and the token go into no error: the status is all.
 */
import { ConfigurationError, KeyUnavailableError } from '../../errors';
import { DEFAULT_PATIENCE, inTime, type Patience, patiently, UNTRUSTED } from './patience';

export interface VaultAddress extends Patience {
  /** `https://vault.example.org:8200`; without encryption only where it is this host (Vault Agent, Vault Proxy). */
  readonly address: string;
  /**
   * The token, or what gives it, which is asked before each call and given up after `timeoutMs`: read the file that Vault Agent keeps renewed, since nothing here
   * renews one.
   */
  readonly token: string | (() => string | Promise<string>);
  /** Of Vault Enterprise and HCP, such as `admin/payroll`. */
  readonly namespace?: string;
}

/** What Vault answered where it answered: what was asked for, that it was malformed (400), or that it is not there (404). */
export interface VaultAnswer {
  readonly status: 200 | 400 | 404;
  readonly data: Readonly<Record<string, unknown>>;
  /** How many texts it gave with an error: none where a key is not there, one where the whole engine is not. */
  readonly errors: number;
}

type Method = 'GET' | 'POST' | 'DELETE';

/** Behind in replication, asked too often, a standby. (https://developer.hashicorp.com/vault/api-docs#http-status-codes) */
const PASSING: ReadonlySet<number> = new Set([412, 429, 472, 473]);
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

export class VaultHttp {
  readonly name: string;
  private readonly base: URL;

  /** @throws ConfigurationError KEY_SERVICE_ADDRESS */
  constructor(private readonly options: VaultAddress) {
    this.base = safeUrl(options.address);
    this.name = `Vault at ${this.base.origin}`;
  }

  /**
   * @param path below `/v1/`, of names that need no escaping
   * @throws ConfigurationError KEY_SERVICE_REFUSED, KEY_SERVICE_ANSWER; KeyUnavailableError KEY_SERVICE_UNREACHABLE
   */
  ask(method: Method, path: string, body?: object): Promise<VaultAnswer> {
    const { attempts = DEFAULT_PATIENCE.attempts } = this.options;
    return patiently(attempts, () => this.once(method, path, body));
  }

  private async once(method: Method, path: string, body: object | undefined): Promise<VaultAnswer> {
    const call = `${method} ${path}`;
    const response = await this.sent(method, path, call, body);
    const { status } = response;
    if (isPassing(status)) throw this.unreachable(call, `HTTP ${status}`);
    if (!response.ok && status !== 400 && status !== 404) throw this.refused(call, `HTTP ${status}`);
    const { data, errors } = await this.read(response, call);
    return { status: status === 400 || status === 404 ? status : 200, data, errors };
  }

  private async sent(method: Method, path: string, call: string, body: object | undefined): Promise<Response> {
    const { namespace, timeoutMs = DEFAULT_PATIENCE.timeoutMs } = this.options;
    const token = await this.token();
    const headers = {
      'X-Vault-Request': 'true',
      'X-Vault-Token': token,
      ...(namespace && { 'X-Vault-Namespace': namespace }),
    };
    const init = { method, headers, redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) } as const;
    try {
      return await fetch(new URL(`v1/${path}`, this.base), body ? { ...init, body: JSON.stringify(body) } : init);
    } catch (error) {
      throw this.failed(error, call);
    }
  }

  private async read(response: Response, call: string): Promise<Omit<VaultAnswer, 'status'>> {
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw this.failed(error, call);
    }
    const answer = answerIn(text);
    if (!answer) throw new ConfigurationError('KEY_SERVICE_ANSWER', { provider: this.name, call });
    return answer;
  }

  private async token(): Promise<string> {
    const { token } = this.options;
    const given = typeof token === 'function' ? await this.asked(token) : token;
    const isToken = typeof given === 'string' && /^[\x21-\x7e]+$/.test(given.trim());
    if (!isToken) throw new ConfigurationError('KEY_SERVICE_TOKEN', { provider: this.name });
    return given.trim();
  }

  /** An agent may not have written it yet. What the function throws is the team's, and may hold anything: its code is all. */
  private async asked(token: () => string | Promise<string>): Promise<string> {
    const { timeoutMs = DEFAULT_PATIENCE.timeoutMs } = this.options;
    try {
      return await inTime(timeoutMs, token);
    } catch (error) {
      const { code } = error as { code?: unknown };
      throw this.unreachable('token()', typeof code === 'string' && /^E[A-Z]+$/.test(code) ? code : 'it failed');
    }
  }

  private failed(error: unknown, call: string): Error {
    const { name, cause } = error as { name?: string; cause?: { code?: unknown } };
    const why =
      typeof cause?.code === 'string' ? cause.code : name === 'TimeoutError' ? 'no answer in time' : 'no connection';
    return UNTRUSTED.test(why) ? this.refused(call, why) : this.unreachable(call, why);
  }

  private refused(call: string, why: string): ConfigurationError {
    return new ConfigurationError('KEY_SERVICE_REFUSED', { provider: this.name, call, why });
  }

  private unreachable(call: string, why: string): KeyUnavailableError {
    return new KeyUnavailableError('KEY_SERVICE_UNREACHABLE', { provider: this.name, call, why });
  }
}

/** 3xx, 472 and 473: a standby, which may be the active one soon; it is not followed, since it would be given the token. */
function isPassing(status: number): boolean {
  return (status >= 300 && status < 400) || PASSING.has(status) || status >= 500;
}

/** @returns undefined for what comes from something else at this address; an error of JSON's would quote it */
function answerIn(text: string): Omit<VaultAnswer, 'status'> | undefined {
  let answer: unknown;
  try {
    answer = text === '' ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(answer)) return undefined;
  const { data, errors } = answer; // Vault says `"data": null` with nothing but a warning
  return { data: isRecord(data) ? data : {}, errors: Array.isArray(errors) ? errors.length : 0 };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Epoch keys travel to the service to be wrapped: not in the clear. A password in the address would stand in every error. */
function safeUrl(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.has(url.hostname));
  if (!url || !isSafe || url.username || url.password) throw new ConfigurationError('KEY_SERVICE_ADDRESS');
  return new URL(url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`, url.origin);
}
