/**
 * What an anonymised row holds instead of a person (ERASURE.md A6, A7): NULL wherever the column allows it, else a value that
 * belongs to nobody, is unique by construction and stands in reserved space; or what the declaration asks for. Each column's
 * legal effect is its strategy's (`strategy.ts`), and the link to the person's key is gone in every case.
 */
import { type Catalogue, type Column, isPersonal, type Table } from '../catalogue/model';
import { AnnotationError } from '../errors';
import { quoteIdentifier as q } from '../queryable';
import type { TreatedColumn } from '../registers/receipt';
import type { Replacement } from './replacement';
import { replacementOf } from './strategy';

/**
 * The SET list that takes the person out of rows of a table.
 * @param alias of the table
 * @param salt SQL of a random text, so that replacements cannot be computed from the row's key
 * @throws AnnotationError REPLACEMENT_MISSING, STRATEGY_TYPE
 */
export function anonymisingAssignments(table: Table, alias: string, salt: string): string[] {
  const mark = `${rowName(table, alias)} || ${salt}`;
  return personalColumns(table).flatMap((column) => {
    const { value } = replacementOf(table, column, alias, mark);
    return value === undefined ? [] : [`${q(column.name)} = ${value}`];
  });
}

/** What stands in one column of an anonymised row. */
export function replacementIn(table: Table, column: Column, alias: string, salt: string): Replacement {
  return replacementOf(table, column, alias, `${rowName(table, alias)} || ${salt}`);
}

/**
 * SQL condition: the row was not anonymised yet. Without it, rows that stay would be due for ever.
 * @param columns those of one of several people; all personal ones otherwise
 */
export function stillPersonal(
  table: Table,
  alias: string,
  columns: readonly Column[] = personalColumns(table),
): string {
  const untouched = columns
    .map((column) => replacementOf(table, column, alias, "''").stands)
    .filter((stands) => stands !== 'true')
    .map((stands) => `not (${stands})`);
  return untouched.length === 0 ? 'false' : `(${untouched.join(' or ')})`;
}

/**
 * What is done to each personal column of an anonymised row, and what the law makes of that: for plan and receipt.
 * @param columns those that are hers, where others' stand in the row too
 */
export function treatmentOf(table: Table, columns: readonly Column[] = personalColumns(table)): TreatedColumn[] {
  return columns.map((column) => {
    const { strategy, effect } = replacementOf(table, column, 't', "''");
    return { column: column.name, strategy, effect };
  });
}

/** Why the rows of a table cannot be anonymised by what is declared; none where they can. */
export function refusedTreatments(catalogue: Catalogue, table: Table): string[] {
  const treated = personalColumns(table).map((column): [Column, Replacement | undefined] => [
    column,
    replacementIfAny(table, column),
  ]);
  return [
    ...treated.flatMap(([column, replacement]) => refusal(table, column, replacement)),
    ...clashes(catalogue, table, treated),
  ];
}

function refusal(table: Table, column: Column, replacement: Replacement | undefined): string[] {
  const place = `${table.displayName}.${column.name}`;
  if (replacement?.effect === 'pseudonymises (still personal)') {
    return [
      `${place} would stay a pseudonym, which is personal data still (GDPR recital 26) and never closes an erasure`,
    ];
  }
  const { generatedFrom } = column;
  const follows = generatedFrom?.some((name) => isPersonal(table.columns.get(name) as Column)) ?? true;
  return follows
    ? []
    : [`${place} is computed from columns of which none is declared personal, and would stay as it is`];
}

/** Columns that no two rows may share must not get the same value in all of them. */
function clashes(
  catalogue: Catalogue,
  table: Table,
  treated: readonly (readonly [Column, Replacement | undefined])[],
): string[] {
  const replaced = new Map(treated.map(([{ name }, replacement]) => [name, replacement]));
  const keys = catalogue.uniqueKeysOf(table);
  return keys.flatMap(({ columns, nullsDistinct }) => {
    const touched = columns.filter((name) => replaced.get(name)?.value !== undefined);
    const differ = touched.some((name) => {
      const { unique, strategy } = replaced.get(name) as Replacement;
      return unique || (strategy === 'null' && nullsDistinct);
    });
    const left = columns.filter((name) => !replaced.has(name));
    const known = keys.some((other) => other.columns.every((name) => left.includes(name)));
    if (touched.length === 0 || differ || known) return [];
    return [
      `${table.displayName}(${columns.join(', ')}) is unique, and anonymised rows would all hold the same in ${touched.join(', ')}: leave out what is declared for them, and each gets a value of its own`,
    ];
  });
}

/** @returns undefined where there is none: an error of its own says so, with the correction, when the plan is applied */
function replacementIfAny(table: Table, column: Column): Replacement | undefined {
  try {
    return replacementOf(table, column, 't', "''");
  } catch (error) {
    if (error instanceof AnnotationError) return undefined;
    throw error;
  }
}

function personalColumns(table: Table): Column[] {
  return [...table.columns.values()].filter(isPersonal);
}

/** A text that tells the rows of a table apart. */
function rowName(table: Table, alias: string): string {
  if (table.primaryKey.length === 0) return `${alias}.tableoid::bigint || ' ' || ${alias}.ctid`;
  return table.primaryKey.map((name) => `${alias}.${q(name)}::text`).join(` || ',' || `);
}
