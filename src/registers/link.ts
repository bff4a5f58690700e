/**
 * The links of the ledger's chain (ERASURE.md L1): each hashes the one before it and the canonical text of its entry. Pure, and
 * without a key, so that an auditor can follow it with `b2sum -l 256` and the exported texts alone.
 */
import { utf8 } from '../crypto/bytes';
import { publicDigest } from '../crypto/digest';

const GENESIS_LABEL = utf8('oubli/ledger/genesis/v1');
const LINK_LABEL = utf8('oubli/ledger/link/v1');

/** What the first link hangs on. @param instance 16 bytes: the chain of one installation is no other's */
export function genesis(instance: Uint8Array): Buffer {
  return publicDigest(GENESIS_LABEL, instance);
}

/**
 * What an application's own type parser made of a link would be hashed without a word, and the chain broken for good.
 *
 * @param previous 32 bytes
 * @param text of the entry, as `oubli.ledger_text()` has it
 * @returns 32 bytes
 * @throws RangeError where the link before is anything else
 */
export function linkOf(previous: Uint8Array, text: string): Buffer {
  if (!(previous instanceof Uint8Array) || previous.length !== 32)
    throw new RangeError('a link of the ledger is 32 bytes');
  return publicDigest(LINK_LABEL, previous, utf8(text));
}
