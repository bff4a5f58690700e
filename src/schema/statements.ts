/**
 * The statements that store declarations, for migrations to run in their own transaction, as text with `?` bindings. The
 * functions they call are the library's own schema (`migrations/`).
 */
import type { SettledPersonalSpec } from '../catalogue/check-personal';
import type { SettledSubjectSpec, SettledTableSpec } from '../catalogue/check-table';
import type { NotPersonalSpec } from '../catalogue/spec';
import { quotedTable, tableNameFrom } from '../catalogue/table-name';
import { quoteLiteral as literal } from '../queryable';
import type { ElementDefinition } from './element-definition';

export interface Bound {
  readonly sql: string;
  readonly bindings: readonly (string | boolean | null)[];
}

/** @param schema where the table stands or will stand, for its operators; null for the first of the search path */
export function defineDomain(
  name: string,
  definition: ElementDefinition,
  schema: string | null,
  deferred = false,
): Bound {
  return {
    sql: 'select oubli.define_element(?, ?::jsonb, coalesce(?, current_schema())::name, ?::boolean)',
    bindings: [name, JSON.stringify(definition), schema, deferred],
  };
}

/** An existing column that gets a domain. */
export interface Protection {
  readonly column: string;
  readonly domain: string;
  readonly definition: ElementDefinition;
}

/** All columns at once: the table is rewritten once. */
export function beginTransition(table: string, protections: readonly Protection[]): Bound {
  return {
    sql: 'select oubli.begin_transition(?::regclass, ?::jsonb)',
    bindings: [table, JSON.stringify(protections)],
  };
}

export function endTransition(table: string, column: string): Bound {
  return { sql: 'select oubli.end_transition(?::regclass, ?)', bindings: [table, column] };
}

/** @param table quoted, as it would stand in SQL */
export function annotateColumn(table: string, column: string, spec: SettledPersonalSpec | NotPersonalSpec): Bound {
  return {
    sql: 'select oubli.annotate_column(?::regclass, ?, ?::jsonb)',
    bindings: [table, column, JSON.stringify(spec)],
  };
}

export function indexColumn(table: string, column: string, unique: boolean): Bound {
  return { sql: 'select oubli.index_column(?::regclass, ?, ?::boolean)', bindings: [table, column, unique] };
}

export function indexTokens(table: string, column: string): Bound {
  return { sql: 'select oubli.index_tokens(?::regclass, ?)', bindings: [table, column] };
}

export function annotateSubjects(table: string, kind: string, spec: SettledSubjectSpec): Bound {
  return {
    sql: 'select oubli.annotate_table(?::regclass, ?, coalesce(?, oubli.only_primary_key(?::regclass)), ?::jsonb)',
    bindings: [table, kind, spec.id ?? null, table, JSON.stringify(stored(spec))],
  };
}

export function annotateData(table: string, spec: SettledTableSpec): Bound {
  return {
    sql: 'select oubli.annotate_table(?::regclass, null, null, ?::jsonb)',
    bindings: [table, JSON.stringify(stored(spec))],
  };
}

/** With the tables that are referred to as SQL writes them: they are found while the migration runs. */
function stored(spec: SettledSubjectSpec | SettledTableSpec): object {
  const { references, ...said } = spec;
  if (!references) return said;
  return { ...said, references: references.map((each) => ({ ...each, to: quotedTable(tableNameFrom(each.to)) })) };
}

export function refreshGuard(table: string): Bound {
  return { sql: 'select oubli.refresh_guard(?::regclass)', bindings: [table] };
}

/** After a table or column was dropped. */
export function tidyCatalogue(table?: string): Bound {
  const guard = table === undefined ? '' : `perform oubli.refresh_guard(${literal(table)}::regclass);`;
  return ifInstalled(`${guard} perform oubli.sweep_catalogue();`);
}

/** Before columns are dropped: what watches over a compound index that one of them carries depends on all of its columns. */
export function untieCompounds(table: string, columns: readonly string[]): Bound {
  const names = `array[${columns.map(literal).join(', ')}]::name[]`;
  return ifInstalled(`perform oubli.untie_compound(${literal(table)}::regclass, col) from unnest(${names}) col;`);
}

/** After a column was renamed. */
export function renameColumn(table: string, from: string, to: string): Bound {
  const target = `${literal(table)}::regclass`;
  return ifInstalled(`perform oubli.rename_column(${target}, ${literal(from)}, ${literal(to)});
    perform oubli.rename_archived(${target}, ${literal(from)}, ${literal(to)});
    perform oubli.refresh_guard(${target});`);
}

/** After a table was renamed, or copied with its types. */
export function renewGuard(table: string): Bound {
  return ifInstalled(`perform oubli.refresh_guard(${literal(table)}::regclass);`);
}

/** Before a constraint or an index is laid over columns of a table that exists: whether they are sealed, only it knows. */
export function refuseConstraint(table: string, columns: readonly string[], what: string): Bound {
  const names = `array[${columns.map(literal).join(', ')}]::name[]`;
  return ifInstalled(`perform oubli.refuse_constraint(${literal(table)}::regclass, ${names}, ${literal(what)});`);
}

/** Before `.alter()` gives a column another type, which would end its protection. */
export function refuseNewType(table: string, column: string): Bound {
  return ifInstalled(`perform oubli.refuse_new_type(${literal(table)}::regclass, ${literal(column)});`);
}

/** For statements that tables of other databases need too: they do nothing where the library's schema is not installed. */
function ifInstalled(block: string): Bound {
  return {
    sql: `do $oubli$ begin if to_regprocedure('oubli.refresh_guard(regclass)') is not null then ${block} end if; end $oubli$`,
    bindings: [],
  };
}
