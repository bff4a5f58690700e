/**
 * The subject keys: found or created for whoever writes about a person, fetched for whoever reads. One data key per data
 * subject (DESIGN.md 6), wrapped by the current epoch key, created key-first on the store's own connection (ENVELOPE.md K3).
 */
import { byteaArray } from '../bytea-array';
import type { Engine } from '../crypto/engine';
import { randomBytes, randomKey } from '../crypto/random';
import { fingerprint, keyedReference, unwrapKey, wrapKey } from '../crypto/subject-key';
import { KeyUnavailableError, SubjectErasedError } from '../errors';
import type { Queryable, Row } from '../queryable';
import type { EpochKey, Epochs } from './epochs';
import { KeyCache, type SubjectKey } from './key-cache';
import { CREATE_UNLINKED, IDS_OF_SUBJECTS, KEYS_BY_ID, KEYS_OF_SUBJECTS, type NewKey } from './key-statements';

export type { SubjectKey } from './key-cache';

/** What is known of a key that a sealed value names. */
export type KeyState = SubjectKey | 'shredded' | 'restricted';

const ATTEMPTS = 5;

/** A key that is in no table yet. */
interface FreshKey {
  readonly key: SubjectKey;
  readonly wrapped: Buffer;
  readonly print: Buffer;
}

export class SubjectKeys {
  readonly cache = new KeyCache();
  readonly #ledgerRoot: Uint8Array;

  constructor(
    private readonly store: Queryable,
    private readonly engine: Engine,
    readonly epochs: Epochs,
    ledgerRoot: Uint8Array,
  ) {
    this.#ledgerRoot = ledgerRoot;
  }

  /**
   * The keys of subjects of one kind, created where they have none; one statement, but where another process creates them as well.
   * @throws SubjectErasedError when one of them was erased
   */
  async forSubjects(kind: string, ids: readonly string[]): Promise<Map<string, SubjectKey>> {
    const keys = new Map<string, SubjectKey>();
    for (const id of ids) {
      const cached = this.cache.ofSubject(kind, id);
      if (cached) keys.set(id, cached);
    }
    let missing = [...new Set(ids)].filter((id) => !keys.has(id));
    for (let attempt = 0; missing.length > 0; attempt++) {
      if (attempt === ATTEMPTS) throw new KeyUnavailableError('KEY_CONTENTION', { kind });
      await this.findOrMake(kind, missing, keys);
      missing = missing.filter((id) => !keys.has(id));
    }
    return keys;
  }

