/**
 * What the ledger's root is used for beside naming people: it authenticates each link of the ledger's chain, so that nobody who
 * has only the database can write a chain of her own, and signs what leaves the database (ERASURE.md L1, L4).
 */
import { asBuffer, concat, utf8 } from '../crypto/bytes';
import type { Engine } from '../crypto/engine';
import { refuseUnusableKey } from '../crypto/row-key';
import { ed25519, type Signatures, type Signer, signingSeed } from '../crypto/signature';
import { keyedReference } from '../crypto/subject-key';
import type { KeyMaterial } from './provider';

const LINK_LABEL = utf8('oubli/ledger/mac/v1');

export class LedgerKeys {
  readonly #root: Uint8Array;

  private constructor(
    private readonly engine: Engine,
    root: Uint8Array,
    private readonly signer: Signer,
    private readonly signatures: Signatures,
  ) {
    this.#root = root;
  }

  /** @param material whose root is overwritten by whoever loaded it; `wipe()` overwrites what is made of it here */
  static async from(engine: Engine, material: KeyMaterial): Promise<LedgerKeys> {
    const signatures = await ed25519();
    const seed = signingSeed(engine, material.ledger);
    const keys = new LedgerKeys(engine, material.ledger, signatures.signer(seed), signatures);
    seed.fill(0);
    return keys;
  }

  /** 32 bytes: what an auditor needs to verify without secrets. */
  get publicKey(): Uint8Array {
    return this.signer.publicKey;
  }

  /** Ed25519, 64 bytes. @param message that begins with what it is, so that no other kind of text can pass for it */
  sign(message: Uint8Array): Buffer {
    return asBuffer(this.signer.sign(message));
  }

  /** Whether this installation signed it. */
  verify(message: Uint8Array, signature: Uint8Array): boolean {
    return this.signatures.verify(this.publicKey, message, signature);
  }

  /** 32 bytes that only a holder of the ledger root can make of a link. */
  mac(link: Uint8Array): Buffer {
    refuseUnusableKey(this.#root);
    return asBuffer(this.engine.hash(32, this.#root, concat(LINK_LABEL, link)));
  }

  /** 16 bytes that stand for somebody, or for a case, where nothing readable may: see `keyedReference`. */
  referenceOf(kind: string, id: string): Buffer {
    return asBuffer(keyedReference(this.engine, this.#root, kind, id));
  }

  wipe(): void {
    this.signer.wipe();
  }
}
