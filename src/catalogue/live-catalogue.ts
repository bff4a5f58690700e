/**
 * The catalogue as of now. It is loaded at start and again before the next statement, after this process or another one changed
 * the schema. A transaction that changed the schema itself loads what only it can see, on its own connection.
 */
import type { Queryable } from '../queryable';
import { loadCatalogue } from './load';
import { markOf } from './mark';
import type { Catalogue } from './model';

export class LiveCatalogue {
  private loaded: Catalogue | undefined;
  /** Of the schema, from before it was read. */
  private mark: string | undefined;
  private stale = false;
  private closed = false;
  private loading: Promise<void> | undefined;

  /** @param verify raises on a catalogue that cannot be worked with */
  constructor(private readonly verify: (catalogue: Catalogue) => void) {}

  get current(): Catalogue | undefined {
    return this.loaded;
  }

  async load(connection: Queryable): Promise<void> {
    const mark = await markOf(connection);
    const catalogue = await loadCatalogue(connection);
    this.verify(catalogue);
    if (this.closed) return;
    this.loaded = catalogue;
    this.mark = mark;
  }

  /** Loads it again unless the schema is the one it was loaded from, whoever changed it and told nobody. */
  async freshen(connection: Queryable): Promise<void> {
    if ((await markOf(connection)) !== this.mark) this.schemaChanged();
    await this.refresh(connection);
  }

  schemaChanged(): void {
    this.stale = true;
  }

  /**
   * Loads it again where it is stale, once for all who ask meanwhile.
   * @param connection one that is in no transaction: its snapshot could be older than the change
   */
  refresh(connection: Queryable): Promise<void> | undefined {
    if (this.loading) return this.again(this.loading, connection);
    if (!this.stale || !this.loaded) return undefined;
    this.stale = false;
    this.loading = this.load(connection)
      .catch((error) => {
        this.stale = true; // the next statement tries again
        throw error;
      })
      .finally(() => {
        this.loading = undefined;
      });
    return this.loading;
  }

  close(): void {
    this.closed = true;
    this.loaded = undefined;
  }

  /** What is being loaded may have been read before the last change. Who began it hears of its failure. */
  private async again(loading: Promise<void>, connection: Queryable): Promise<void> {
    await loading.catch(() => undefined);
    await this.refresh(connection);
  }
}
