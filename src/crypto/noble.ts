/**
 * The engine of pure JavaScript: for places without WebAssembly, and the second opinion that libsodium's results are
 * tested against (ENVELOPE.md E9).
 */
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { type Engine, refuseUnkeyed } from './engine';

export function nobleEngine(): Engine {
  return {
    name: 'noble',
    seal: (key, nonce, aad, plain) => xchacha20poly1305(key, nonce, aad).encrypt(plain),
    open: (key, nonce, aad, sealed) => xchacha20poly1305(key, nonce, aad).decrypt(sealed),
    hash: (bytes, key, message) => {
      refuseUnkeyed(key);
      return blake2b(message, { key, dkLen: bytes });
    },
  };
}
