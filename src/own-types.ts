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
  1184: instant,
  3802: JSON.parse,
};

/** `2026-03-01 04:05:06.789+00`, as PostgreSQL writes it under the ISO date style that `pg` sets. */
function instant(text: string): Date {
  return new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00'));
}

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
