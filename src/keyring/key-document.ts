/**
 * The key document: JSON with one base64 key per role, as `oubli keys generate` writes it. Every malformed key is refused
 * before any query runs (ENVELOPE.md K9); errors name the role, never the bytes. It is read and written as bytes, to be overwritten by
 * whoever has them: see `SecretJson`.
 */
import { base64Of, keyOfBase64 } from '../crypto/base64';
import { equal, isAllZero, wipe } from '../crypto/bytes';
import { randomKey } from '../crypto/random';
import { ConfigurationError } from '../errors';
import { type KeyMaterial, wipeKeys } from './provider';
import { SecretJson } from './secret-json';

const KEY_BYTES = 32;
const EMPTY = Buffer.from('{}');

/** A fresh document: epoch 1, an index root and a ledger root, each 32 bytes of the system's CSPRNG. */
export function newKeyDocument(): Buffer {
  return using(new SecretJson(EMPTY), (json) =>
    json.printed({ oubli: 1, epochs: { 1: newKey(json) }, index: newKey(json), ledger: newKey(json) }),
  );
}

/** The document with a fresh key of an epoch; itself where it has one. @throws ConfigurationError KEY_DOCUMENT or KEY_INVALID */
export function withEpoch(document: Buffer, epoch: number, provider: string): Buffer {
  if (epochsOf(document, provider).includes(epoch)) return document;
  return using(parseJson(document, provider), (json) => {
    const { epochs, ...others } = json.value as Document;
    return json.printed({ ...others, epochs: { ...epochs, [epoch]: newKey(json) } });
  });
}

/** The document without the key of an epoch. @throws ConfigurationError KEY_DOCUMENT, KEY_INVALID or NEWEST_EPOCH */
export function withoutEpoch(document: Buffer, epoch: number, provider: string): Buffer {
  const known = epochsOf(document, provider);
  if (!known.includes(epoch)) return document;
  if (epoch === Math.max(...known)) throw new ConfigurationError('NEWEST_EPOCH', { epoch, provider });
  return using(parseJson(document, provider), (json) => {
    const { epochs, ...others } = json.value as Document;
    const { [epoch]: _, ...left } = epochs;
    return json.printed({ ...others, epochs: left });
  });
}

interface Document extends Record<string, unknown> {
  readonly epochs: Record<number, unknown>;
}

function epochsOf(document: Buffer, provider: string): number[] {
  const material = parseKeyDocument(document, provider);
  wipeKeys(material);
  return [...material.epochs.keys()];
}

function newKey(json: SecretJson): string {
  const key = randomKey();
  const text = base64Of(key);
  wipe(key);
  return json.hide(text);
}

/** What stood in it is overwritten afterwards. */
function using<T>(json: SecretJson, work: (json: SecretJson) => T): T {
  try {
    return work(json);
  } finally {
    json.wipe();
  }
}

/**
 * @param document UTF-8, as bytes; as text where it is one already
 * @returns keys that are nobody else's
 * @throws ConfigurationError KEY_DOCUMENT or KEY_INVALID
 */
export function parseKeyDocument(document: Uint8Array | string, provider: string): KeyMaterial {
  return using(parseJson(document, provider), (json) => {
    const keys: Uint8Array[] = [];
    const decoded = (key: unknown, role: string): Uint8Array => {
      const bytes = decodeKey(json.textOf(key), role, provider);
      keys.push(bytes);
      return bytes;
    };
    try {
      const material = materialFrom(json.value, decoded, provider);
      refuseSharedKeys(material, provider);
      return material;
    } catch (error) {
      for (const key of keys) wipe(key);
      throw error;
    }
  });
}

function materialFrom(
  document: unknown,
  decoded: (key: unknown, role: string) => Uint8Array,
  provider: string,
): KeyMaterial {
  if (!isRecord(document) || document.oubli !== 1 || !isRecord(document.epochs))
    throw new ConfigurationError('KEY_DOCUMENT', { provider });
  const epochs = new Map<number, Uint8Array>();
  for (const [number, key] of Object.entries(document.epochs)) {
    if (!/^[1-9]\d*$/.test(number)) throw new ConfigurationError('KEY_DOCUMENT', { provider });
    epochs.set(Number(number), decoded(key, `epoch ${number}`));
  }
  if (epochs.size === 0) throw new ConfigurationError('KEY_DOCUMENT', { provider });
  return { epochs, index: decoded(document.index, 'index'), ledger: decoded(document.ledger, 'ledger') };
}

function parseJson(document: Uint8Array | string, provider: string): SecretJson {
  const bytes = typeof document === 'string' ? Buffer.from(document) : document;
  try {
    return new SecretJson(bytes);
  } catch {
    // JSON.parse quotes the text it chokes on, which here may be key material: the cause must not travel.
    throw new ConfigurationError('KEY_DOCUMENT', { provider });
  } finally {
    if (bytes !== document) wipe(bytes);
  }
}

/** Strict: what is no base64 is not skipped, or a key with a slip of the pen would be read as another key. */
function decodeKey(text: Uint8Array | undefined, role: string, provider: string): Uint8Array {
  const bytes = text && keyOfBase64(withoutEscapes(text), KEY_BYTES);
  if (!bytes) throw new ConfigurationError('KEY_INVALID', { role, provider, why: 'is not 32 bytes of base64' });
  if (isAllZero(bytes)) throw new ConfigurationError('KEY_INVALID', { role, provider, why: 'is all zero' });
  return bytes;
}

/** JSON may have a stroke as `\/` (RFC 8259 §7), and PHP writes it so. Overwrites what it is given, which is one of `SecretJson`'s. */
function withoutEscapes(text: Uint8Array): Uint8Array {
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === BACKSLASH && text[at + 1] === STROKE) at++;
    text[length++] = text[at] as number;
  }
  return text.subarray(0, length);
}

const [BACKSLASH, STROKE] = [0x5c, 0x2f];

/** @throws ConfigurationError KEY_INVALID where one key serves two roles */
export function refuseSharedKeys(material: KeyMaterial, provider: string): void {
  const all: [string, Uint8Array][] = [
    ['index', material.index],
    ['ledger', material.ledger],
  ];
  for (const [number, key] of material.epochs) all.push([`epoch ${number}`, key]);
  for (const [place, [role, key]] of all.entries()) {
    const [other] = all.slice(0, place).find(([, before]) => equal(before, key)) ?? [];
    if (other) throw new ConfigurationError('KEY_INVALID', { role, provider, why: `is also the key of ${other}` });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
