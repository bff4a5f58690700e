/**
 * Keys that a service wraps: made here of 32 random bytes each, kept wrapped in a document, unwrapped by the service at start. Both roots
 * stand under one remote key that is never destroyed, each epoch under one of its own, so that destroying it destroys nothing else
 * (ENVELOPE.md K5, K7).
 *
 * "The service is down" means four things. At start nothing starts. Afterwards the keys are in memory, and whoever reads and writes does
 * not notice, but where an epoch is met that another process has opened: until it can be loaded, what is wrapped under it can be neither
 * read nor written. No epoch can be opened, and none destroyed: both raise `KeyUnavailableError`, and are asked for again. An erasure
 * asks for nothing here.
 */
import { randomKey } from '../../crypto/random';
import { ConfigurationError } from '../../errors';
import { refuseSharedKeys } from '../key-document';
import { type Destruction, type EpochProvider, handingOver, type KeyMaterial, refuseNoEpoch } from '../provider';
import type { DocumentStore } from './document-store';
import type { KeyService, Role } from './key-service';
import {
  parsed,
  printed,
  type WrappedDocument,
  type WrappedEpoch,
  type WrappedKey,
  withEpoch,
} from './wrapped-document';

const KEY_BYTES = 32;

/** A provider whose keys a service wraps. */
export interface RemoteKeys extends EpochProvider {
  /**
   * Makes the keys of a new installation, once: a remote key for the roots and one for epoch 1, and the document.
   * @throws ConfigurationError when there is a document already: what it wraps would be lost
   */
  create(): Promise<void>;
}

export class WrappedKeys implements RemoteKeys {
  readonly name: string;

  /** Not to be seen where somebody prints a provider: it holds the token by which the service is asked. */
  readonly #service: KeyService;

  constructor(
    service: KeyService,
    private readonly store: DocumentStore,
    private readonly installation: string,
  ) {
    this.#service = service;
    this.name = `${service.name}, ${store.name}`;
    handingOver(this);
  }

  async create(): Promise<void> {
    const [service, installation] = [this.#service, this.installation];
    const roots = await service.keyFor('roots');
    const index = await this.fresh(roots, 'index');
    const ledger = await this.fresh(roots, 'ledger');
    const first = await this.fresh(await service.keyFor('epoch 1'), 'epoch 1');
    const epochs = { 1: { ...first, state: 'living' as const } };
    await this.store.create(printed({ service: service.kind, installation, index, ledger, epochs }));
  }

  async load(): Promise<KeyMaterial> {
    const text = await this.store.read();
    try {
      return await this.opened(this.parsed(text));
    } catch (error) {
      const now = await this.store.read();
      if (now === text) throw error;
      return this.opened(this.parsed(now)); // an epoch was destroyed between reading of it and unwrapping it
    }
  }

  async openEpoch(epoch: number): Promise<Uint8Array> {
    refuseNoEpoch(epoch, this.name);
    const document = this.parsed(await this.store.read());
    const entry = document.epochs[epoch] ?? (await this.added(epoch));
    if (entry.state !== 'living') throw new ConfigurationError('EPOCH_DESTROYED', { epoch, provider: this.name });
    return this.unwrapped(entry, `epoch ${epoch}`);
  }

  /** Marked first and destroyed then: from then on nobody loads it, and whoever was interrupted asks again. */
  async destroyEpoch(epoch: number): Promise<Destruction> {
    const document = await this.changed((before) => this.marked(before, epoch));
    const { key } = document.epochs[epoch] as WrappedEpoch;
    // a service where nothing of ours is says of everything that it is gone
    if (!(await this.#service.has(document.index.key)))
      throw new ConfigurationError('KEY_SERVICE_ELSEWHERE', { provider: this.name, key: document.index.key });
    const became = await this.#service.destroy(key);
    if (became.is === 'destroyed')
      await this.changed((before) => withEpoch(before, epoch, { key, state: 'destroyed' }));
    return became;
  }

  private marked(document: WrappedDocument, epoch: number): WrappedDocument {
    const entry = document.epochs[epoch];
    if (!entry) throw new ConfigurationError('UNKNOWN_EPOCH', { epoch, provider: this.name });
    if (entry.state !== 'living') return document;
    if (epoch === Math.max(...livingEpochs(document).keys()))
      throw new ConfigurationError('NEWEST_EPOCH', { epoch, provider: this.name });
    return withEpoch(document, epoch, { ...entry, state: 'destroying' });
  }

  /** Of two processes that open an epoch at once, the second takes the first one's key. */
  private async added(epoch: number): Promise<WrappedEpoch> {
    const role = `epoch ${epoch}` as const;
    const made = await this.fresh(await this.#service.keyFor(role), role);
    const document = await this.changed((before) =>
      before.epochs[epoch] ? before : withEpoch(before, epoch, { ...made, state: 'living' }),
    );
    return document.epochs[epoch] as WrappedEpoch;
  }

  private async fresh(remoteKey: string, role: Role): Promise<WrappedKey> {
    const key = randomKey();
    const wrapped = await this.#service.wrap(remoteKey, role, key);
    key.fill(0);
    await this.refuseUnbound(remoteKey, role, wrapped);
    return { key: remoteKey, wrapped };
  }

  /** An older service overlooks what it is to bind a key to, and says nothing of it. */
  private async refuseUnbound(remoteKey: string, role: Role, wrapped: string): Promise<void> {
    const other = role === 'index' ? 'ledger' : 'index';
    const opens = await this.#service.unwrap(remoteKey, other, wrapped).then(() => true, refused);
    if (opens) throw new ConfigurationError('KEY_SERVICE_UNBOUND', { provider: this.name });
  }

  private async opened(document: WrappedDocument): Promise<KeyMaterial> {
    const living = livingEpochs(document);
    const [index, ledger, ...epochs] = await Promise.all([
      this.unwrapped(document.index, 'index'),
      this.unwrapped(document.ledger, 'ledger'),
      ...[...living].map(([epoch, entry]) => this.unwrapped(entry, `epoch ${epoch}`)),
    ]);
    const numbered = [...living.keys()].map((epoch, i) => [epoch, epochs[i] as Uint8Array] as const);
    const material = { epochs: new Map(numbered), index, ledger };
    refuseSharedKeys(material, this.name);
    return material;
  }

  private async unwrapped({ key, wrapped }: WrappedKey, role: Role): Promise<Uint8Array> {
    const bytes = await this.#service.unwrap(key, role, wrapped);
    const why = bytes.length !== KEY_BYTES ? 'is not 32 bytes' : bytes.every((byte) => byte === 0) && 'is all zero';
    if (why) throw new ConfigurationError('KEY_INVALID', { role, provider: this.name, why });
    return bytes;
  }

  private async changed(change: (document: WrappedDocument) => WrappedDocument): Promise<WrappedDocument> {
    const text = await this.store.change((before) => {
      const document = this.parsed(before);
      const next = change(document);
      return next === document ? before : printed(next);
    });
    return this.parsed(text);
  }

  private parsed(text: string): WrappedDocument {
    return parsed(text, this.name, { service: this.#service.kind, installation: this.installation });
  }
}

function livingEpochs(document: WrappedDocument): Map<number, WrappedKey> {
  const entries = Object.entries(document.epochs);
  return new Map(entries.flatMap(([epoch, entry]) => (entry.state === 'living' ? [[Number(epoch), entry]] : [])));
}

function refused(error: unknown): false {
  if (error instanceof ConfigurationError && error.code === 'WRAPPED_KEY_REFUSED') return false;
  throw error;
}
