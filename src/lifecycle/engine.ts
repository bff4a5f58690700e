/** What every verb of the life cycle works with: the declarations of the moment, the keys, and a way to the database. */
import type { Catalogue } from '../catalogue/model';
import type { LedgerKeys } from '../keyring/ledger-keys';
import type { Sealer } from '../keyring/sealer';
import type { SubjectKeys } from '../keyring/subject-keys';
import type { Ledger } from '../registers/ledger';
import type { ArchivePlaces } from './archive/places';
import type { ToldDatabase } from './database';
import type { FakerLike } from './faker-like';
import type { Thresholds } from './thresholds';

export interface Engine {
  readonly catalogue: Catalogue;
  readonly database: ToldDatabase;
  readonly keys: SubjectKeys;
  readonly sealer: Sealer;
  /** Where archives are, and who may read them. */
  readonly archives: ArchivePlaces;
  /** Authenticates the ledger, and signs what is told of it. */
  readonly ledgerKeys: LedgerKeys;
  /** The one way to write entries, or to link those that a statement wrote. */
  readonly ledger: Ledger;
  /** The team's own; the installed one where none was given. */
  readonly faker?: FakerLike | undefined;
  /** What k and l have to reach. */
  readonly thresholds?: Thresholds | undefined;
}
