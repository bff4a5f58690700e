/** The application developer's and the migration author's door. */
import './schema/declarations';
import { addAnnotationMethods } from './knex/annotation-methods';

addAnnotationMethods();

export * from './errors';
export { environmentKeys } from './keyring/environment-keys';
export { localKeys } from './keyring/local-keys';
export type { KeyMaterial, KeyProvider } from './keyring/provider';
export { AnnotatingClient } from './knex/clients';
export type { AnnotateSpec, PersonalSpec, SubjectSpec, TableSpec } from './catalogue/spec';
export type { BossLike, JobOptions, Jobs } from './lifecycle/jobs';
export type { SweepOptions, SweepReport } from './lifecycle/sweep';
export { type Oubli, type OubliOptions, oubli } from './oubli';
export type { KeptLine, Receipt, ReceiptLine } from './registers/receipt';
export type { Manifest, ManifestFile } from './rights/export';
export { annotate } from './schema/annotate';
export type { BackfillReport } from './schema/backfill';
export { install, SCHEMA_VERSION, uninstall } from './schema/install';
export type { Subject, SubjectId } from './subject';
