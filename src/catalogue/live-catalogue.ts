/**
 * The catalogue as of now. It is loaded at start and again, on the asking statement's own connection, after this process
 * changed the schema; inside a transaction also after that ended, since what was seen may have been rolled back.
 */
import type { Queryable } from '../queryable';
import { loadCatalogue } from './load';
import type { Catalogue } from './model';

export class LiveCatalogue {
  private loaded: Catalogue | undefined;
  private stale = false;
  private loading: Promise<void> | undefined;

  /** @param verify raises on a catalogue that cannot be worked with */
  constructor(private readonly verify: (catalogue: Catalogue) => void) {}

  get current(): Catalogue | undefined {
    return this.loaded;
  }

  async load(connection: Queryable): Promise<void> {
    const catalogue = await loadCatalogue(connection);
    this.verify(catalogue);
    this.loaded = catalogue;
  }

  schemaChanged(): void {
    this.stale = true;
  }

  refresh(connection: Queryable): Promise<void> | undefined {
    if (this.loading) return this.loading;
    if (!this.stale || !this.loaded) return undefined;
    this.stale = false;
    this.loading = this.load(connection)
      .catch((error) => {
        this.stale = true; // a transaction that had failed already, say: the next statement tries again
        throw error;
      })
      .finally(() => {
        this.loading = undefined;
      });
    return this.loading;
  }

  close(): void {
    this.loaded = undefined;
  }
}
