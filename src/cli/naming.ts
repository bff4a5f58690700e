/**
 * What the application calls tables and columns, where a mapper stands between it and the database: read from the settings of its
 * knexfile (`postProcessResponse`, `wrapIdentifier`), or camel case where it asks for that.
 */
import type { Knex } from 'knex';
import type { TypedTable } from '../schema/read-types';

export interface Naming {
  /** Of a table, or of a schema. */
  table(name: string): string;
  column(name: string): string;
}

export const CAMEL_CASE: Naming = { table: camelCase, column: camelCase };

/** A column is called what the rows call it; a table too, if the mapper leads from there back to the table. */
export function namingOf({ postProcessResponse, wrapIdentifier }: Knex.Config): Naming {
  const column = (name: string): string => {
    const [row] = postProcessResponse ? postProcessResponse([{ [name]: null }], {}) : [{ [name]: null }];
    return Object.keys(row)[0] ?? name;
  };
  const inDatabase = (name: string): string =>
    wrapIdentifier ? wrapIdentifier(name, (same: string) => same, {}) : name;
  return {
    column,
    table: (name) => [column(name), name].find((candidate) => inDatabase(candidate) === name) ?? name,
  };
}

export function named(tables: readonly TypedTable[], naming: Naming): TypedTable[] {
  return tables.map(({ schema, name, columns }) => ({
    schema: schema === 'public' ? schema : naming.table(schema),
    name: naming.table(name),
    columns: columns.map((column) => ({
      ...column,
      name: naming.column(column.name),
      via: column.via && naming.column(column.via),
    })),
  }));
}

/** As Objection's mappers have it (objection/lib/utils/identifierMapping.js), so that those of its users fit. */
function camelCase(name: string): string {
  return name.replace(/(?!^)_|(?<=_)[^_]/g, (found) => (found === '_' ? '' : found.toUpperCase()));
}
