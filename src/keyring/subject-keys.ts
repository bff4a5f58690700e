/**
 * The subject keys: found or created for whoever writes about a person, fetched for whoever reads. One data key per data
 * subject (DESIGN.md 6), wrapped by the current epoch key, created key-first on the store's own connection (ENVELOPE.md K3).
 */
import { byteaArray } from '../bytea-array';
import type { Engine } from '../crypto/engine';
import { randomBytes } from '../crypto/random';
import { fingerprint, keyedReference, unwrapKey, wrapKey } from '../crypto/subject-key';
import { KeyUnavailableError, SubjectErasedError } from '../errors';
import type { Queryable, Row } from '../queryable';
import type { EpochKey, Epochs } from './epochs';
import { KeyCache, type SubjectKey } from './key-cache';

export type { SubjectKey } from './key-cache';

// Found, or made where there is none, in one statement; `offset 0` keeps the planner from reading all links to find a few hundred.
// Of two processes that make the key of one person, the second waits for the first one's link, makes no key, and finds the first
// one's when it asks again: no key is ever without its link. (The link's foreign key is checked when the statement ends.) Where one of
// them was erased, none is made for anybody.
const KEYS_OF_SUBJECTS = `
with wanted as (
  select w.*, l.key_id as old_key_id, l.subject_id is null as new,
    l.erased_at is not null
      or l.subject_id is null and exists (select from oubli.fence f where f.subject_reference = w.reference) as erased
  from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
    w(id, reference, key_id, wrapped, fingerprint)
  left join lateral (
    select * from oubli.subject_link s where s.kind = $1 and s.subject_id = w.id offset 0) l on true),
linked as (
  insert into oubli.subject_link (kind, subject_id, key_id)
  select $1, id, key_id from wanted where new and not exists (select from wanted where erased)
  order by id on conflict do nothing returning key_id),
made as (
  insert into oubli.subject_key (key_id, epoch, wrapped, fingerprint)
  select w.key_id, $7::integer, w.wrapped, w.fingerprint from wanted w join linked using (key_id) returning key_id)
select w.id, w.erased, k.key_id, k.epoch, k.wrapped,
  exists (select from oubli.restriction r where r.key_id = k.key_id) as restricted
from wanted w left join oubli.subject_key k on k.key_id = w.old_key_id where w.erased or not w.new
union all
select w.id, false, null, null, null, false from made join wanted w using (key_id)`;

const CREATE_UNLINKED = `
insert into oubli.subject_key (key_id, epoch, wrapped, fingerprint, keep_until)
select key_id, $5::integer, wrapped, fingerprint, keep_until
from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::date[]) w(key_id, wrapped, fingerprint, keep_until)`;

const KEYS_BY_ID = `
select w.key_id, k.epoch, k.wrapped, exists (select from oubli.fence f where f.key_id = w.key_id) as shredded,
  exists (select from oubli.restriction r where r.key_id = w.key_id) as restricted
from unnest($1::bytea[]) w(key_id) left join oubli.subject_key k on k.key_id = w.key_id`;

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

  constructor(
    private readonly store: Queryable,
    private readonly engine: Engine,
    readonly epochs: Epochs,
    private readonly ledgerRoot: Uint8Array,
  ) {}

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
    const rows = await this.epochs.readable(() => this.store.query(KEYS_BY_ID, [byteaArray(missing)]));
    for (const row of rows) found.set(KeyCache.nameOf(row.key_id as Uint8Array), this.stateOf(row, evenRestricted));
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
    return Buffer.from(keyedReference(this.engine, this.ledgerRoot, kind, id));
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
    try {
      for (const row of await this.askFor(kind, fresh, wrapping.epoch)) {
        const id = row.id as string;
        const key = row.key_id === null ? (fresh.get(id)?.key as SubjectKey) : this.unwrap(row);
        if (!row.restricted) this.cache.link(kind, id, key); // who finds a key there may read with it
        keys.set(id, key);
      }
    } finally {
      for (const [id, { key }] of fresh) if (keys.get(id) !== key) key.dek.fill(0); // nobody's
    }
  }

  private async askFor(kind: string, fresh: ReadonlyMap<string, FreshKey>, epoch: number): Promise<Row[]> {
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
    const rows = await this.epochs.readable(() => this.store.query(KEYS_OF_SUBJECTS, asked));
    if (rows.some(({ erased }) => erased)) throw new SubjectErasedError('SUBJECT_ERASED', { kind });
    return rows;
  }

  private fresh({ epoch, kek }: EpochKey): FreshKey {
    const key = { keyId: randomBytes(16), dek: randomBytes(32) };
    const wrapped = Buffer.from(wrapKey(this.engine, kek, key.dek, key.keyId, epoch));
    return { key, wrapped, print: Buffer.from(fingerprint(this.engine, key.dek)) };
  }

  private stateOf(row: Row, evenRestricted: boolean): KeyState {
    if (row.wrapped !== null) {
      if (row.restricted) return evenRestricted ? this.unwrap(row) : 'restricted';
      const key = this.unwrap(row);
      this.cache.add(key);
      return key;
    }
    if (row.shredded) return 'shredded';
    throw new KeyUnavailableError('KEY_MISSING');
  }

  private unwrap(row: Row): SubjectKey {
    const epoch = Number(row.epoch);
    const keyId = row.key_id as Uint8Array;
    return { keyId, dek: unwrapKey(this.engine, this.epochs.kek(epoch), row.wrapped as Uint8Array, keyId, epoch) };
  }
}
