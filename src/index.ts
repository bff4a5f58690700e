/** The application developer's and the migration author's door. */
import './schema/declarations';
import { addAnnotationMethods } from './knex/annotation-methods';

addAnnotationMethods();

export type { Archives } from './archive';
export type { AnnotateSpec, PersonalSpec, SubjectSpec, TableSpec } from './catalogue/spec';
export { type Copier, type DumpTools, dumpTools } from './checks/dump-tools';
export type { LedgerReport } from './checks/ledger';
export { type DrillCheck, type DrillOptions, type DrillReport, type DrillStep, drill } from './drill';
export * from './errors';
export type { NamedSubject, ScopeLimits } from './keyring/decrypt-scope';
export { environmentKeys } from './keyring/environment-keys';
export { localKeys } from './keyring/local-keys';
export type { Destruction, EpochProvider, KeyMaterial, KeyProvider } from './keyring/provider';
export { type AwsKmsOptions, awsKmsKeys } from './keyring/remote/aws-kms';
export type { KmsAccess, KmsClientLike } from './keyring/remote/aws-kms-calls';
export { documentFile } from './keyring/remote/document-file';
export type { DocumentStore } from './keyring/remote/document-store';
export { type DocumentTableOptions, documentTable } from './keyring/remote/document-table';
export type { Patience } from './keyring/remote/patience';
export type { VaultAddress } from './keyring/remote/vault-http';
export { type VaultTransitOptions, vaultTransitKeys } from './keyring/remote/vault-transit';
export type { RemoteKeys } from './keyring/remote/wrapped-keys';
export { AnnotatingClient } from './knex/clients';
export type { InsertManyOptions, Rows } from './knex/insert-many';
export type { Holding } from './lifecycle/archive/holdings';
export type { ArchivedRow, ArchiveReading } from './lifecycle/archive/read';
export type { BossLike } from './lifecycle/boss';
export type { BreakerOptions } from './lifecycle/breaker';
export type { HeldBack, Redrive } from './lifecycle/deferred';
export type { Keep } from './lifecycle/epochs/drain';
export type { EpochKeys } from './lifecycle/epochs/epoch-keys';
export type { RotateOptions, Rotation } from './lifecycle/epochs/rotate';
export type { RotationSchedule } from './lifecycle/epochs/rotation-jobs';
export type { FakerLike } from './lifecycle/faker-like';
export type { DueOptions, DueReport } from './lifecycle/foresight';
export type { HeldArchive } from './lifecycle/held-archive';
export type { HeldRows } from './lifecycle/held-rows';
export type { HeldPerson, HoldCase, Holds, Placed, Released, StandingCase } from './lifecycle/holds';
export type { JobOptions, Jobs } from './lifecycle/jobs';
export type { RuleMetrics } from './lifecycle/metrics';
export type { Notice, OnNotice } from './lifecycle/notices';
export type { PaceOptions } from './lifecycle/pace';
export type { PlanFile, Planned, PlannedTable } from './lifecycle/plan-file';
export type { ProposedRule } from './lifecycle/proposed-rule';
export type { ReplayOptions, ReplayReport } from './lifecycle/replay';
export type { Reseal, ResealOptions } from './lifecycle/reseal/reseal';
export type { Alarm, SweepOptions, SweepReport } from './lifecycle/sweep-report';
export type { MeterLike } from './lifecycle/telemetry';
export type { VacuumReport } from './lifecycle/vacuum';
export { type Oubli, type OubliOptions, oubli } from './oubli';
export type { Backup } from './registers/backups';
export type { Certificate, SignedCertificate } from './registers/certificate';
export type { BrokenLink } from './registers/chain-walk';
export type { EpochDestruction, EpochState, Restorable } from './registers/epochs';
export type { Figures, Measurement, ProbeReport, ResidueHit, Unseen } from './registers/examined';
export { fileJournal } from './registers/file-journal';
export type { Journal } from './registers/journal';
export type {
  AnonymisedLine,
  ArchivedLine,
  KeptLine,
  LegalEffect,
  Receipt,
  ReceiptLine,
  SkippedLine,
  Strategy,
  TreatedColumn,
} from './registers/receipt';
export type { ReceiptsOptions } from './registers/receipts';
export type { ErasureRequest, RequestsOptions } from './registers/requests';
export type { Trace } from './registers/trace';
export { verifyCertificate } from './registers/verify-certificate';
export { type DuringReplay, duringReplay, newJournal, replay } from './restore';
export type { ProbeOptions } from './rights/erase';
export type { Manifest, ManifestFile } from './rights/export';
export type { AppliedPlan, ApplyOptions, PlanOf } from './rights/plans';
export type { Ground, LiftOptions, RestrictOptions } from './rights/restrict';
export { annotate } from './schema/annotate';
export { type ArchiveOptions, installArchive } from './schema/archive-store';
export type { BackfillReport } from './schema/backfill';
export { install, SCHEMA_VERSION, uninstall } from './schema/install';
export type { Protected } from './schema/protected';
export type { ReleaseOptions, ReleaseReport } from './schema/release';
export type { PassOptions, Progress } from './schema/table-passes';
export type { OutsideScopes, Scoping } from './scoping';
export type { Pinned, Subject, SubjectId } from './subject';
export type { SweepDefaults, Sweeping } from './sweeping';
