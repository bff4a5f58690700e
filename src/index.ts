/** The application developer's and the migration author's door. */
import './schema/declarations';
import { addAnnotationMethods } from './knex/annotation-methods';

addAnnotationMethods();

export * from './errors';
export { environmentKeys } from './keyring/environment-keys';
export { localKeys } from './keyring/local-keys';
export type { KeyMaterial, KeyProvider } from './keyring/provider';
export { AnnotatingClient } from './knex/clients';
export { type Oubli, type OubliOptions, oubli } from './oubli';
export { install, SCHEMA_VERSION, uninstall } from './schema/install';
