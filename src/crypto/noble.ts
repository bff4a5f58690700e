/**
 * The engine of pure JavaScript: for places without WebAssembly, and the second opinion that libsodium's results are
 * tested against (ENVELOPE.md E9). What noble keeps of a key while it works stands in small arrays on V8's heap: it overwrites them, but not
 * the places from which V8 has moved them. So copies of epoch keys and row keys may outlive `close()` with this engine.
 */
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { asBuffer, concatPublic, wipe } from './bytes';
import { type Engine, type FrameLayout, refuseUnkeyed } from './engine';
import { secretBytes } from './secret';

const NONCE_BYTES = 24;
const TAG_BYTES = 16;

export function nobleEngine(): Engine {
  const cipher = (key: Uint8Array, prefix: Uint8Array, frame: Uint8Array, { headerLength, nonceAt }: FrameLayout) =>
    xchacha20poly1305(
      key,
      frame.subarray(nonceAt, nonceAt + NONCE_BYTES),
      concatPublic(prefix, frame.subarray(0, headerLength)),
    );
  return {
    name: 'noble',
    seal: (key, nonce, aad, plain) =>
      xchacha20poly1305(key, nonce, aad).encrypt(plain, secretBytes(plain.length + TAG_BYTES)),
    open: (key, nonce, aad, sealed) =>
      xchacha20poly1305(key, nonce, aad).decrypt(sealed, secretBytes(sealed.length - TAG_BYTES)),
    sealFrame: (key, prefix, frame, layout, plain) => {
      frame.set(cipher(key, prefix, frame, layout).encrypt(plain), layout.headerLength);
    },
    openFrame: (key, prefix, frame, layout, read) => {
      const plain = asBuffer(cipher(key, prefix, frame, layout).decrypt(frame.subarray(layout.headerLength)));
      try {
        return read(plain, 0, plain.length);
      } finally {
        wipe(plain);
      }
    },
    hash: (bytes, key, message) => {
      refuseUnkeyed(key);
      return blake2b(message, { key, dkLen: bytes });
    },
    derive: (derived, key, message) => {
      refuseUnkeyed(key);
      const hashed = blake2b(message, { key, dkLen: derived.length });
      derived.set(hashed);
      wipe(hashed);
    },
    forget: () => undefined, // each hash has memory of its own, which noble overwrites
  };
}
