/**
 * Keeps the catalogue abreast of the schema: after a statement of this process changed it, the next statement to be compiled
 * loads it again, on its own connection. What was seen inside a transaction is loaded anew when that ended, since it may have
 * been rolled back (KNEX.md trap 30).
 */
import { withOwnTypes } from '../own-types';
import type { StatementDescriptions } from './describe';
import { type Connection, isInTransaction, type RawQuery, type Runner } from './internals';
import type { Seam } from './seam';

const CHANGES_SCHEMA = /^\s*(create|alter|drop|comment|rename|do|select\s+"?oubli"?\.)\b/i;
const ENDS_TRANSACTION = /^\s*(commit|rollback(?!\s+to\b)|end)\b/i;
const ROLLS_BACK = /^\s*rollback\s+to\b/i;

export class SchemaWatch {
  /** Connections whose transaction has changed the schema, and among them those that have not seen it since. */
  private readonly changing = new WeakSet<Connection>();
  private readonly unseen = new WeakSet<Connection>();

  constructor(
    private readonly seam: Seam,
    private readonly descriptions: StatementDescriptions,
  ) {}

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

  refresh(connection: Connection): Promise<void> | undefined {
    if (this.unseen.delete(connection)) this.seam.schemaChanged();
    const refreshed = this.seam.refresh(withOwnTypes(connection));
    if (refreshed) this.descriptions.clear();
    return refreshed;
  }

  /** To be told of every statement that succeeded. */
  ran(connection: Connection, sql: string): void {
    if (CHANGES_SCHEMA.test(sql)) this.changed(connection);
    else if (ROLLS_BACK.test(sql) && this.changing.has(connection)) this.unseen.add(connection);
    else if (ENDS_TRANSACTION.test(sql) && this.changing.delete(connection)) {
      this.unseen.delete(connection);
      this.seam.schemaChanged();
    }
  }

  private changed(connection: Connection): void {
    if (!isInTransaction(connection)) {
      this.seam.schemaChanged();
      return;
    }
    this.changing.add(connection);
    this.unseen.add(connection);
  }
}

function changesSchema(builder: object): boolean {
  return '_sequence' in builder || ('isRawInstance' in builder && CHANGES_SCHEMA.test((builder as RawQuery).sql));
}
