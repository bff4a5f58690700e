/**
 * The usual engine: libsodium compiled to WebAssembly, ten times as fast as JavaScript and without a native build.
 * Loading is asynchronous, so the installation awaits it once, before the first query.
 */
import sodium from 'libsodium-wrappers';
import { type Engine, refuseUnkeyed } from './engine';

export async function libsodiumEngine(): Promise<Engine> {
  await sodium.ready;
  return {
    name: 'libsodium',
    seal: (key, nonce, aad, plain) => sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, aad, null, nonce, key),
    open: (key, nonce, aad, sealed) => sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, aad, nonce, key),
    hash: (bytes, key, message) => {
      refuseUnkeyed(key);
      return sodium.crypto_generichash(bytes, message, key);
    },
  };
}
