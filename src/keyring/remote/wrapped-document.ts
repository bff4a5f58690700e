/**
 * The document of wrapped keys: which remote key wraps which of ours. JSON with a format number; it holds no key, and nothing of it
 * may be lost. An epoch that was destroyed stays in it, so that its number is never used again.
 */
import { ConfigurationError } from '../../errors';

const FORMAT = 1;

export interface WrappedKey {
  /** What the service calls the remote key: an ARN, the name of a transit key. */
  readonly key: string;
  /** As the service gave it: base64, with `vault:v1:` before it where Vault wrapped it. */
  readonly wrapped: string;
}

/** `destroying`: asked for, and not known to be done; what it wraps may come back where the service lets it be cancelled. */
export type WrappedEpoch =
  | (WrappedKey & { readonly state: 'living' | 'destroying' })
  | { readonly key: string; readonly state: 'destroyed' };

export interface WrappedDocument {
  /** Which kind of service wrapped it. */
  readonly service: string;
  readonly installation: string;
  readonly index: WrappedKey;
  readonly ledger: WrappedKey;
  readonly epochs: Readonly<Record<number, WrappedEpoch>>;
}

export function printed(document: WrappedDocument): string {
  return `${JSON.stringify({ oubli: 'wrapped keys', format: FORMAT, ...document }, null, 2)}\n`;
}

/**
 * @param expected whose document it must be
 * @throws ConfigurationError WRAPPED_DOCUMENT (malformed, or of a newer format), WRAPPED_ELSEWHERE (another installation's or service's)
 */
export function parsed(
  text: string,
  provider: string,
  expected: Pick<WrappedDocument, 'service' | 'installation'>,
): WrappedDocument {
  const document = recordIn(text);
  if (!isWellFormed(document)) throw new ConfigurationError('WRAPPED_DOCUMENT', { provider });
  for (const option of ['service', 'installation'] as const)
    if (document[option] !== expected[option])
      throw new ConfigurationError('WRAPPED_ELSEWHERE', { provider, option, given: expected[option] });
  return document;
}

/** The document with an epoch as it is now. */
export function withEpoch(document: WrappedDocument, epoch: number, as: WrappedEpoch): WrappedDocument {
  return { ...document, epochs: { ...document.epochs, [epoch]: as } };
}

function recordIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // its error would quote the text; that it is no document is said by the caller
  }
}

function isWellFormed(document: unknown): document is WrappedDocument {
  if (!isRecord(document) || document.oubli !== 'wrapped keys' || document.format !== FORMAT) return false;
  const { service, installation, index, ledger, epochs } = document;
  return (
    isText(service) &&
    isText(installation) &&
    isWrappedKey(index) &&
    isWrappedKey(ledger) &&
    isRecord(epochs) &&
    Object.entries(epochs).every(([epoch, entry]) => /^[1-9]\d*$/.test(epoch) && isEpoch(entry))
  );
}

function isEpoch(entry: unknown): boolean {
  if (!isRecord(entry)) return false;
  if (entry.state === 'destroyed') return isText(entry.key);
  return (entry.state === 'living' || entry.state === 'destroying') && isWrappedKey(entry);
}

function isWrappedKey(entry: unknown): boolean {
  return isRecord(entry) && isText(entry.key) && isText(entry.wrapped);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