  /**
   * The ids of their keys only, for who names people and opens nothing.
   * @throws SubjectErasedError when one of them was erased
   */
  async idsOf(kind: string, ids: readonly string[]): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>();
    let missing = [...new Set(ids)];
    for (let attempt = 0; missing.length > 0; attempt++) {
      if (attempt === ATTEMPTS) throw new KeyUnavailableError('KEY_CONTENTION', { kind });
      const asked = missing;
      const rows = await this.epochs.underNewest((wrapping) => {
        const fresh = new Map(asked.map((id) => [id, this.fresh(wrapping)]));
        for (const { key } of fresh.values()) key.dek.fill(0); // whoever seals with it first unwraps it
        return this.askFor(kind, fresh, wrapping.epoch, IDS_OF_SUBJECTS);
      });
      for (const row of rows) found.set(row.id as string, row.key_id as Uint8Array);
      missing = missing.filter((id) => !found.has(id));
    }
    return found;
  }

  /**
   * The keys that sealed values name, for the life cycle and a person's own export: also of people whose data is only to be
   * stored. Shredded ones are said so; an unknown one is an error, never a silent null (E10).
   */
  byId(keyIds: Iterable<Uint8Array>): Promise<Map<string, KeyState>> {
    return this.find(new Map(Array.from(keyIds, (keyId) => [KeyCache.nameOf(keyId), keyId])), true);
  }

  /** The same for readers, of ids whose names are known already; restricted ones are said so (GDPR Art. 18). */
  byName(keyIds: ReadonlyMap<string, Uint8Array>): Promise<Map<string, KeyState>> {
    return this.find(keyIds, false);
  }

  private async find(keyIds: ReadonlyMap<string, Uint8Array>, evenRestricted: boolean): Promise<Map<string, KeyState>> {
    const found = new Map<string, KeyState>();
    const missing: Uint8Array[] = [];
    for (const [name, keyId] of keyIds) {
      const cached = this.cache.named(name);
      if (cached) found.set(name, cached);
      else missing.push(keyId);
    }
    if (missing.length === 0) return found;
    const { moment } = this.cache;
    const rows = await this.epochs.readable(() => this.store.query(KEYS_BY_ID, [byteaArray(missing)]));
    for (const row of rows)
      found.set(KeyCache.nameOf(row.key_id as Uint8Array), this.stateOf(row, evenRestricted, moment));
    return found;
  }

  /** Those of some key ids, by `KeyCache.nameOf`, that are or ever were a key of ours. */
  async among(keyIds: readonly Uint8Array[]): Promise<Set<string>> {
    const known = new Set<string>();
    const missing: Uint8Array[] = [];
    for (const keyId of keyIds) {
      if (this.cache.get(keyId)) known.add(KeyCache.nameOf(keyId));
      else missing.push(keyId);
    }
    if (missing.length === 0) return known;
    const { rows } = await this.store.query(KEYS_BY_ID, [byteaArray(missing)]);
    for (const row of rows)
      if (row.wrapped !== null || row.shredded) known.add(KeyCache.nameOf(row.key_id as Uint8Array));
    return known;
  }

  /**
   * Fresh keys that belong to no living subject, for rows that must be kept after an erasure.
   * @param keepUntil for each key the ISO date on which the last of its rows leaves, or `infinity`
   */
  async createUnlinked(keepUntil: readonly string[]): Promise<SubjectKey[]> {
    if (keepUntil.length === 0) return [];
    return this.epochs.underNewest(async (wrapping) => {
      const fresh = keepUntil.map(() => this.fresh(wrapping));
      for (const { key } of fresh) this.cache.pass(key);
      await this.store.query(CREATE_UNLINKED, [
        byteaArray(fresh.map(({ key }) => key.keyId)),
        byteaArray(fresh.map(({ wrapped }) => wrapped)),
        byteaArray(fresh.map(({ print }) => print)),
        keepUntil,
        wrapping.epoch,
      ]);
      return fresh.map(({ key }) => key);
    });
  }

  /**
   * A fresh key for somebody who was erased and is let in again: `write` puts it into the store, with the reason beside it, and commits.
   * Asked for once more where another epoch was opened meanwhile.
   */
  freshFor<T>(write: (row: NewKey) => Promise<T>): Promise<T> {
    return this.epochs.underNewest((wrapping) => {
      const { key, wrapped, print } = this.fresh(wrapping);
      key.dek.fill(0); // whoever seals with it first unwraps it
      return write({ keyId: key.keyId, wrapped, print, epoch: wrapping.epoch });
    });
  }

  /**
   * Work that takes an advisory lock on its way, beside others that take it, and has it until it has ended: over several transactions,
   * for the store's connection is a session of its own. A process that dies has none.
   */
  async locking<T>(name: string, work: (lock: () => Promise<void>) => Promise<T>): Promise<T> {
    let taken = 0;
    try {
      return await work(async () => {
        await this.store.query('select pg_advisory_lock_shared(hashtextextended($1, 0))', [name]);
        taken += 1;
      });
    } finally {
      for (; taken > 0; taken--)
        await this.store.query('select pg_advisory_unlock_shared(hashtextextended($1, 0))', [name]);
    }
  }

  /** How the fence names a subject without her primary key: a keyed reference. */
  referenceOf(kind: string, id: string): Buffer {
    return Buffer.from(keyedReference(this.engine, this.#ledgerRoot, kind, id));
  }

  /** Notes in `keys` those that were found and made; who got one from another process meanwhile is asked for again. */
  private findOrMake(kind: string, ids: readonly string[], keys: Map<string, SubjectKey>): Promise<void> {
    return this.epochs.underNewest((wrapping) => this.findOrWrap(kind, ids, keys, wrapping));
  }

  private async findOrWrap(
    kind: string,
    ids: readonly string[],
    keys: Map<string, SubjectKey>,
    wrapping: EpochKey,
  ): Promise<void> {
    const fresh = new Map(ids.map((id) => [id, this.fresh(wrapping)]));
    const { moment } = this.cache;
    try {
      for (const row of await this.askFor(kind, fresh, wrapping.epoch)) {
        const id = row.id as string;
        const key = row.key_id === null ? (fresh.get(id)?.key as SubjectKey) : this.unwrap(row);
        if (row.restricted) this.cache.pass(key);
        else this.cache.link(kind, id, key, moment); // who finds a key there may read with it
        keys.set(id, key);
      }
    } finally {
      for (const [id, { key }] of fresh) if (keys.get(id) !== key) key.dek.fill(0); // nobody's
    }
  }

  private async askFor(
    kind: string,
    fresh: ReadonlyMap<string, FreshKey>,
    epoch: number,
    statement = KEYS_OF_SUBJECTS,
  ): Promise<Row[]> {
    const each = [...fresh.values()];
    const ids = [...fresh.keys()];
    const asked = [
      kind,
      ids,
      byteaArray(ids.map((id) => this.referenceOf(kind, id))),
      byteaArray(each.map(({ key }) => key.keyId)),
      byteaArray(each.map(({ wrapped }) => wrapped)),
      byteaArray(each.map(({ print }) => print)),
      epoch,
    ];
    const ask = () => this.store.query(statement, asked);
    const rows = statement === KEYS_OF_SUBJECTS ? await this.epochs.readable(ask) : (await ask()).rows;
    if (rows.some(({ erased }) => erased)) throw new SubjectErasedError('SUBJECT_ERASED', { kind });
    return rows;
  }

  private fresh({ epoch, kek }: EpochKey): FreshKey {
    const key = { keyId: randomBytes(16), dek: randomKey() };
    const wrapped = Buffer.from(wrapKey(this.engine, kek, key.dek, key.keyId, epoch));
    return { key, wrapped, print: Buffer.from(fingerprint(this.engine, key.dek)) };
  }

  private stateOf(row: Row, evenRestricted: boolean, moment: number): KeyState {
    if (row.shredded) return 'shredded'; // also where a table that was restored past its triggers has a row of it (K4)
    if (row.wrapped === null) throw new KeyUnavailableError(row.replaced ? 'VALUE_RESEALED' : 'KEY_MISSING');
    if (row.restricted && !evenRestricted) return 'restricted';
    const key = this.unwrap(row);
    if (row.restricted) this.cache.pass(key);
    else this.cache.add(key, moment);
    return key;
  }

  private unwrap(row: Row): SubjectKey {
    const epoch = Number(row.epoch);
    const keyId = row.key_id as Uint8Array;
    return { keyId, dek: unwrapKey(this.engine, this.epochs.kek(epoch), row.wrapped as Uint8Array, keyId, epoch) };
  }
}
