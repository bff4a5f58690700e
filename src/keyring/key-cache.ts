/**
 * Subject keys in memory: bounded in number and in time (ENVELOPE.md K4, K10), wiped on close. A key that another process
 * destroyed is evicted by announcement, and at the latest when its time is up.
 */
import { BoundedMap } from './bounded-map';

export interface SubjectKey {
  readonly keyId: Uint8Array;
  readonly dek: Uint8Array;
}

interface Entry {
  readonly key: SubjectKey;
  readonly until: number;
  /** Of whom it is the key to write with: one that was only read may have been replaced since. */
  readonly link?: string | undefined;
}

const MAX_KEYS = 20_000;
const TTL_MS = 60_000;

export class KeyCache {
  private readonly keys = new BoundedMap<Entry>(MAX_KEYS);
  /** Which key a subject has: `kind NUL id` to the key's name below. */
  private readonly links = new BoundedMap<string>(MAX_KEYS);
  private forgotten = 0;

  constructor(private readonly clock: () => number = () => performance.now()) {}

  /** A key id as a map key: latin1 of its 16 bytes is cheaper than hex. */
  static nameOf(keyId: Uint8Array): string {
    return Buffer.from(keyId.buffer, keyId.byteOffset, keyId.length).toString('latin1');
  }

  /** To be taken before the key store is asked: what is told by an answer on its way while keys are forgotten is not remembered. */
  get moment(): number {
    return this.forgotten;
  }

  get(keyId: Uint8Array): SubjectKey | undefined {
    return this.named(KeyCache.nameOf(keyId));
  }

  ofSubject(kind: string, id: string): SubjectKey | undefined {
    const link = linkName(kind, id);
    const name = this.links.get(link);
    const key = name === undefined ? undefined : this.named(name);
    return key && this.keys.get(name as string)?.link === link ? key : undefined;
  }

  add(key: SubjectKey, moment: number): void {
    if (moment !== this.forgotten) return;
    const name = KeyCache.nameOf(key.keyId);
    this.keys.set(name, { key, until: this.clock() + TTL_MS, link: this.named(name) && this.keys.get(name)?.link });
  }

  link(kind: string, id: string, key: SubjectKey, moment: number): void {
    if (moment !== this.forgotten) return;
    const link = linkName(kind, id);
    const name = KeyCache.nameOf(key.keyId);
    this.links.set(link, name);
    this.keys.set(name, { key, until: this.clock() + TTL_MS, link });
  }

  /** Forgets a destroyed key. The bytes are not zeroed here: a seal under way may still hold them; the guard refuses it. */
  evict(keyIdHex: string): void {
    this.forgotten += 1;
    this.keys.delete(Buffer.from(keyIdHex, 'hex').toString('latin1'));
  }

  clear(): void {
    this.forgotten += 1;
    this.keys.clear();
    this.links.clear();
  }

  wipe(): void {
    for (const { key } of this.keys.values()) key.dek.fill(0);
    this.clear();
  }

  /** @param name as `nameOf` gives it */
  named(name: string): SubjectKey | undefined {
    const entry = this.keys.get(name);
    if (!entry) return undefined;
    if (entry.until > this.clock()) return entry.key;
    this.keys.delete(name);
    return undefined;
  }
}

function linkName(kind: string, id: string): string {
  return `${kind}\0${id}`;
}
