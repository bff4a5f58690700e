/**
 * `orderByDecrypted`: rows are read without limit or offset, up to a cap, opened, sorted here, and cut to what was asked for. For
 * who needs the order of sealed values and knows that there are few; beyond the cap it is refused, not cut.
 */
import { UnsupportedQueryError } from '../errors';
import type { Row } from '../queryable';
import { protectedColumn } from './columns';
import { compareValues } from './compare-values';
import { currentFrame, factsOf } from './frame';
import type { CompiledQuery, Field, InternalCompiler, QueryResult, Statement } from './internals';
import { verbatim } from './internals';
import type { SortKey } from './sort-keys';

export interface DecryptedOrderOptions {
  /** The most rows that are read and sorted; with more, the query is refused. */
  readonly cap: number;
  /** `'asc'` unless said otherwise. */
  readonly direction?: 'asc' | 'desc';
  /** As in PostgreSQL: last when ascending, first when descending, unless said otherwise. */
  readonly nulls?: 'first' | 'last';
  /** Whose alphabet, as a BCP 47 tag: `'sv'` has å after z. `'en'` unless said otherwise, as every host knows it. */
  readonly locale?: string;
}

/** What stands among a builder's statements. */
export const GROUPING = 'decrypted order';

const READS = new Set(['select', 'first', 'pluck']);
/** Clauses whose rows would be others with the sorted column among them, or come from several lists. */
const REFUSED = ['group', 'union'] as const;

/** @throws UnsupportedQueryError BAD_DECRYPTED_ORDER for options that say nothing sensible */
export function decryptedOrderStatement(column: unknown, options: Partial<DecryptedOrderOptions> = {}): Statement {
  const { cap, direction = 'asc', nulls, locale = 'en', ...unknown } = options;
  const bad = (option: string, choices: string): never => {
    throw new UnsupportedQueryError('BAD_DECRYPTED_ORDER', { column: String(column), option, choices });
  };
  if (typeof column !== 'string') bad('column', "a column's name");
  if (!Number.isSafeInteger(cap) || Number(cap) < 1) bad('cap', 'the most rows to be sorted, 1000 for example');
  if (direction !== 'asc' && direction !== 'desc') bad('direction', "'asc' or 'desc'");
  if (nulls !== undefined && nulls !== 'first' && nulls !== 'last') bad('nulls', "'first' or 'last'");
  if (!isLocale(locale)) bad('locale', "a language, as 'en' or 'fr-CA'");
  for (const option of Object.keys(unknown)) bad(option, 'left out: there is no such option');
  const descending = direction === 'desc';
  const nullsFirst = nulls === undefined ? descending : nulls === 'first';
  return { grouping: GROUPING, type: GROUPING, column, value: cap, descending, nullsFirst, locale };
}

/** Takes the order out of a compiler that is about to compile: its rows come unordered, with what they are sorted by. */
export function compileDecryptedOrder(compiler: InternalCompiler, method: string): void {
  const statements = compiler.grouped[GROUPING];
  const frame = currentFrame();
  if (!statements || !frame) return;
  refuseMisplaced(compiler, method, statements, frame.isNested);
  const cap = Math.min(...statements.map((each) => Number(each.value)));
  const keys = statements.map((each, place) => keyOf(compiler, each, place));
  const { limit, offset } = compiler.single;
  frame.facts.sorted = { keys, cap, limit: wholeNumber(limit, keys), offset: wholeNumber(offset, keys) ?? 0 };
  const { columns = [] } = compiler.grouped;
  const listed = columns.length > 0 ? columns : [selecting('*')];
  const added = statements.map((each, place) =>
    selecting(verbatim(`${compiler.formatter.wrap(each.column)} as "${fieldName(place)}"`)),
  );
  compiler.grouped = { ...compiler.grouped, columns: [...listed, ...added] };
  compiler.single = { ...compiler.single, limit: cap + 1, offset: undefined, skipBinding: {} };
}

/** @throws UnsupportedQueryError ORDER_CAP, before anything is opened */
export function refuseBeyondCap(query: CompiledQuery, result: QueryResult | QueryResult[]): void {
  const sorted = factsOf(query)?.sorted;
  if (!sorted || Array.isArray(result) || result.rows.length <= sorted.cap) return;
  throw new UnsupportedQueryError('ORDER_CAP', { ...namesOf(sorted.keys), cap: sorted.cap });
}

