/**
 * The epoch keys of this process (ENVELOPE.md K5): which one wraps new keys is for the database to say, what they are for the provider.
 * It is asked again when an epoch is met that was opened since, and a key is overwritten here when its epoch was destroyed.
 */
import { equal } from '../crypto/bytes';
import type { Engine } from '../crypto/engine';
import { secretCopy } from '../crypto/secret';
import { ConfigurationError, KeyUnavailableError, OubliError } from '../errors';
import type { Queryable, Row } from '../queryable';
import { verifyEpoch } from './canary';
import { type KeyMaterial, type KeyProvider, loadKeys, wipeKeys } from './provider';

export interface EpochKey {
  readonly epoch: number;
  /** 32 bytes; overwritten when the epoch is destroyed. */
  readonly kek: Uint8Array;
}

/** What was missed while nobody listened is noticed this long afterwards at the latest (K4). */
const LOOK_MS = 60_000;
/** Between two questions to a provider that does not know an epoch: reads of many values must not become questions of many. */
const ASK_MS = 1_000;
/** By the trigger on the key store: the epoch is no longer the newest. */
const CLOSED = 'OU060';
const ATTEMPTS = 5;
const EPOCHS = `
select id, canary, destruction is not null or destroyed_at is not null as is_given_up from oubli.epoch order by id`;

export class Epochs {
  private newestKnown: number | undefined;
  private lookAgainAt = 0;
  private askAgainAt = 0;
  private asking: Promise<void> | undefined;
  /** The code of what the provider failed with when it was asked last; undefined where it answered. */
  private failed: string | undefined;
  private closed = false;
  readonly #keks: Map<number, Uint8Array>;
  readonly #material: KeyMaterial;

  /**
   * @param material its epoch keys are overwritten by `wipe()`
   * @param store where nobody is served whom a restore concerns
   */
  constructor(
    readonly provider: KeyProvider,
    private readonly store: Queryable,
    private readonly engine: Engine,
    material: KeyMaterial,
    private readonly clock: () => number = () => performance.now(),
  ) {
    this.#material = material;
    this.#keks = new Map(material.epochs);
  }

  /** The one that wraps new keys. @throws KeyUnavailableError EPOCH_KEY_MISSING */
  async newest(): Promise<EpochKey> {
    if (this.newestKnown === undefined || this.clock() >= this.lookAgainAt) await this.look();
    const epoch = this.newestKnown as number;
    await this.know([epoch]);
    return { epoch, kek: this.kek(epoch) };
  }

  /**
   * Work that wraps keys; again where another epoch was opened meanwhile, of which this process had not heard.
   * @throws KeyUnavailableError EPOCH_CONTENTION, EPOCH_KEY_MISSING
   */
  async underNewest<T>(work: (wrapping: EpochKey) => Promise<T>): Promise<T> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const wrapping = await this.newest();
      try {
        return await work(wrapping);
      } catch (error) {
        if ((error as { code?: unknown }).code !== CLOSED) throw error;
        this.suspect();
      }
    }
    throw new KeyUnavailableError('EPOCH_CONTENTION');
  }

  /**
   * Rows whose wrapped keys can be unwrapped: asked for again where an epoch ended between question and answer, for then they are
   * wrapped under another one.
   */
  async readable(ask: () => Promise<{ rows: Row[] }>): Promise<Row[]> {
    for (let failure: unknown; ; ) {
      const { rows } = await ask();
      const epochs = new Set(rows.flatMap(({ wrapped, epoch }) => (wrapped === null ? [] : [Number(epoch)])));
      try {
        await this.know(epochs);
        return rows;
      } catch (error) {
        if (!(error instanceof KeyUnavailableError)) throw error;
        if (failure) throw failure; // what it is for; the second is only that it is too soon to ask again
        failure = error;
      }
    }
  }

  /**
   * From now on `kek` gives the keys of these epochs.
   * @throws KeyUnavailableError EPOCH_KEY_MISSING, EPOCH_KEY_UNASKED; ConfigurationError WRONG_EPOCH_KEY; and what the provider throws
   */
  async know(epochs: Iterable<number>): Promise<void> {
    for (const epoch of epochs) {
      if (this.#keks.has(epoch)) continue;
      if (this.closed) throw new ConfigurationError('NOT_READY');
      if (this.clock() < this.askAgainAt) throw this.tooSoon(epoch);
      await this.askProvider();
      this.kek(epoch);
    }
  }

  /** @throws KeyUnavailableError EPOCH_KEY_MISSING: see `know` */
  kek(epoch: number): Uint8Array {
    const kek = this.#keks.get(epoch);
    if (!kek) throw new KeyUnavailableError('EPOCH_KEY_MISSING', { epoch });
    return kek;
  }

  /** Another epoch may be the newest. @param destroyed whose key nobody needs any more */
  suspect(destroyed?: number): void {
    this.newestKnown = undefined;
    this.askAgainAt = 0;
    if (destroyed !== undefined) this.forget(destroyed);
  }

  /**
   * What the provider has at this moment, apart from what is in memory; to be overwritten by whoever asks.
   * @throws ConfigurationError WRONG_ROOT_KEY where it is another installation's
   */
  async loadedAnew(): Promise<KeyMaterial> {
    const loaded = await loadKeys(this.provider);
    for (const role of ['index', 'ledger'] as const) {
      if (equal(loaded[role], this.#material[role])) continue;
      wipeKeys(loaded);
      throw new ConfigurationError('WRONG_ROOT_KEY', { role, provider: this.provider.name });
    }
    return loaded;
  }

  /** Overwrites every key, and takes none any more. */
  wipe(): void {
    this.closed = true;
    for (const epoch of [...this.#keks.keys()]) this.forget(epoch);
  }

  private async look(): Promise<void> {
    const { rows } = await this.store.query(EPOCHS);
    for (const { id, is_given_up } of rows) if (is_given_up) this.forget(Number(id));
    this.newestKnown = Math.max(...rows.map(({ id }) => Number(id)));
    this.lookAgainAt = this.clock() + LOOK_MS;
  }

  private forget(epoch: number): void {
    this.#keks.get(epoch)?.fill(0);
    this.#keks.delete(epoch);
  }

  /** Those who ask while it is asked share its answer. */
  private askProvider(): Promise<void> {
    this.asking ??= this.learn()
      .then(
        () => {
          this.failed = undefined;
        },
        (error: unknown) => {
          this.failed = error instanceof OubliError ? error.code : 'its own error';
          throw error;
        },
      )
      .finally(() => {
        this.asking = undefined;
        this.askAgainAt = this.clock() + ASK_MS;
      });
    return this.asking;
  }

  private tooSoon(epoch: number): KeyUnavailableError {
    const { failed: why, provider } = this;
    if (why === undefined) return new KeyUnavailableError('EPOCH_KEY_MISSING', { epoch });
    return new KeyUnavailableError('EPOCH_KEY_UNASKED', { epoch, provider: provider.name, why });
  }

  private async learn(): Promise<void> {
    const loaded = await this.loadedAnew();
    try {
      const { rows } = await this.store.query(EPOCHS);
      for (const { id, canary, is_given_up } of rows) {
        const epoch = Number(id);
        if (this.closed || is_given_up || this.#keks.has(epoch) || !loaded.epochs.has(epoch)) continue;
        verifyEpoch(this.engine, epoch, canary as Uint8Array, loaded, this.provider.name);
        this.#keks.set(epoch, secretCopy(loaded.epochs.get(epoch) as Uint8Array));
      }
    } finally {
      wipeKeys(loaded);
    }
  }
}
