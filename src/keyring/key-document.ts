/**
 * The key document: JSON with one base64 key per role, as `oubli keys generate` writes it. Every malformed key is refused
 * before any query runs (ENVELOPE.md K9); errors name the role, never the bytes.
 */
import { randomBytes } from 'node:crypto';
import { ConfigurationError } from '../errors';
import { currentEpoch, type KeyMaterial } from './provider';

const KEY_BYTES = 32;

/** A fresh document: epoch 1, an index root and a ledger root, each 32 bytes of the system's CSPRNG. */
export function newKeyDocument(): string {
  return written({ oubli: 1, epochs: { 1: newKey() }, index: newKey(), ledger: newKey() });
}

/** The document with a fresh key of an epoch; as it is where it has one. @throws ConfigurationError KEY_DOCUMENT or KEY_INVALID */
export function withEpoch(text: string, epoch: number, provider: string): string {
  if (parseKeyDocument(text, provider).epochs.has(epoch)) return text;
  const document = parseJson(text, provider);
  return written({ ...document, epochs: { ...(document.epochs as object), [epoch]: newKey() } });
}

/** The document without the key of an epoch. @throws ConfigurationError KEY_DOCUMENT, KEY_INVALID or NEWEST_EPOCH */
export function withoutEpoch(text: string, epoch: number, provider: string): string {
  const material = parseKeyDocument(text, provider);
  if (!material.epochs.has(epoch)) return text;
  if (epoch === currentEpoch(material)) throw new ConfigurationError('NEWEST_EPOCH', { epoch, provider });
  const document = parseJson(text, provider);
  const { [epoch]: _, ...others } = document.epochs as Record<number, unknown>;
  return written({ ...document, epochs: others });
}

function newKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

function written(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** @throws ConfigurationError KEY_DOCUMENT or KEY_INVALID. */
export function parseKeyDocument(text: string, provider: string): KeyMaterial {
  const document = parseJson(text, provider);
  if (document.oubli !== 1 || !isRecord(document.epochs)) throw new ConfigurationError('KEY_DOCUMENT', { provider });
  const epochs = new Map<number, Uint8Array>();
  for (const [number, key] of Object.entries(document.epochs)) {
    if (!/^[1-9]\d*$/.test(number)) throw new ConfigurationError('KEY_DOCUMENT', { provider });
    epochs.set(Number(number), decodeKey(key, `epoch ${number}`, provider));
  }
  if (epochs.size === 0) throw new ConfigurationError('KEY_DOCUMENT', { provider });
  const material = {
    epochs,
    index: decodeKey(document.index, 'index', provider),
    ledger: decodeKey(document.ledger, 'ledger', provider),
  };
  refuseSharedKeys(material, provider);
  return material;
}

function parseJson(text: string, provider: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // JSON.parse quotes the text it chokes on, which here is key material: the cause must not travel.
    throw new ConfigurationError('KEY_DOCUMENT', { provider });
  }
  if (!isRecord(parsed)) throw new ConfigurationError('KEY_DOCUMENT', { provider });
  return parsed;
}

function decodeKey(encoded: unknown, role: string, provider: string): Uint8Array {
  const bytes = typeof encoded === 'string' ? Buffer.from(encoded, 'base64') : Buffer.alloc(0);
  // Buffer skips what is no base64: a key with a slip of the pen would be read as another key.
  if (bytes.length !== KEY_BYTES || bytes.toString('base64') !== encoded)
    throw new ConfigurationError('KEY_INVALID', { role, provider, why: 'is not 32 bytes of base64' });
  if (bytes.every((byte) => byte === 0))
    throw new ConfigurationError('KEY_INVALID', { role, provider, why: 'is all zero' });
  return bytes;
}

/** @throws ConfigurationError KEY_INVALID where one key serves two roles */
export function refuseSharedKeys(material: KeyMaterial, provider: string): void {
  const roles = new Map<string, string>();
  const all: [string, Uint8Array][] = [
    ['index', material.index],
    ['ledger', material.ledger],
  ];
  for (const [number, key] of material.epochs) all.push([`epoch ${number}`, key]);
  for (const [role, key] of all) {
    const text = Buffer.from(key).toString('base64');
    const other = roles.get(text);
    if (other) throw new ConfigurationError('KEY_INVALID', { role, provider, why: `is also the key of ${other}` });
    roles.set(text, role);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
