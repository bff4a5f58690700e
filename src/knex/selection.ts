/**
 * What a select lists: which sealed columns are among it, and what an alias of it stands for. Comparing or ordering ciphertext
 * is refused here by name, wherever a builder can say it: distinct, group by, order by, union, aggregates, windows.
 */
import type { Catalogue } from '../catalogue/model';
import { columnNamed, isSealed, nameOf, refuse, refuseSealed, sealedColumn } from './columns';
import { currentFrame } from './frame';
import {
  type InternalBuilder,
  type InternalClient,
  type InternalCompiler,
  type Statement,
  verbatim,
} from './internals';
import { indexExpression } from './predicates';
import { databaseNames, type Resolved, Scope } from './scope';

interface Listed {
  readonly name: string;
  readonly alias?: string | undefined;
}

export function refuseDistinct(compiler: InternalCompiler): void {
  const columns = compiler.grouped.columns ?? [];
  for (const each of columns) {
    if (each.distinctOn) refuseSealed(compiler, each.value, 'DISTINCT', { method: 'distinctOn' });
  }
  const scope = currentFrame()?.scope;
  if (!scope || !columns.some((each) => each.distinct)) return;
  refuseWithoutRow(selectedColumns(compiler.builder, scope, compiler.client), 'DISTINCT', { method: 'distinct' });
}

export function refuseGrouping(compiler: InternalCompiler): void {
  const names = (compiler.grouped.group ?? []).flatMap((each) => [each.value].flat());
  const named = names.flatMap((name) => columnNamed(compiler, aliased(compiler, name)) ?? []);
  refuseWithoutRow(named, 'GROUP_BY');
}

export function refuseOrdering(compiler: InternalCompiler): void {
  for (const name of (compiler.grouped.order ?? []).flatMap((each) => [each.value].flat())) {
    refuseSealed(compiler, aliased(compiler, name), 'ORDER_BY');
  }
}

/** Counted by their blind indexes, different values are what an equality search tells apart; others are refused by name. */
export function countedByIndex(compiler: InternalCompiler, statement: Statement): Statement {
  const distinct = Boolean(statement.aggregateDistinct);
  if (statement.method !== 'count' || !distinct) {
    refuseAggregate(compiler, statement);
    return statement;
  }
  const index = (name: unknown): unknown => {
    const found = sealedColumn(compiler, name);
    return found ? verbatim(indexExpression(compiler, found, name)) : name;
  };
  const [value, alias] = typeof statement.value === 'string' ? statement.value.split(/\s+as\s+/i) : [statement.value];
  if (Array.isArray(value)) return { ...statement, value: value.map(index) };
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([as, names]) => [
      as,
      Array.isArray(names) ? names.map(index) : index(names),
    ]);
    return { ...statement, value: Object.fromEntries(entries) };
  }
  const counted = index(value);
  if (counted === value) return statement;
  const as = alias ?? statement.alias;
  return { ...statement, alias: undefined, value: as === undefined ? [counted] : { [String(as)]: counted } };
}

function refuseAggregate(compiler: InternalCompiler, statement: Statement): void {
  const distinct = Boolean(statement.aggregateDistinct);
  if (statement.method === 'count' && !distinct) return;
  const { value } = statement;
  const columns = typeof value === 'string' || Array.isArray(value) ? value : Object.values(value ?? {}).flat();
  refuseSealed(compiler, columns, distinct ? 'DISTINCT' : 'AGGREGATE', { method: String(statement.method) });
}

/** `union`, `intersect` and `except` compare rows; `union all` does not. */
export function refuseSetOperations(compiler: InternalCompiler, catalogue: Catalogue): void {
  const unions = (compiler.grouped.union ?? []).filter((each) => each.clause !== 'union all');
  const scope = currentFrame()?.scope;
  if (unions.length === 0 || !scope) return;
  const branches = unions.flatMap((each) => builderOf(compiler.client, each.value) ?? []);
  const selected = [
    ...selectedColumns(compiler.builder, scope, compiler.client),
    ...branches.flatMap((each) => selectedColumns(each, Scope.of(each, catalogue, scope), compiler.client)),
  ];
  const sealed = selected.find(isSealed);
  if (sealed) refuse('SET_OPERATION', sealed);
}

