/**
 * Accountability (GDPR Art. 5(2)): whoever erased has to be able to show it. What the instance offers for that: certificates, and what
 * is done about the traces that an erasure leaves on the disk.
 */
import { ConfigurationError } from '../errors';
import type { Database } from '../lifecycle/database';
import type { Engine } from '../lifecycle/engine';
import type { FakerLike } from '../lifecycle/faker-like';
import type { Thresholds } from '../lifecycle/thresholds';
import { type VacuumReport, vacuumTouched } from '../lifecycle/vacuum';
import { type Backup, checkBackups } from '../registers/backups';
import { issueCertificate, type SignedCertificate } from '../registers/certificate';

export interface AccountabilityOptions {
  /** Your `@faker-js/faker`, for columns whose anonymised rows hold a readable fake; the installed one unless given. */
  readonly faker?: FakerLike;
  /** What k and l of anonymised rows have to reach for the tests to be passed: 5 and 2 unless said otherwise. */
  readonly anonymity?: Thresholds;
  /** Your backups, for certificates: what was erased is in them until they are thrown away. PostgreSQL knows of none. */
  readonly backups?: readonly Backup[];
}

export interface Accountability {
  /**
   * The certificate of an erasure: its receipt, when it was erased, when no backup can bring it back, and what can still be recovered
   * where until when, as the server says at this moment. Signed; `verifyCertificate` needs neither database nor keys.
   *
   * @param of the number of the receipt, or its key id
   * @param options.backups instead of those that `oubli()` was told of
   * @throws ConfigurationError NO_SUCH_ENTRY, BAD_BACKUP
   * @example const signed = await certificate(receipt.entry);
   */
  certificate(of: number | string, options?: { backups?: readonly Backup[] }): Promise<SignedCertificate>;
  /**
   * Vacuums what erasures touched since the last time, and lets the planner's statistics forget who left; every sweep ends with it.
   *
   * @returns a report for each table, with why where the role may not; none while another process is at it
   */
  vacuum(): Promise<VacuumReport[]>;
}

/** @throws ConfigurationError BAD_BACKUP, BAD_THRESHOLD, before anything is opened */
export function checkAccountability({ anonymity = {}, backups }: AccountabilityOptions): void {
  checkBackups(backups);
  for (const [given, value] of Object.entries(anonymity)) {
    if (!['k', 'l'].includes(given) || !Number.isSafeInteger(value) || value < 1) {
      throw new ConfigurationError('BAD_THRESHOLD', { given });
    }
  }
}

export function accountabilityOf(
  engine: () => Promise<Engine>,
  database: Database,
  options: AccountabilityOptions,
): Accountability {
  return {
    certificate: async (of, { backups = options.backups } = {}) => {
      const parts = { ...(await engine()), backups: checkBackups(backups) };
      return database.transaction((connection) => issueCertificate(parts, connection, of));
    },
    vacuum: async () => vacuumTouched(await engine()),
  };
}
