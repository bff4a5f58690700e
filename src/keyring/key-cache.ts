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
/** How long a key may be in use after it has left the cache: between the moment a statement gets it and the one it seals or opens. */
const GRACE_MS = 60_000;

export class KeyCache {
  /** Of these, as of every key in the keyring, `inspect` prints nothing. */
  readonly #keys: BoundedMap<Entry>;
  /** Which key a subject has: `kind NUL id` to the key's name below. */
  private readonly links = new BoundedMap<string>(MAX_KEYS);
  /** Keys that were evicted, outlived or never kept: a seal under way may still hold them, so they are overwritten some time later. */
  #leaving: { readonly entries: Iterable<Entry>; readonly until: number }[] = [];
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private forgotten = 0;

  constructor(
    private readonly clock: () => number = () => performance.now(),
    most = MAX_KEYS,
  ) {
    this.#keys = new BoundedMap(most, (entries) => this.retire(entries));
  }

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
    return key && this.#keys.get(name as string)?.link === link ? key : undefined;
  }

  /** @param moment from before the key store was asked */
  add(key: SubjectKey, moment: number): void {
    const name = KeyCache.nameOf(key.keyId);
    this.keep(name, key, moment, this.named(name) && this.#keys.get(name)?.link);
  }

  link(kind: string, id: string, key: SubjectKey, moment: number): void {
    const link = linkName(kind, id);
    const name = KeyCache.nameOf(key.keyId);
    if (this.keep(name, key, moment, link)) this.links.set(link, name);
  }

  /** A key that is used now and kept by nobody: overwritten when its time is up. */
  pass(key: SubjectKey): void {
    const entry = this.entryOf(key, undefined);
    if (entry) this.retire([entry]);
  }

  /** Forgets a destroyed key. The bytes are not zeroed here: a seal under way may still hold them; the guard refuses it. */
  evict(keyIdHex: string): void {
    this.forgotten += 1;
    this.remove(Buffer.from(keyIdHex, 'hex').toString('latin1'));
  }

  clear(): void {
    this.forgotten += 1;
    this.retire([...this.#keys.values()]);
    this.#keys.clear();
    this.links.clear();
  }

  /** Overwrites every key there is or was; one that still arrives is overwritten at once. */
  wipe(): void {
    this.closed = true;
    this.clear();
    for (const { entries } of this.#leaving) overwrite(entries);
    this.#leaving = [];
    clearTimeout(this.timer);
  }

  /** @param name as `nameOf` gives it */
  named(name: string): SubjectKey | undefined {
    const entry = this.#keys.get(name);
    if (!entry) return undefined;
    if (entry.until > this.clock()) return entry.key;
    this.remove(name);
    return undefined;
  }

  /** Overwrites what left long enough ago, and lets go what nobody has asked for: keys of people who do not come back do not stay. */
  tidy(): void {
    this.#keys.age();
    const now = this.clock();
    for (const { entries } of this.#leaving.filter(({ until }) => until <= now)) overwrite(entries, this.#keys);
    this.#leaving = this.#leaving.filter(({ until }) => until > now);
    this.timer = undefined;
    if (this.#keys.size > 0 || this.#leaving.length > 0) this.tidyLater();
  }

  private keep(name: string, key: SubjectKey, moment: number, link: string | undefined): boolean {
    if (moment !== this.forgotten) {
      this.pass(key);
      return false;
    }
    const entry = this.entryOf(key, link);
    if (!entry) return false;
    const before = this.#keys.get(name);
    this.#keys.set(name, entry);
    if (before && before.key.dek !== key.dek) this.retire([before]);
    return true;
  }

  private entryOf(key: SubjectKey, link: string | undefined): Entry | undefined {
    if (this.closed) {
      key.dek.fill(0);
      return undefined;
    }
    this.tidyLater();
    return { key, until: this.clock() + TTL_MS, link };
  }

  private remove(name: string): void {
    const entry = this.#keys.get(name);
    this.#keys.delete(name);
    if (entry) this.retire([entry]);
  }

  private retire(entries: Iterable<Entry>): void {
    this.#leaving.push({ entries, until: this.clock() + GRACE_MS });
  }

  private tidyLater(): void {
    this.timer ??= setTimeout(() => this.tidy(), TTL_MS).unref();
  }
}

/** @param living in which the same bytes may stand anew */
function overwrite(entries: Iterable<Entry>, living?: BoundedMap<Entry>): void {
  for (const { key } of entries) if (living?.get(KeyCache.nameOf(key.keyId))?.key.dek !== key.dek) key.dek.fill(0);
}

function linkName(kind: string, id: string): string {
  return `${kind}\0${id}`;
}
