/**
 * The least that a part of oubli needs of a database connection: one statement, positional parameters, rows.
 * A `pg` Client is one; so is whatever the assembly makes of a Knex transaction.
 */
export type Row = Record<string, unknown>;

export interface Queryable {
  query(sql: string, params?: unknown[]): Promise<{ rows: Row[] }>;
}

/** Of PostgreSQL, by their names. */
export type Settings = Readonly<Record<string, string>>;

/** How oubli's own transactions end: the last statement of a connection is what PostgreSQL shows of it, when it has nothing to do. */
export const OWN_COMMIT = 'commit /* oubli */';

/** Quotes an identifier; the one place where it is done outside of PostgreSQL's own `format('%I')`. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * A text as SQL has it, of declarations, names and settings only: what a person is called travels as a parameter. A backslash
 * means itself whatever the session's standard_conforming_strings.
 */
export function quoteLiteral(text: string): string {
  return `${text.includes('\\') ? 'E' : ''}'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
}
