/** The announcement that keys were destroyed: other processes drop them from their caches when the transaction commits (ENVELOPE.md K4). */
import { SHREDDED_CHANNEL } from '../keyring/key-connection';
import type { News } from '../registers/errand';

/** NOTIFY takes 8000 bytes; a key id is 32 characters of hex. */
const ANNOUNCED_AT_ONCE = 200;

export function shredded(keyIds: readonly Uint8Array[]): News {
  const names = keyIds.map((keyId) => Buffer.from(keyId).toString('hex'));
  const messages: string[] = [];
  for (let from = 0; from < names.length; from += ANNOUNCED_AT_ONCE)
    messages.push(names.slice(from, from + ANNOUNCED_AT_ONCE).join(','));
  return { channel: SHREDDED_CHANNEL, messages };
}
