/**
 * A crypto engine: the primitives everything else here is made of. Two exist, libsodium (fast, WebAssembly) and
 * noble (pure JavaScript, audited), and each opens what the other sealed (ENVELOPE.md E9).
 *
 * XChaCha20-Poly1305 as in draft-irtf-cfrg-xchacha-03, BLAKE2b as in RFC 7693.
 */
export interface Engine {
  readonly name: 'libsodium' | 'noble';

  /**
   * Encrypts and authenticates. With `open` the primitive as its specification has it, which is what the published vectors test;
   * values are sealed by `sealFrame`.
   *
   * @param key 32 bytes
   * @param nonce 24 bytes, never twice with one key
   * @param aad authenticated, not encrypted; may be empty
   * @returns ciphertext (as long as `plain`) followed by the 16-byte Poly1305 tag
   */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array;

  /**
   * Authenticates, then decrypts.
   *
   * @param sealed ciphertext and tag, as `seal` returned them
   * @returns in memory of `secret.ts`: what is opened so is a key
   * @throws any error when authentication fails; callers make it one `TamperedError` (ENVELOPE.md E8)
   */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array;

  /**
   * `seal` where the result is to stand: the header of a frame is authenticated, and the ciphertext with its tag written
   * behind it. The same bytes as by `seal`, without an array for each part: a statement seals thousands of values.
   *
   * @param prefix authenticated before the header
   * @param frame header, and room for ciphertext and tag
   */
  sealFrame(key: Uint8Array, prefix: Uint8Array, frame: Uint8Array, layout: FrameLayout, plain: Uint8Array): void;

  /**
   * Hands what `sealFrame` encrypted to a reader, where it lies.
   * @throws any error when authentication fails
   */
  openFrame<T>(key: Uint8Array, prefix: Uint8Array, frame: Uint8Array, layout: FrameLayout, read: Reader<T>): T;

  /**
   * Keyed BLAKE2b. The output length is part of the hash (RFC 7693 §2.5): a shorter one is no prefix of a longer one.
   *
   * @param bytes length of the output, 16 to 64
   * @param key 1 to 64 bytes; an empty key is refused, for an unkeyed hash of personal data protects nobody
   */
  hash(bytes: number, key: Uint8Array, message: Uint8Array): Uint8Array;

  /**
   * The same of a key from which others are derived.
   * @param derived where the hash goes, as long as it is: memory of `secret.ts`
   */
  derive(derived: Uint8Array, key: Uint8Array, message: Uint8Array): void;

  /** Overwrites what the engine's own memory keeps of the last hash, which may be a key. */
  forget(): void;
}

/** Reads a plaintext from `start` to `end` of a memory in which it is overwritten as soon as the reader returns: it keeps no view. */
export type Reader<T> = (memory: Buffer, start: number, end: number) => T;

/** Where in a frame its parts lie. */
export interface FrameLayout {
  readonly headerLength: number;
  /** Of 24 bytes within the header. */
  readonly nonceAt: number;
}

/** Both engines guard alike, so that none accepts what the other refuses. */
export function refuseUnkeyed(key: Uint8Array): void {
  if (key.length === 0) throw new RangeError('BLAKE2b is used with a key only');
}
