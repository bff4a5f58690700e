/**
 * Assembly for whoever only looks at the ledger: also at one of a database that was restored or tampered with, which `oubli()` refuses.
 * Nothing is written, and nobody's data is read.
 */
import type { Knex } from 'knex';
import { afterwards } from './afterwards';
import { type LedgerReport, verifyLedger } from './checks/ledger';
import { refuseUnsuitable } from './knex/clients';
import { internalsOf } from './knex/internals';
import { openSeam } from './knex/open-seam';
import { OwnTransactions } from './knex/own-transactions';
import type { OubliOptions } from './oubli';
import { journalInTime } from './registers/journal-in-time';

export interface Inspection {
  /** With the journal of the options, if there is one: without, a cut end cannot be told. */
  verifyLedger(): Promise<LedgerReport>;
  /** 32 bytes, no secret. */
  readonly publicKey: Uint8Array;
}

/** @param options those of `oubli()` @throws ConfigurationError for wrong keys; SchemaVersionError */
export async function inspected<T>(
  knex: Knex,
  options: OubliOptions,
  work: (inspection: Inspection) => Promise<T>,
): Promise<T> {
  refuseUnsuitable(knex);
  const seam = await openSeam(knex, { ...options, replaying: true }, () => undefined);
  const { catalogue, ledgerKeys } = seam;
  const journal = options.journal && journalInTime(options.journal);
  const database = new OwnTransactions(internalsOf(knex));
  const inspection: Inspection = {
    publicKey: ledgerKeys.publicKey,
    verifyLedger: () => verifyLedger(database, catalogue.instance, ledgerKeys, journal),
  };
  return afterwards(
    () => work(inspection),
    () => seam.close(),
  );
}
