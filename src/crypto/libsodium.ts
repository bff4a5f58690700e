/**
 * The usual engine: libsodium compiled to WebAssembly, ten times as fast as JavaScript and without a native build.
 * Loading is asynchronous, so the installation awaits it once, before the first query.
 *
 * libsodium's own functions are called over one piece of its memory that is kept. libsodium-wrappers, through which it is
 * loaded, allocates and frees memory for every argument of every call, which takes longer than the cipher; and what it
 * freed still holds the keys. Here they are overwritten as soon as the call is over.
 */
import sodium from 'libsodium-wrappers';
import { mustHaveLength, put } from './bytes';
import { type Engine, type FrameLayout, type Reader, refuseUnkeyed } from './engine';
import { secretBytes } from './secret';

export async function libsodiumEngine(): Promise<Engine> {
  await sodium.ready;
  const workspace = new Workspace((sodium as unknown as { libsodium: Library }).libsodium);
  return {
    name: 'libsodium',
    seal: (key, nonce, aad, plain) => workspace.seal(key, nonce, aad, plain),
    open: (key, nonce, aad, sealed) => workspace.open(key, nonce, aad, sealed),
    sealFrame: (key, prefix, frame, layout, plain) => workspace.sealFrame(key, prefix, frame, layout, plain),
    openFrame: (key, prefix, frame, layout, read) => workspace.openFrame(key, prefix, frame, layout, read),
    hash: (bytes, key, message) => {
      const hashed = new Uint8Array(bytes);
      workspace.hash(hashed, key, message);
      return hashed;
    },
    derive: (derived, key, message) => workspace.hash(derived, key, message),
    // blake2b_final leaves its output on the stack of WebAssembly, where the next one overwrites it
    forget: () => workspace.hash(new Uint8Array(LONGEST), NOBODYS_KEY, NOBODYS_KEY),
  };
}

/** The functions of libsodium used here. Addresses and lengths are numbers, a 64-bit length is two of them. */
interface Library {
  /** All its memory; another array once that has grown. */
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(address: number): void;
  _crypto_aead_xchacha20poly1305_ietf_encrypt(...numbers: number[]): number;
  _crypto_aead_xchacha20poly1305_ietf_decrypt(...numbers: number[]): number;
  _crypto_generichash(...numbers: number[]): number;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
/** A hash has the longest key and the longest output: 64 bytes each (RFC 7693 §2.1). */
const LONGEST = 64;
const FIRST_WORKSPACE = 4096;
const NOBODYS_KEY = Uint8Array.of(1);

/** Key, nonce, then associated data, input and output, one after the other. */
class Workspace {
  readonly #library: Library;
  /** All its memory as a Buffer, and the array that it was made of. */
  #heap = Buffer.alloc(0);
  #heapOf: Uint8Array | undefined;
  #base = 0;
  #size = 0;

