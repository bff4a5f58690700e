/**
 * How oubli reads its own questions' answers: as PostgreSQL means them, whatever type parsers the application has set for
 * itself. A `bytea` parser of its own, say, must not reach the key store.
 */
import type { Queryable, Row } from './queryable';

const PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === 't',
  17: (text) => Buffer.from(text.slice(2), 'hex'),
  21: Number,
  23: Number,
  26: Number,
  114: JSON.parse,
  3802: JSON.parse,
};

const asText = (text: string): string => text;
const types = { getTypeParser: (oid: number) => PARSERS[oid] ?? asText };

/** `pg`'s other way to ask: parsers for one query. */
type Asking = (query: { text: string; values: unknown[]; types: typeof types }) => Promise<{ rows: Row[] }>;

/** The same connection, answering in PostgreSQL's own terms; `bigint` and dates come as text. */
export function withOwnTypes(connection: Queryable): Queryable {
  return {
    query: (text, values = []) => (connection.query as unknown as Asking).call(connection, { text, values, types }),
  };
}
