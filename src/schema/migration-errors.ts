/**
 * What the library's own schema refuses while a migration runs, as errors that show the declaration to write instead. The
 * functions of `migrations/` name table and column in the fields of their errors.
 */
import { AnnotationError, ConfigurationError } from '../errors';
import { SCHEMA_VERSION } from './install';

interface Refusal extends Error {
  readonly code?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
  readonly dataType?: string;
  readonly hint?: string;
}

/** @returns the error to raise instead; the same one where it is none of ours */
export function asAnnotationError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, schema, table, column, constraint, dataType, hint } = error as Refusal;
  switch (code) {
    case 'OU010':
      return new AnnotationError('NO_SUCH_COLUMN', { table, column });
    case 'OU011':
      return new AnnotationError('DOMAIN_TAKEN', { domain: dataType, column });
    case 'OU012':
      return new AnnotationError('NO_SINGLE_KEY', { table });
    case 'OU013':
      return new AnnotationError('KIND_TAKEN', { table, kind: dataType, other: constraint });
    case 'OU014':
      return new AnnotationError('CONSTRAINT_ON_SEALED', { table, column, what: constraint });
    case 'OU015':
      return new AnnotationError('ALTER_DECLARED', { table, column });
    case 'OU016':
      return new AnnotationError('SUBJECT_ID_TYPE', { table, column, type: dataType });
    case 'OU017':
      return new AnnotationError('GROUP_MISMATCH', { group: constraint, other: dataType });
    case 'OU018':
      return new AnnotationError('COMPOUND_MEMBER', { table, column, other: constraint });
    case 'OU020':
      return new AnnotationError('TYPE_SHARED', { table, column, other: constraint });
    case 'OU022':
      return new AnnotationError('TYPE_DEPENDED_ON', { table, column, what: constraint, drop: hint });
    case 'OU027':
      return new AnnotationError('NO_SUCH_TARGET', { table, to: constraint });
    case 'OU028':
      return new AnnotationError('REFERENCE_TYPE', { table, column, of: constraint });
    case 'OU029':
      return new AnnotationError('REFERENCE_COLUMN', { table, column, type: dataType });
    case 'OU043':
      return new AnnotationError('ARCHIVE_OWNER', { role: dataType, user: 'the migrating role' });
    case 'OU044':
      return new AnnotationError('ARCHIVE_BESIDE', { table, schema });
    case 'OU045':
      return new AnnotationError('ARCHIVE_OWNED', { schema, role: dataType });
    case '3F000':
      return notInstalled(error) ? new ConfigurationError('NOT_INSTALLED', { version: SCHEMA_VERSION }) : error;
    default:
      return error;
  }
}

function notInstalled(error: Error): boolean {
  return error.message.includes('schema "oubli" does not exist');
}
