/**
 * What PostgreSQL says when our domains, operators and guards refuse something, as errors of ours; and what must not travel
 * in any other error: `detail` and `where` quote the row ("Failing row contains …", "Key (email)=(…) already exists").
 */
import { type Catalogue, namesOfLabel } from '../catalogue/model';
import { NotSealedError, OubliError, SubjectErasedError, UnsupportedQueryError } from '../errors';
import { isWatched } from './writes';

interface DatabaseError extends Error {
  code?: string;
  schema?: string;
  table?: string;
  dataType?: string;
  detail?: string;
  where?: string;
  hint?: string;
}

/** @returns the error to raise instead */
export function translated(error: unknown, catalogue: Catalogue, holdsPersonal: boolean): unknown {
  if (!(error instanceof Error) || error instanceof OubliError) return error;
  const failure = error as DatabaseError;
  return ours(failure) ?? scrubbed(failure, catalogue, holdsPersonal);
}

function ours(error: DatabaseError): OubliError | undefined {
  const table = tableIn(error.message);
  switch (error.code) {
    case 'OU001':
      return new UnsupportedQueryError('RAW_UNPINNED', { table });
    case 'OU002':
      return new SubjectErasedError('SUBJECT_ERASED', { table });
    case 'OU003':
      return new UnsupportedQueryError('OPERATOR', { table, operator: 'this operator' });
    case 'OU004':
      return new UnsupportedQueryError('OTHER_SUBJECT', { table });
    default:
      return isDomainViolation(error) ? refusedByDomain(error) : undefined;
  }
}

function isDomainViolation(error: DatabaseError): boolean {
  return error.code === '23514' && error.schema === 'oubli' && error.dataType !== undefined;
}

function refusedByDomain(error: DatabaseError): NotSealedError {
  const { table, column } = namesOfLabel(error.dataType ?? '');
  return new NotSealedError('REFUSED_BY_DOMAIN', { table, column });
}

/** Our guards name the table at the end of their message. */
function tableIn(message: string): string | undefined {
  return / in (\S+)(?: is sealed|$)/.exec(message)?.[1];
}

function scrubbed(error: DatabaseError, catalogue: Catalogue, holdsPersonal: boolean): DatabaseError {
  const table = error.table === undefined ? undefined : catalogue.named(error.table, error.schema)[0];
  if (!holdsPersonal && !(table && isWatched(table))) return error;
  delete error.detail;
  delete error.where;
  return error;
}