/** The opened rows of a result in order, as many as were asked for, without what they were sorted by. */
export function sortDecrypted(query: CompiledQuery, result: QueryResult | QueryResult[]): void {
  const sorted = factsOf(query)?.sorted;
  if (!sorted || Array.isArray(result)) return;
  const { keys, limit, offset } = sorted;
  const rows = [...result.rows].sort(byKeys(keys, result.fields));
  const end = limit === undefined ? undefined : offset + limit;
  const last = result.fields.length - keys.length;
  result.rows = rows.slice(offset, end).map((row) => withoutKeys(row, keys, last));
  result.fields = result.fields.slice(0, last);
  result.rowCount = result.rows.length;
}

/** @throws UnsupportedQueryError ORDER_PLACE: a stream hands out rows before the last of them is known */
export function refuseSortedStream(query: CompiledQuery): void {
  const sorted = factsOf(query)?.sorted;
  if (sorted) refusePlace(namesOf(sorted.keys), '.stream()');
}

function refuseMisplaced(
  compiler: InternalCompiler,
  method: string,
  statements: readonly Statement[],
  isNested: boolean,
): void {
  const names = { table: undefined, column: String(statements[0]?.column) };
  if (isNested) refusePlace(names, 'a sub-query');
  if (!READS.has(method)) refusePlace(names, `.${method}()`);
  for (const clause of REFUSED) if (compiler.grouped[clause]) refusePlace(names, `'${clause}'`);
  if (compiler.grouped.columns?.some(({ distinct, distinctOn }) => distinct || distinctOn))
    refusePlace(names, "'distinct'");
  const all = compiler.builder._statements.map(({ grouping }) => grouping);
  if (all.includes('order') && all.indexOf('order') < all.lastIndexOf(GROUPING))
    refusePlace(names, 'an .orderBy() before it');
}

function refusePlace(names: { table?: string | undefined; column: string }, where: string): never {
  throw new UnsupportedQueryError('ORDER_PLACE', { ...names, where });
}

function keyOf(compiler: InternalCompiler, statement: Statement, place: number): SortKey {
  const found = protectedColumn(compiler, statement.column);
  const { protect, codec } = found?.element ?? {};
  if (!found || protect !== 'encrypt' || codec === undefined || codec === 'json')
    throw new UnsupportedQueryError('ORDER_DECRYPTS_NOTHING', { column: String(statement.column) });
  const { descending, nullsFirst, locale } = statement as unknown as SortKey;
  const label = `${found.table.name}.${found.column.name}`;
  return { field: fieldName(place), label, codec, descending, nullsFirst, locale };
}

function wholeNumber(given: unknown, keys: readonly SortKey[]): number | undefined {
  if (given === undefined || given === null || given === '') return undefined;
  const number = Number(given);
  if (typeof given === 'object' || !Number.isSafeInteger(number))
    return refusePlace(namesOf(keys), 'a raw limit or offset');
  return number;
}

function byKeys(keys: readonly SortKey[], fields: readonly Field[]): (a: Row, b: Row) => number {
  const orders = keys.map((key, place) => {
    const compare = compareValues(key.codec, key.locale, namesOf([key]));
    const at = fields.length - keys.length + place;
    const sign = key.descending ? -1 : 1;
    const read = (row: Row): unknown => (Array.isArray(row) ? row[at] : row[key.field]);
    return (rowA: Row, rowB: Row): number => {
      const [a, b] = [read(rowA), read(rowB)];
      if (a === null || b === null) return a === b ? 0 : (a === null) === key.nullsFirst ? -1 : 1;
      return sign * compare(a, b);
    };
  });
  return (a, b) => {
    for (const order of orders) {
      const decided = order(a, b);
      if (decided !== 0) return decided;
    }
    return 0;
  };
}

function withoutKeys(row: Row, keys: readonly SortKey[], last: number): Row {
  if (Array.isArray(row)) return row.slice(0, last) as unknown as Row;
  const rest = { ...row };
  for (const { field } of keys) delete rest[field];
  return rest;
}

function selecting(value: unknown): Statement {
  return { grouping: 'columns', type: 'columns', value: [value] };
}

/** With a space in it, which no mapper of names makes. */
function fieldName(place: number): string {
  return `oubli order ${place}`;
}

function namesOf(keys: readonly SortKey[]): { table: string | undefined; column: string } {
  const [table, column = ''] = (keys[0]?.label ?? '').split('.');
  return { table, column };
}

function isLocale(locale: unknown): boolean {
  return typeof locale === 'string' && /^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(locale);
}
