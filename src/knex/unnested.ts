/**
 * The rows of an insert as one array for each column, `insert … select … from unnest(…)`. PostgreSQL parses a statement of a few words
 * instead of one with a parameter for each value, and sets up the check of a sealed column once, not once for each value: 500 rows
 * with five sealed columns take it half the time. What is in the rows was checked and marked as for any other insert.
 */
import type { Table } from '../catalogue/model';
import { CellArray } from './cell-array';
import { isExpression, nameOf } from './columns';
import { Around, type InternalCompiler, type PreparedInsert, quoted } from './internals';
import { AnchorMarker, ClearMarker, Marker, SealMarker } from './marker';

type Values = PreparedInsert['values'];

/** Whether the rows say the same as arrays as they do as a list of values: each gives the same columns, and plain values. */
export function canBeUnnested({ columns, values }: PreparedInsert): boolean {
  const given = columns.map((_, place) => isGivenAnywhere(values, place));
  return (
    given.includes(true) && values.every((row) => given.every((isGiven, place) => !isGiven || isPlain(row[place])))
  );
}

/** What `pg` writes within an array as it does alone. Bytes and arrays it does not; an expression, and DEFAULT, are no values. */
function isPlain(value: unknown): boolean {
  if (value instanceof ClearMarker) return isPlain(value.value);
  if (value === null || value instanceof Marker || value instanceof Date) return true;
  if (typeof value !== 'object') return value !== undefined && typeof value !== 'function';
  return Object.getPrototypeOf(value) === Object.prototype && !('toPostgres' in value) && !isExpression(value);
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
export function unnestedBody(compiler: InternalCompiler, table: Table, { columns, values }: PreparedInsert): string {
  const given = columns.flatMap((column, place) =>
    isGivenAnywhere(values, place) ? [{ column, place, name: nameAt(column, values, place, nameOf(compiler)) }] : [],
  );
  const isSealed = given.map(({ name }) => table.columns.get(name)?.element?.protect === 'encrypt');
  given.forEach(({ place }, i) => {
    const cells = values.map((row) => row[place]);
    compiler.bindingsHolder.bindings.push(CellArray.holding(cells, isSealed[i] ?? false));
  });
  const written = compiler.formatter.columnize(given.map(({ column }) => column));
  const selected = given.map(({ name }, i) => (isSealed[i] ? `c${i}` : typedAsColumn(table, name, `c${i}`))).join(', ');
  const arrays = given.map((_, i) => (isSealed[i] ? '?::bytea[]' : '?::text[]')).join(', ');
  const aliases = given.map((_, i) => `c${i}`).join(', ');
  return `(${written}) select ${selected} from unnest(${arrays}) as u(${aliases})`;
}

/**
 * A value's text as a value of its column's type, whatever that is by now: what was known of the table when the statement was
 * compiled may be out of date, and a cast to a former type would alter values silently.
 */
function typedAsColumn(table: Table, name: string, alias: string): string {
  return `oubli.typed((null::${table.sqlName.replaceAll('?', '\\?')}).${quoted(name)}, ${alias})`;
}

/** The id that was added to the rows stands there as finished SQL; its marker knows its name. */
function nameAt(column: unknown, values: Values, place: number, toName: (written: string) => string): string {
  if (typeof column === 'string') return toName(column);
  const added = values.map((row) => row[place]).find((cell) => cell instanceof AnchorMarker);
  return added?.label.split('.').at(-1) ?? '';
}

function isGivenAnywhere(values: Values, place: number): boolean {
  return values.some((row) => row[place] !== undefined);
}
