/**
 * What the protected client shares between its parts: the catalogue of the moment, the keys and the engine. It lives in the
 * closure of the client's subclass, because Knex copies only a fixed list of fields to a transaction's client.
 */
import type { Catalogue } from '../catalogue/model';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Scopes } from '../keyring/scopes';
import type { Sealer } from '../keyring/sealer';
import type { SubjectKeys } from '../keyring/subject-keys';
import type { Queryable } from '../queryable';
import type { Ledger } from '../registers/ledger';

export interface Seam {
  /** @throws ConfigurationError NOT_READY before it was loaded and after close() */
  readonly catalogue: Catalogue;
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
  readonly ledgerKeys: LedgerKeys;
  readonly ledger: Ledger;
  readonly scopes: Scopes;
  /** Loads the catalogue again, apart from any transaction, if the schema was changed since. */
  refresh(): Promise<void> | undefined;
  /** The same if PostgreSQL's own catalogues say that it was, whoever changed it and told nobody. */
  freshen(): Promise<void>;
  /** Loads what a transaction that changes the schema sees of it. */
  load(connection: Queryable): Promise<void>;
  /** Tells that the schema may have been changed. */
  schemaChanged(): void;
  /** Ends what the seam holds when Knex's pool is destroyed. */
  close(): Promise<void>;
}