  constructor(library: Library) {
    this.#library = library;
    this.#makeRoom(FIRST_WORKSPACE);
  }

  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
    const [at, text, out] = this.#layOut(key, nonce, aad, plain);
    const length = plain.length + TAG_BYTES;
    const encrypt = this.#library._crypto_aead_xchacha20poly1305_ietf_encrypt;
    encrypt(out, 0, text, plain.length, 0, at, aad.length, 0, 0, this.#nonceAt, this.#base);
    return this.#take(out, length);
  }

  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array {
    if (sealed.length < TAG_BYTES) throw new RangeError('shorter than its tag');
    const [at, text, out] = this.#layOut(key, nonce, aad, sealed);
    const decrypt = this.#library._crypto_aead_xchacha20poly1305_ietf_decrypt;
    const refused = decrypt(out, 0, 0, text, sealed.length, 0, at, aad.length, 0, this.#nonceAt, this.#base);
    const plain = secretBytes(sealed.length - TAG_BYTES);
    plain.set(this.#library.HEAPU8.subarray(out, out + plain.length));
    this.#library.HEAPU8.fill(0, this.#base, out + plain.length);
    if (refused !== 0) throw new RangeError('not authentic');
    return plain;
  }

  /** Prefix and frame are laid side by side, so that the associated data are one piece and the nonce stands in it. */
  sealFrame(key: Uint8Array, prefix: Uint8Array, frame: Uint8Array, layout: FrameLayout, plain: Uint8Array): void {
    const { headerLength, nonceAt } = layout;
    const aadAt = this.#layOutFrame(key, prefix, frame, plain.length);
    const frameAt = aadAt + prefix.length;
    const plainAt = frameAt + frame.length;
    this.#library.HEAPU8.set(plain, plainAt);
    const [outAt, aadLength] = [frameAt + headerLength, prefix.length + headerLength];
    const encrypt = this.#library._crypto_aead_xchacha20poly1305_ietf_encrypt;
    encrypt(outAt, 0, plainAt, plain.length, 0, aadAt, aadLength, 0, 0, frameAt + nonceAt, this.#base);
    const heap = this.#library.HEAPU8;
    for (let i = headerLength; i < frame.length; i++) frame[i] = heap[frameAt + i] as number; // faster than a view
    heap.fill(0, this.#base, plainAt + plain.length);
  }

  openFrame<T>(key: Uint8Array, prefix: Uint8Array, frame: Uint8Array, layout: FrameLayout, read: Reader<T>): T {
    const { headerLength, nonceAt } = layout;
    const sealedLength = frame.length - headerLength;
    if (sealedLength < TAG_BYTES) throw new RangeError('shorter than its tag');
    const aadAt = this.#layOutFrame(key, prefix, frame, sealedLength);
    const frameAt = aadAt + prefix.length;
    const [sealedAt, aadLength, outAt] = [frameAt + headerLength, prefix.length + headerLength, frameAt + frame.length];
    const decrypt = this.#library._crypto_aead_xchacha20poly1305_ietf_decrypt;
    const nonce = frameAt + nonceAt;
    const refused = decrypt(outAt, 0, 0, sealedAt, sealedLength, 0, aadAt, aadLength, 0, nonce, this.#base);
    const end = outAt + sealedLength - TAG_BYTES;
    try {
      if (refused !== 0) throw new RangeError('not authentic');
      return read(this.#memory(), outAt, end);
    } finally {
      this.#library.HEAPU8.fill(0, this.#base, end);
    }
  }

  /** @param hashed where the hash goes, as long as it is */
  hash(hashed: Uint8Array, key: Uint8Array, message: Uint8Array): void {
    refuseUnkeyed(key);
    if (key.length > LONGEST || hashed.length > LONGEST)
      throw new RangeError('BLAKE2b has keys and outputs of 64 bytes at most');
    this.#makeRoom(2 * LONGEST + message.length);
    const heap = this.#library.HEAPU8;
    const out = this.#base + LONGEST;
    const text = out + LONGEST;
    heap.set(key, this.#base);
    heap.set(message, text);
    const hash = this.#library._crypto_generichash;
    const refused = hash(out, hashed.length, text, message.length, 0, this.#base, key.length);
    for (let i = 0; i < hashed.length; i++) hashed[i] = heap[out + i] as number; // faster than a view
    heap.fill(0, this.#base, text + message.length);
    if (refused !== 0) throw new RangeError('BLAKE2b refused its arguments');
  }

  #memory(): Buffer {
    const { HEAPU8 } = this.#library;
    if (this.#heapOf !== HEAPU8) {
      this.#heapOf = HEAPU8;
      this.#heap = Buffer.from(HEAPU8.buffer as ArrayBuffer);
    }
    return this.#heap;
  }

  get #nonceAt(): number {
    return this.#base + KEY_BYTES;
  }

  /** @returns where associated data, input and output lie */
  #layOut(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): [number, number, number] {
    mustHaveLength(key, KEY_BYTES, 'a key');
    mustHaveLength(nonce, NONCE_BYTES, 'a nonce');
    this.#makeRoom(KEY_BYTES + NONCE_BYTES + aad.length + 2 * text.length + TAG_BYTES);
    const heap = this.#library.HEAPU8;
    const aadAt = this.#nonceAt + NONCE_BYTES;
    const textAt = aadAt + aad.length;
    heap.set(key, this.#base);
    heap.set(nonce, this.#nonceAt);
    heap.set(aad, aadAt);
    heap.set(text, textAt);
    return [aadAt, textAt, textAt + text.length];
  }

  /** @returns where the prefix begins; the frame follows, then as much room as asked for */
  #layOutFrame(key: Uint8Array, prefix: Uint8Array, frame: Uint8Array, room: number): number {
    mustHaveLength(key, KEY_BYTES, 'a key');
    this.#makeRoom(KEY_BYTES + prefix.length + frame.length + room);
    const heap = this.#library.HEAPU8;
    const aadAt = this.#base + KEY_BYTES;
    put(heap, this.#base, key);
    put(heap, aadAt, prefix);
    heap.set(frame, aadAt + prefix.length);
    return aadAt;
  }

  /** A copy of the output; the workspace up to its end is overwritten. */
  #take(at: number, length: number): Uint8Array {
    const heap = this.#library.HEAPU8;
    const taken = heap.slice(at, at + length);
    heap.fill(0, this.#base, at + length);
    return taken;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#size) return;
    if (this.#size > 0) this.#library._free(this.#base);
    this.#size = Math.max(FIRST_WORKSPACE, 2 * bytes);
    this.#base = this.#library._malloc(this.#size);
  }
}
