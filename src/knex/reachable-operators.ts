/**
 * Raw SQL that names a table by its schema, in a session whose search_path has no such schema. The `=` and `<>` of our types stand in
 * that schema, and are not found: PostgreSQL takes those of `bytea` or `text`, compares ciphertext, and answers with nothing.
 * (What stands unqualified was found on the path, and so are its operators. The builder writes blind indexes, and needs none.)
 */
import type { Catalogue, Table } from '../catalogue/model';
import { UnsupportedQueryError } from '../errors';
import { withOwnTypes } from '../own-types';
import type { Queryable } from '../queryable';
import type { StatementFacts } from './frame';
import { isWatched } from './watched-names';

interface Suspect {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly named: RegExp;
  readonly compared: RegExp;
}

const suspectsOf = new WeakMap<Catalogue, readonly Suspect[]>();

/** @throws UnsupportedQueryError for a comparison whose operator would be another than ours */
export async function refuseUnreachable(
  catalogue: Catalogue,
  connection: Queryable,
  sql: string,
  facts: StatementFacts,
): Promise<void> {
  if (!facts.describe && !facts.opaque) return;
  const suspects = suspectsIn(catalogue).filter(({ named, compared }) => named.test(sql) && compared.test(sql));
  if (suspects.length === 0) return;
  const { rows } = await withOwnTypes(connection).query(
    'select pg_catalog.array_to_json(pg_catalog.current_schemas(true)) as schemas',
  );
  const schemas = rows[0]?.schemas as string[];
  const lost = suspects.find(({ schema }) => !schemas.includes(schema));
  if (lost) {
    const { schema, table, column } = lost;
    throw new UnsupportedQueryError('OPERATOR_UNREACHABLE', { schema, table, column });
  }
}

function suspectsIn(catalogue: Catalogue): readonly Suspect[] {
  let suspects = suspectsOf.get(catalogue);
  if (!suspects) {
    suspects = catalogue.tables.filter(isWatched).flatMap(suspectColumns);
    suspectsOf.set(catalogue, suspects);
  }
  return suspects;
}

function suspectColumns({ schema, name, columns }: Table): Suspect[] {
  const named = new RegExp(`(?<![\\w$])${escaped(schema)}"?\\s*\\.\\s*"?${escaped(name)}(?![\\w$])`, 'i');
  return [...columns.values()]
    .filter((column) => column.element !== undefined)
    .map((column) => ({ schema, table: name, column: column.name, named, compared: comparison(column.name) }));
}

/** `where email = …`, `and u.email in (…)`, `= u.email`, `using (email)`; not the `set email = …` of an update. */
function comparison(column: string): RegExp {
  const name = `(?:[\\w$"]+\\.)*"?${escaped(column)}"?`;
  const first = `(?:\\b(?:where|on|having|and|or|not|when|case|select)\\b|\\()[\\s(]*${name}\\s*\\)*\\s*`;
  const operator = '(?:=|<>|!=|(?:not\\s+)?in\\b|is\\s+(?:not\\s+)?distinct\\b|when\\b)';
  return new RegExp(
    `${first}${operator}|[=>]\\s*(?:[\\w$"]+\\.)+"?${escaped(column)}\\b|using\\s*\\([^)]*"?${escaped(column)}\\b`,
    'i',
  );
}

function escaped(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('"', '""');
}
