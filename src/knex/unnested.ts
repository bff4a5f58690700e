/**
 * The rows of an insert as one array for each column, `insert … select … from unnest(…)`: PostgreSQL parses a statement of a few
 * words instead of one with a parameter for each value. What is in the rows was checked and marked as for any other insert.
 */
import type { Column, Table } from '../catalogue/model';
import { AnnotationError, type ErrorCode, UnsupportedQueryError } from '../errors';
import { isExpression, nameOf } from './columns';
import { currentFrame } from './frame';
import { Around, type InternalCompiler, type PreparedInsert } from './internals';
import { AnchorMarker, isMarked, refuseInside, SealMarker } from './marker';

/**
 * Whether the rows say the same as arrays as they do as a list of values: each gives the same columns, and what it gives is a value.
 * Then every insert of several rows is sent so: PostgreSQL sets up the check of a sealed column once, not once for each value.
 */
export function canBeUnnested({ columns, values }: PreparedInsert): boolean {
  const given = columns.map((_, place) => isGivenAnywhere(values, place));
  return (
    given.includes(true) && values.every((row) => given.every((isGiven, place) => !isGiven || isPlainValue(row[place])))
  );
}

/** An array would have to be wrapped, and only `insertMany` says what becomes of a value that is not there. */
function isPlainValue(value: unknown): boolean {
  return value !== undefined && typeof value !== 'function' && !Array.isArray(value) && !isExpression(value);
}

/**
 * Rows that do not all give the same, as a list of values. Sealed values are sent as plain bytes, which PostgreSQL checks as they are
 * stored: parameters of a domain's type would have it set up the domain's check once for each, 8 µs a value.
 */
export function sentAsBytes({ columns, values }: PreparedInsert): PreparedInsert {
  return { columns, values: values.map((row) => row.map(asBytes)) };
}

function asBytes(value: unknown): unknown {
  return value instanceof SealMarker && value.element.protect === 'encrypt' ? new Around('?::bytea', value) : value;
}

/** The columns of an insert, and its rows as a sub-select. */
export function unnestedBody(compiler: InternalCompiler, { columns, values }: PreparedInsert): string {
  const table = target(compiler);
  const names = columns.map((column, place) => nameAt(column, values, place, nameOf(compiler)));
  const given = columns.flatMap((_, place) => (isGivenAnywhere(values, place) ? [place] : []));
  if (given.length === 0) throw refusal('ROWS_UNEVEN', table, undefined);
  const parts = given.map((place) => {
    const column = table.columns.get(names[place] ?? '');
    compiler.bindingsHolder.bindings.push(cells(table, names[place], column, values, place));
    return { written: columns[place], sent: sentAs(column), cast: castTo(column) };
  });
  const written = compiler.formatter.columnize(parts.map((part) => part.written));
  const selected = parts.map(({ cast }, i) => `c${i}${cast}`).join(', ');
  const arrays = parts.map(({ sent }) => `?::${sent}[]`).join(', ');
  const aliases = parts.map((_, i) => `c${i}`).join(', ');
  return `(${written}) select ${selected} from unnest(${arrays}) as u(${aliases})`;
}

/** An array as the value of one cell: within an array, `pg` would make a dimension of it. */
class ArrayCell {
  constructor(private readonly value: readonly unknown[]) {}

  /** https://node-postgres.com/features/types: asked of every object by `pg` */
  toPostgres(prepare: (value: unknown) => unknown): unknown {
    return prepare(this.value);
  }
}

/** Before they are marked: what is sealed is encoded by us, arrays included. */
export function wrapArrays(compiler: InternalCompiler, prepared: PreparedInsert): PreparedInsert {
  const table = target(compiler);
  const toName = nameOf(compiler);
  const sealed = prepared.columns.map((column) => table.columns.get(toName(column))?.element !== undefined);
  for (const row of prepared.values) {
    for (const [place, value] of row.entries()) {
      if (!Array.isArray(value) || sealed[place]) continue;
      if (isMarked(value)) throw new UnsupportedQueryError('PLACEHOLDER_AS_VALUE', { label: 'an array' });
      row[place] = new ArrayCell(value);
    }
  }
  return prepared;
}

function target(compiler: InternalCompiler): Table {
  const table = currentFrame()?.scope.target;
  if (table) return table;
  throw new AnnotationError('NO_SUCH_TABLE', { call: 'insertMany', table: String(compiler.single.table) });
}

/** The id that was added to the rows stands there as finished SQL; its marker knows its name. */
function nameAt(
  column: unknown,
  values: readonly (readonly unknown[])[],
  place: number,
  toName: (written: string) => string,
): string {
  if (typeof column === 'string') return toName(column);
  const added = values.map((row) => row[place]).find((cell) => cell instanceof AnchorMarker);
  return added?.label.split('.').at(-1) ?? '';
}

function isGivenAnywhere(values: readonly (readonly unknown[])[], place: number): boolean {
  return values.some((row) => row[place] !== undefined);
}

function cells(
  table: Table,
  name: string | undefined,
  column: Column | undefined,
  values: readonly (readonly unknown[])[],
  place: number,
): unknown[] {
  return values.map((row) => {
    const value = row[place];
    if (value === undefined) return missing(table, name, column);
    if (isExpression(value)) throw refusal('ROWS_EXPRESSION', table, name);
    refuseInside(value);
    return value;
  });
}

/** An array cannot say DEFAULT; where there is none, DEFAULT is NULL. */
function missing(table: Table, name: string | undefined, column: Column | undefined): null {
  if (column?.defaultSql !== undefined) throw refusal('ROWS_UNEVEN', table, name);
  return null;
}

/** Every type can be read from its text, and nearly all the faster for it; sealed values are bytes as they stand. */
function sentAs(column: Column | undefined): string {
  return column?.type === 'bytea' ? 'bytea' : 'text';
}

/**
 * A cast to `varchar(3)` would cut what an insert refuses: such types take text, and the column itself looks at its length.
 * (PostgreSQL, "Character Types": an explicit cast truncates without raising an error.)
 */
function castTo(column: Column | undefined): string {
  const type = column?.type ?? 'text';
  if (type === 'bytea' || type === 'text') return '';
  const array = type.endsWith('[]') ? '[]' : '';
  if (/^("char"|char|bpchar|name)\b|^character/.test(type)) return array ? '::text[]' : '';
  return /^bit\b/.test(type) ? `::bit varying${array}` : `::${type.replaceAll('?', '\\?')}`;
}

function refusal(code: ErrorCode & `ROWS_${string}`, table: Table, column: string | undefined): UnsupportedQueryError {
  return new UnsupportedQueryError(code, { table: table.name, column });
}
