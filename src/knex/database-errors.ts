/**
 * What PostgreSQL says when our domains, operators and guards refuse something, as errors of ours; and what must not travel
 * in any other error: `detail` and `where` quote the row ("Failing row contains …", "Key (email)=(…) already exists").
 */
import { type Catalogue, namesOfLabel } from '../catalogue/model';
import {
  HoldError,
  KeyUnavailableError,
  NotSealedError,
  OubliError,
  RestrictedError,
  SubjectErasedError,
  UnsupportedQueryError,
} from '../errors';
import { notes } from '../messages';
import { type Connection, isInTransaction, type QueryResult } from './internals';
import type { Seam } from './seam';
import { isWatched } from './watched-names';

interface DatabaseError extends Error {
  code?: string;
  schema?: string;
  table?: string;
  column?: string;
  dataType?: string;
  constraint?: string;
  detail?: string;
  where?: string;
  internalQuery?: string;
}

/**
 * @param holdsPersonal whether personal values were among the parameters
 * @returns the error to raise instead
 */
export function translated(error: unknown, seam: Seam, holdsPersonal: boolean): unknown {
  if (!(error instanceof Error) || error instanceof OubliError) return error;
  const failure = error as DatabaseError;
  // Perhaps another process declared the column since: the next statement shall know.
  if (isDomainViolation(failure)) seam.schemaChanged();
  // An announcement that did not arrive: whoever asks again is told of the new key.
  if (isReplacedKey(failure)) seam.keys.cache.clear();
  return ours(failure, seam.catalogue) ?? scrubbed(failure, seam.catalogue, holdsPersonal);
}

const WRITES = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

/** An error in reading what a statement returned, which says that the statement itself was carried out (KNEX.md trap 23). */
export function written(error: unknown, response: QueryResult | QueryResult[], connection: Connection): unknown {
  const wrote = [response].flat().some((each) => WRITES.has(each?.command));
  if (wrote && error instanceof OubliError) {
    error.message += `\n  ${isInTransaction(connection) ? notes.WRITTEN_IN_TRANSACTION : notes.WRITTEN}`;
  }
  return error;
}

function ours(error: DatabaseError, catalogue: Catalogue): OubliError | undefined {
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
    case REPLACED:
      return new KeyUnavailableError('KEY_REPLACED', { table });
    case 'OU019':
      return new UnsupportedQueryError('COMPOUND_TOGETHER', { table, column: error.column });
    case 'OU021':
      return new UnsupportedQueryError('TOKENS_IN_RAW', namesOfLabel(error.dataType ?? ''));
    case 'OU037':
      return new RestrictedError('RESTRICTED_WRITE', { table: error.table });
    case 'OU036':
      return new SubjectErasedError('SUBJECT_ERASED', { table: error.table });
    case 'OU035':
      return new HoldError('ROW_HELD', { table: error.table, case: error.constraint });
    case UNDEFINED_TABLE:
    case UNDEFINED_COLUMN:
      return IN_GUARD.test(error.where ?? '') ? outdated(error) : undefined;
    default:
      return isDomainViolation(error) ? refusedByDomain(error, catalogue) : undefined;
  }
}

const REPLACED = 'OU050';

/** By the guard: the key that a value was sealed under was replaced since it was fetched. */
export function isReplacedKey(error: unknown): boolean {
  return (error as { code?: unknown }).code === REPLACED;
}

const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';
const IN_GUARD = /function oubli\.(?:"(?:guard|hold|people) \w+"|leave_people)\(\)/;

/** PostgreSQL's message names the relation or the column, and nothing else. */
function outdated({ message }: DatabaseError): UnsupportedQueryError {
  return new UnsupportedQueryError('GUARD_OUTDATED', { given: message.replace(/ does not exist$/, '') });
}

function isDomainViolation(error: DatabaseError): boolean {
  return error.code === '23514' && error.schema === 'oubli' && error.dataType !== undefined;
}

/** Also a literal that is compared with the column: it is read as a value of the column's type. */
function refusedByDomain({ dataType = '' }: DatabaseError, catalogue: Catalogue): NotSealedError {
  const { table, column } = namesOfLabel(dataType);
  const tokens = catalogue.elementLabelled(dataType)?.tokens && 'tokens';
  return new NotSealedError('REFUSED_BY_DOMAIN', { table, column, tokens });
}

/** Our guards name the table at the end of their message. */
function tableIn(message: string): string | undefined {
  return / in (.+?)(?: is sealed|$)/.exec(message)?.[1];
}

function scrubbed(error: DatabaseError, catalogue: Catalogue, holdsPersonal: boolean): DatabaseError {
  const table = error.table === undefined ? undefined : catalogue.named(error.table, error.schema)[0];
  return holdsPersonal || (table && isWatched(table)) ? withoutValues(error) : error;
}

/** The same error with its SQLSTATE and its names, without what quotes a row or a value. */
export function withoutValues<E extends Error>(error: E): E {
  const failure: DatabaseError = error;
  delete failure.detail;
  delete failure.where;
  delete failure.internalQuery;
  if (failure.code?.startsWith(DATA_EXCEPTION)) hideQuoted(failure);
  return error;
}

const DATA_EXCEPTION = '22';
/** PostgreSQL's messages come in the language of `lc_messages`, with its quotation marks; and bytes as `0xe2 0x82`. */
const QUOTED = /["«»‹›„“”][\s\S]*["«»‹›„“”]|0x[\da-f]{2}(?: 0x[\da-f]{2})*/gi;

/** `invalid input syntax for type date: "…"` quotes the value; the stack repeats the message. */
function hideQuoted(error: DatabaseError): void {
  const { message, stack } = error;
  error.message = message.replace(QUOTED, '"[oubli value]"');
  if (stack) error.stack = stack.replace(message, () => error.message);
}
