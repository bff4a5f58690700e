/** What other processes hear when keys are destroyed or replaced: they drop them from their caches, and ask again. */
import { SHREDDED_CHANNEL } from '../keyring/key-connection';
import type { Queryable } from '../queryable';
import type { News } from '../registers/errand';

/** NOTIFY takes 8000 bytes; a key id is 32 characters of hex. */
const AT_ONCE = 200;

export function shredded(keyIds: readonly Uint8Array[]): News {
  const names = keyIds.map(hexOf);
  const messages: string[] = [];
  for (let from = 0; from < names.length; from += AT_ONCE) messages.push(names.slice(from, from + AT_ONCE).join(','));
  return { channel: SHREDDED_CHANNEL, messages };
}

/** When the transaction commits. */
export async function announceShredded(connection: Queryable, keyIds: readonly Uint8Array[]): Promise<void> {
  const { channel, messages } = shredded(keyIds);
  await connection.query('select pg_notify($1, m.message) from unnest($2::text[]) m(message)', [channel, messages]);
}

export function hexOf(keyId: Uint8Array): string {
  return Buffer.from(keyId).toString('hex');
}