/** Rows that show their primary key are told apart by it: of those, ciphertext hides nothing. */
function refuseWithoutRow(
  columns: readonly Resolved[],
  code: 'DISTINCT' | 'GROUP_BY',
  more?: { method: string },
): void {
  for (const each of columns.filter(isSealed)) {
    const { primaryKey } = each.table;
    const shown = columns.filter((other) => other.table === each.table).map((other) => other.column.name);
    if (primaryKey.length === 0 || !primaryKey.every((name) => shown.includes(name))) refuse(code, each, more);
  }
}

const SELECTS = new Set([undefined, 'select', 'first']);

/** The one column that a sub-select lists by name, if that is all it lists. */
export function onlyColumn(
  builder: InternalBuilder,
  scope: Scope,
  client: InternalClient,
): { readonly written: string; readonly found: Resolved } | undefined {
  const lists = builder._statements.filter((each) => each.grouping === 'columns' && !isEmptyList(each));
  const [item, another] = listedBy(lists);
  const isUnion = builder._statements.some((each) => each.grouping === 'union');
  const isPlain = lists.length === 1 && !lists[0]?.distinct && !isUnion && SELECTS.has(builder._method);
  if (!item || another || !isPlain || item.name.endsWith('*')) return undefined;
  const [found] = selectedColumns(builder, scope, client);
  return found && { written: item.name, found };
}

function selectedColumns(builder: InternalBuilder, scope: Scope, client: InternalClient): Resolved[] {
  const listed = listedBy(builder._statements);
  const hasList = builder._statements.some((each) => each.grouping === 'columns' && !isEmptyList(each));
  return (hasList ? listed : [{ name: '*' }]).flatMap(({ name }) => {
    const { path } = databaseNames(name, client, builder.queryContext());
    if (name === '*') return scope.columnsOf();
    if (name.endsWith('.*')) return scope.columnsOf(path.at(-2));
    const found = scope.resolve(path);
    return found === undefined || found === 'opaque' ? [] : [found];
  });
}

function isEmptyList(statement: Statement): boolean {
  return Array.isArray(statement.value) && statement.value.length === 0;
}

function listedBy(statements: readonly Statement[]): Listed[] {
  return statements
    .filter((each) => each.grouping === 'columns' && each.type !== 'aggregate')
    .flatMap((each) => [each.value].flat())
    .flatMap((item): Listed[] => {
      if (typeof item === 'string') {
        const [name = '', alias] = item.split(/\s+as\s+/i);
        return [{ name: name.trim(), alias: alias?.trim() }];
      }
      if (typeof item !== 'object' || item === null || Object.getPrototypeOf(item) !== Object.prototype) return [];
      return Object.entries(item).flatMap(([alias, name]) => (typeof name === 'string' ? [{ name, alias }] : []));
    });
}

/** What a name in ORDER BY or GROUP BY means: an alias of the list goes before a column. */
function aliased(compiler: InternalCompiler, name: unknown): unknown {
  const written = typeof name === 'object' && name !== null && 'column' in name ? name.column : name;
  if (typeof written !== 'string' || written.includes('.')) return written;
  const map = nameOf(compiler);
  const meant = listedBy(compiler.builder._statements).find(({ alias }) => alias && map(alias) === map(written));
  return meant?.name ?? written;
}

/** A builder that was given as one, or as a function that makes one. */
export function builderOf(client: InternalClient, branch: unknown): InternalBuilder | undefined {
  if (typeof branch === 'function') {
    const builder = client.queryBuilder();
    branch.call(builder, builder);
    return builder;
  }
  return typeof branch === 'object' && branch !== null && '_statements' in branch
    ? (branch as InternalBuilder)
    : undefined;
}

/** A window over ciphertext means nothing. */
export function refuseWindow(compiler: InternalCompiler, { partitions, order }: Statement): void {
  refuseSealed(compiler, partitions ?? [], 'ANALYTIC');
  refuseSealed(compiler, order ?? [], 'ANALYTIC');
}

export function refuseJsonColumns(compiler: InternalCompiler): void {
  for (const statement of compiler.grouped.columns ?? []) {
    if (statement.type !== 'json') continue;
    const { column } = statement.params as { column?: unknown };
    // jsonExtract([['column', '$.path', 'alias'], …]) lists triples
    const columns = Array.isArray(column)
      ? column.map((each) => (Array.isArray(each) ? each[0] : each.column))
      : [column];
    for (const each of columns) {
      const found = sealedColumn(compiler, each);
      if (found) refuse('JSON', found);
    }
  }
}
