/**
 * Keeps the catalogue abreast of the schema: after it was changed, by a statement of this process or as another one announced,
 * the next statement to be compiled loads it again. A transaction that changes the schema sees its own changes, which nobody
 * else does, and what was seen of them is loaded anew when it ended, since it may have been rolled back (KNEX.md trap 30).
 */
import type { Catalogue } from '../catalogue/model';
import { withOwnTypes } from '../own-types';
import { type Connection, isInTransaction, type RawQuery, type Runner } from './internals';
import type { Seam } from './seam';

const CHANGES_SCHEMA = /^\s*(create|alter|drop|comment|rename|do|select\s+"?oubli"?\.)\b/i;
const ENDS_TRANSACTION = /^\s*(commit|rollback(?!\s+to\b)|end)\b/i;
const ROLLS_BACK = /^\s*rollback\s+to\b/i;
/** Any of them, at one look. */
const CONCERNS = /^\s*(create|alter|drop|comment|rename|do|select\s+"?oubli|commit|rollback|end)\b/i;
const MOST_FOREIGN = 1000;

export class SchemaWatch {
  /** Connections whose transaction has changed the schema, with the catalogue they loaded since. */
  private readonly changing = new WeakMap<Connection, Catalogue | undefined>();
  private readonly loading = new WeakMap<Connection, Promise<void>>();
  /** Elements that bytes seemed to name and the database does not know: they are not ours. */
  private readonly foreign = new Set<number>();

  constructor(private readonly seam: Seam) {}

  /** Looks at the schema before the runner compiles, unless what it runs changes the schema itself. */
  refreshing(runner: Runner, builder: object): Runner {
    if (changesSchema(builder)) return runner;
    const ensureConnection = runner.ensureConnection.bind(runner);
    runner.ensureConnection = (callback, params) =>
      ensureConnection((self, given) => {
        const refreshed = this.refresh(self.connection as Connection);
        return refreshed ? refreshed.then(() => callback(self, given)) : callback(self, given);
      }, params);
    return runner;
  }

  /**
   * After a result named elements that the catalogue lacks: another process may have declared them a moment ago.
   * @param connection undefined while a cursor occupies it
   */
  async learn(elements: readonly number[], connection: Connection | undefined): Promise<void> {
    if (elements.every((element) => this.foreign.has(element))) return;
    if (connection && this.changing.has(connection)) this.changing.set(connection, undefined);
    else this.seam.schemaChanged();
    await (connection ? this.refresh(connection) : this.seam.refresh());
    if (this.foreign.size > MOST_FOREIGN) this.foreign.clear();
    for (const element of elements) if (!this.seam.catalogue.element(element)) this.foreign.add(element);
  }

  /** To be told of every statement that succeeded. */
  ran(connection: Connection, sql: string): void {
    if (!CONCERNS.test(sql)) return;
    if (CHANGES_SCHEMA.test(sql)) this.changed(connection);
    else if (ROLLS_BACK.test(sql) && this.changing.has(connection)) this.changing.set(connection, undefined);
    else if (ENDS_TRANSACTION.test(sql) && this.changing.delete(connection)) this.seam.schemaChanged();
  }

  private refresh(connection: Connection): Promise<void> | undefined {
    if (!this.changing.has(connection)) return this.seam.refresh();
    if (this.changing.get(connection) === this.seam.catalogue) return undefined;
    return this.loadOwn(connection);
  }

  private loadOwn(connection: Connection): Promise<void> {
    let loading = this.loading.get(connection);
    if (!loading) {
      loading = this.seam
        .load(withOwnTypes(connection))
        .then(() => void this.changing.set(connection, this.seam.catalogue))
        .finally(() => this.loading.delete(connection));
      this.loading.set(connection, loading);
    }
    return loading;
  }

  private changed(connection: Connection): void {
    if (isInTransaction(connection)) this.changing.set(connection, undefined);
    else this.seam.schemaChanged();
  }
}

function changesSchema(builder: object): boolean {
  return '_sequence' in builder || ('isRawInstance' in builder && CHANGES_SCHEMA.test((builder as RawQuery).sql));
}
