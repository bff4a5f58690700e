/**
 * Ed25519 signatures (RFC 8032): of the ledger's checkpoints, and of certificates, so that whoever has the public key can tell
 * that this installation wrote them, without database and without secrets.
 *
 * They are libsodium's, whichever engine seals the values: @noble/hashes has none. As in `libsodium.ts`, its own functions are called
 * over memory that is overwritten as soon as the call is over.
 */
import sodium from 'libsodium-wrappers';
import { mustHaveLength, utf8 } from './bytes';
import type { Engine } from './engine';
import { refuseUnusableKey } from './row-key';
import { secretBytes, secretCopy } from './secret';

const SEED_BYTES = 32;
const PUBLIC_KEY_BYTES = 32;
const SECRET_KEY_BYTES = 64;
const SIGNATURE_BYTES = 64;
const SEED_LABEL = utf8('oubli/ledger/signing/v1');

/** Signs in the name of one installation. */
export interface Signer {
  /** 32 bytes, for whoever verifies. No secret. */
  readonly publicKey: Uint8Array;
  /** @returns 64 bytes; the same message has always the same signature (RFC 8032 §5.1.6) */
  sign(message: Uint8Array): Uint8Array;
  /** Overwrites the secret key; nothing is signed afterwards. */
  wipe(): void;
}

export interface Signatures {
  /** @param seed 32 secret bytes, as `signingSeed` derives them; a copy is kept */
  signer(seed: Uint8Array): Signer;
  /** Whether the holder of the secret key wrote this message. False for anything malformed: it never throws. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** The functions of libsodium used here; a 64-bit length is two numbers. */
interface Library {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
  _crypto_sign_seed_keypair(publicKey: number, secretKey: number, seed: number): number;
  _crypto_sign_detached(signature: number, length: number, message: number, ...numbers: number[]): number;
  _crypto_sign_verify_detached(signature: number, message: number, ...numbers: number[]): number;
}

/**
 * The seed of an installation's signing key: keyed BLAKE2b of a label of its own, under the root that also names people in
 * the ledger. Whoever has the key document has it; the database has not.
 *
 * @throws {KeyUnavailableError} for a root that was wiped
 */
export function signingSeed(engine: Engine, ledgerRoot: Uint8Array): Uint8Array {
  refuseUnusableKey(ledgerRoot);
  const seed = secretBytes(SEED_BYTES);
  engine.derive(seed, ledgerRoot, SEED_LABEL);
  return seed;
}

/**
 * @example
 * const { signer, verify } = await ed25519();
 * const own = signer(signingSeed(engine, material.ledger));
 * verify(own.publicKey, message, own.sign(message)); // true
 */
export async function ed25519(): Promise<Signatures> {
  await sodium.ready;
  const library = (sodium as unknown as { libsodium: Library }).libsodium;
  return {
    signer: (seed) => signerFrom(library, seed),
    verify: (publicKey, message, signature) => verify(library, publicKey, message, signature),
  };
}

function signerFrom(library: Library, seed: Uint8Array): Signer {
  mustHaveLength(seed, SEED_BYTES, 'the seed of a signing key');
  const { publicKey, secretKey } = keyPair(library, seed);
  let wiped = false;
  return {
    publicKey,
    sign: (message) => {
      if (wiped) throw new RangeError('the signing key was overwritten');
      return sign(library, secretKey, message);
    },
    wipe: () => {
      wiped = true;
      secretKey.fill(0);
    },
  };
}

function keyPair(library: Library, seed: Uint8Array): { publicKey: Uint8Array; secretKey: Uint8Array } {
  return within(library, [seed], PUBLIC_KEY_BYTES + SECRET_KEY_BYTES, ([seedAt = 0], out) => {
    library._crypto_sign_seed_keypair(out, out + PUBLIC_KEY_BYTES, seedAt);
    const publicKey = library.HEAPU8.slice(out, out + PUBLIC_KEY_BYTES);
    const secretAt = out + PUBLIC_KEY_BYTES;
    return { publicKey, secretKey: secretCopy(library.HEAPU8.subarray(secretAt, secretAt + SECRET_KEY_BYTES)) };
  });
}

function sign(library: Library, secretKey: Uint8Array, message: Uint8Array): Uint8Array {
  return within(library, [secretKey, message], SIGNATURE_BYTES, ([keyAt = 0, messageAt = 0], out) => {
    library._crypto_sign_detached(out, 0, messageAt, message.length, 0, keyAt);
    return library.HEAPU8.slice(out, out + SIGNATURE_BYTES);
  });
}

function verify(library: Library, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  return within(library, [publicKey, signature, message], 0, ([keyAt = 0, signatureAt = 0, messageAt = 0]) => {
    return library._crypto_sign_verify_detached(signatureAt, messageAt, message.length, 0, keyAt) === 0;
  });
}

/** Copies the parts into libsodium's memory, with room behind them; all of it is overwritten afterwards. */
function within<T>(
  library: Library,
  parts: readonly Uint8Array[],
  room: number,
  work: (places: readonly number[], out: number) => T,
): T {
  const size = parts.reduce((sum, part) => sum + part.length, room);
  const base = library._malloc(size);
  try {
    let at = base;
    const places = parts.map((part) => {
      const place = at;
      library.HEAPU8.set(part, place);
      at += part.length;
      return place;
    });
    return work(places, at);
  } finally {
    library.HEAPU8.fill(0, base, base + size);
    library._free(base);
  }
}
