/**
 * Knex's query compiler with protected columns understood. Each override answers for one clause: it rewrites what works over
 * sealed values, and refuses by name what cannot. What Knex compiles for other columns is left exactly as it is.
 */
import { hasSealedColumns, type Table } from '../catalogue/model';
import { anchorColumns, pathToSubject, type SubjectPath } from '../catalogue/subject-path';
import { type ErrorCode, UnsupportedQueryError } from '../errors';
import { columnNamed, protectedColumn, refuse, refuseSealed, sealedColumn } from './columns';
import { compileApart, compileWithin, currentFrame } from './frame';
import type { Class, CompiledQuery, InternalCompiler, PreparedInsert, SingleClauses, Statement } from './internals';
import { AnchorMarker } from './marker';
import { compareColumns, compareWithList, compareWithValue, indexExpression, isExpression } from './predicates';
import { Scope } from './scope';
import type { Seam } from './seam';
import { SubjectRow } from './subject-row';
import { InsertMarks, isGiven, isWatched, markUpdate, type NameOf, sealsAnything } from './writes';

type Clause = (statement: Statement) => string;

/** Clauses that compare, match or order bytes: nothing of theirs works over a sealed column. */
const REFUSED_CLAUSES: Record<string, ErrorCode> = {
  whereBetween: 'OPERATOR',
  havingBetween: 'OPERATOR',
  onBetween: 'OPERATOR',
  whereLike: 'OPERATOR',
  whereILike: 'OPERATOR',
  whereJsonObject: 'JSON',
  whereJsonPath: 'JSON',
  whereJsonSupersetOf: 'JSON',
  whereJsonSubsetOf: 'JSON',
  multiOnIn: 'TUPLE',
  multiHavingIn: 'TUPLE',
  onUsing: 'COLUMN_COMPARE',
};

export function protectedCompiler(Base: Class<InternalCompiler>, seam: Seam): Class<InternalCompiler> {
  class ProtectedCompiler extends Base {
    // Declared only: an instance is made by Knex and given this prototype afterwards, so initialisers would not run.
    /** Rows of the insert being compiled; one of them is what a merge with an object speaks of. */
    declare private inserted: SubjectRow[] | undefined;
    /** While a merge lists the columns of its insert, which must not include an id that was added to it. */
    declare private merging: boolean | undefined;
    /** The row an update is bound to, when its person had to be selected first. */
    declare private narrowing: SubjectRow | undefined;

    override toSQL(method?: string, tz?: string): CompiledQuery {
      const scope = Scope.of(this.builder, seam.catalogue, currentFrame()?.scope);
      return compileWithin(scope, () => super.toSQL(method, tz));
    }

    override where(): string | undefined {
      const sql = super.where();
      return this.narrowing ? narrowed(this, this.narrowing, sql) : sql;
    }

    override _prepInsert(data: unknown): PreparedInsert | string {
      const table = watchedTarget();
      const prepared = super._prepInsert(data);
      if (!table || this.merging) return prepared;
      if (typeof prepared === 'string') return refuseTable('INSERT_SELECT', table);
      const marks = new InsertMarks(table, seam.catalogue, prepared, nameOf(this), conflictColumn(this, table));
      const marked = marks.mark();
      this.inserted = marks.rows;
      return marked;
    }

    override _prepUpdate(data: Record<string, unknown> = {}): string[] | string {
      const table = watchedTarget();
      if (!table) return super._prepUpdate(data);
      refuseCounters(this, table);
      return super._prepUpdate(markUpdate(table, data, nameOf(this), this.rowOfUpdate(table, data)));
    }

    override _merge(updates: unknown, columns: unknown, insert: unknown): string {
      this.merging = true;
      try {
        return super._merge(updates, columns, insert);
      } finally {
        this.merging = false;
      }
    }

    override _onConflictClause(columns: unknown): string {
      const names = [columns].flat();
      if (!names.some((name) => protectedColumn(this, name))) return super._onConflictClause(columns);
      const parts = names.map((name) => {
        const found = sealedColumn(this, name);
        return found ? indexExpression(this, found, found.column.name) : this.formatter.columnize(name);
      });
      return `(${parts.join(', ')})`;
    }

    override _aggregate(statement: Statement, options?: unknown): string[] {
      const distinct = Boolean(statement.aggregateDistinct);
      if (statement.method !== 'count' || distinct) {
        const columns =
          typeof statement.value === 'string' ? statement.value : Object.values(statement.value ?? {}).flat();
        refuseSealed(this, columns, distinct ? 'DISTINCT' : 'AGGREGATE', { method: String(statement.method) });
      }
      return super._aggregate(statement, options);
    }

    override _groupsOrders(type: string): string {
      for (const item of this.grouped[type] ?? [])
        refuseSealed(this, item.value, type === 'group' ? 'GROUP_BY' : 'ORDER_BY');
      return super._groupsOrders(type);
    }

    override columns(): string {
      for (const statement of this.grouped.columns ?? []) {
        if (statement.distinct || statement.distinctOn)
          refuseSealed(this, statement.value, 'DISTINCT', { method: 'distinct' });
        if (statement.type === 'json') refuseSealed(this, columnsOfJson(statement), 'JSON');
      }
      return super.columns();
    }

    override union(): string {
      for (const each of this.grouped.union ?? [])
        if (each.clause !== 'union all') refuseSetOperation(this, seam, each);
      return super.union();
    }

    override analytic(statement: Statement): string {
      refuseSealed(this, statement.partitions ?? [], 'ANALYTIC');
      refuseSealed(this, statement.order ?? [], 'ANALYTIC');
      return super.analytic(statement);
    }

    private rowOfUpdate(table: Table, data: Record<string, unknown>): SubjectRow | undefined {
      if (!hasSealedColumns(table)) return undefined;
      const path = pathToSubject(seam.catalogue, table);
      const anchor = anchorInWhere(this, anchorColumns(path));
      if (this.method !== 'insert') refuseMoving(this, path, anchor, data);
      if (!sealsAnything(table, data, nameOf(this))) return undefined;
      if (this.method === 'insert') return this.rowOfMerge(table);
      const row = new SubjectRow(path, anchor);
      if (!anchor) this.narrow(table, row);
      return row;
    }

    private rowOfMerge(table: Table): SubjectRow {
      const [row, another] = this.inserted ?? [];
      return row && !another ? row : refuseTable('MERGE_MANY', table);
    }

    /** Selects whose rows the update would touch, first; then the update is bound to them. */
    private narrow(table: Table, row: SubjectRow): void {
      const frame = currentFrame();
      if (!frame || frame.facts.narrowed || this.single.updateFrom) refuseTable('UPDATE_UNPINNED', table);
      const query = this.builder.clone();
      query._method = 'select';
      const single: SingleClauses & { limit?: unknown; offset?: unknown } = { ...query._single };
      for (const clause of ['update', 'counter', 'returning', 'limit', 'offset'] as const) delete single[clause];
      query._single = single;
      query
        .clear('select')
        .clear('order')
        .distinct(...anchorColumns(row.path));
      frame.facts.narrowed = { row, query: compileApart(() => query.toSQL()) };
      this.narrowing = row;
    }
  }

  override(ProtectedCompiler, ['whereBasic', 'havingBasic', 'onVal'], compareWithValue);
  override(ProtectedCompiler, ['whereIn', 'havingIn', 'onIn'], (compiler, statement) => {
    if (!Array.isArray(statement.column)) return compareWithList(compiler, statement);
    refuseSealed(compiler, statement.column, 'TUPLE');
    return undefined;
  });
  override(ProtectedCompiler, ['onBasic'], (compiler, { column, operator, value }) =>
    compareColumns(compiler, column, operator ?? '=', value),
  );
  for (const [clause, code] of Object.entries(REFUSED_CLAUSES)) {
    override(ProtectedCompiler, [clause], (compiler, statement) => {
      refuseSealed(compiler, statement.column, code, { operator: clause });
      return undefined;
    });
  }
  return ProtectedCompiler;
}

/** Puts our answer before Knex's own: SQL, the statement to compile instead, or undefined to leave it as it was. */
function override(
  target: Class<InternalCompiler>,
  clauses: readonly string[],
  answer: (compiler: InternalCompiler, statement: Statement) => string | Statement | undefined,
): void {
  for (const clause of clauses) {
    const original = target.prototype[clause] as Clause | undefined;
    if (!original) continue;
    target.prototype[clause] = function (this: InternalCompiler, statement: Statement): string {
      const ours = statement.asColumn
        ? compareColumns(this, statement.column, statement.operator ?? '=', statement.value)
        : answer(this, statement);
      return typeof ours === 'string' ? ours : original.call(this, ours ?? statement);
    };
  }
}

function watchedTarget(): Table | undefined {
  const frame = currentFrame();
  if (frame?.scope.targetIsOpaque) frame.facts.describe = true;
  const table = frame?.scope.target;
  return table && isWatched(table) ? table : undefined;
}

function nameOf(compiler: InternalCompiler): NameOf {
  return (written) =>
    compiler.client.customWrapIdentifier(
      written.split('.').at(-1) ?? '',
      (same) => same,
      compiler.builder.queryContext(),
    );
}

function refuseTable(code: ErrorCode, table: Table): never {
  const column = [...table.columns.values()].find((each) => each.element)?.name;
  throw new UnsupportedQueryError(code, { table: table.name, column });
}

function conflictColumn(compiler: InternalCompiler, table: Table): { column: string } | undefined {
  const { onConflict, merge } = compiler.single;
  if (!merge || !hasSealedColumns(table)) return undefined;
  const columns = [onConflict].flat();
  const [column] = columns;
  if (columns.length !== 1 || typeof column !== 'string') {
    const anchors = table.declaration?.is === 'subject' ? [table.declaration.column] : [];
    if (columns.some((each) => anchors.includes(String(each)))) return undefined;
    return refuseTable('MERGE_TARGET', table);
  }
  return { column: nameOf(compiler)(column) };
}

function refuseCounters(compiler: InternalCompiler, table: Table): void {
  for (const written of Object.keys(compiler.single.counter ?? {})) {
    const column = table.columns.get(nameOf(compiler)(written));
    if (column?.element) refuse('INCREMENT', { table, column });
  }
}

/** A sealed row cannot be handed to another person by writing its anchor: its values stay under the first one's key. */
function refuseMoving(
  compiler: InternalCompiler,
  path: SubjectPath,
  pinned: readonly unknown[] | undefined,
  data: Record<string, unknown>,
): void {
  const anchors = anchorColumns(path);
  for (const [written, value] of Object.entries(data)) {
    const place = anchors.indexOf(nameOf(compiler)(written));
    const column = path.table.columns.get(anchors[place] ?? '');
    if (column && String(pinned?.[place]) !== String(value)) refuse('SUBJECT_MOVED', { table: path.table, column });
  }
}

/** The anchor values that the where clause fixes by itself: top-level equalities joined by AND. */
function anchorInWhere(compiler: InternalCompiler, anchors: readonly string[]): unknown[] | undefined {
  const wheres = compiler.grouped.where ?? [];
  if (wheres.some((each, place) => place > 0 && each.bool === 'or')) return undefined;
  const values = anchors.map((anchor) => wheres.find((each) => pins(compiler, each, anchor))?.value);
  return values.every((value) => isGiven(value) && !isExpression(value)) ? values : undefined;
}

function pins(compiler: InternalCompiler, where: Statement, anchor: string): boolean {
  if (where.type !== 'whereBasic' || where.operator !== '=' || where.not || where.asColumn) return false;
  return columnNamed(compiler, where.column)?.column.name === anchor;
}

function narrowed(compiler: InternalCompiler, row: SubjectRow, sql: string | undefined): string {
  const pinned = anchorColumns(row.path).map((name, place) => {
    const marker = new AnchorMarker(`${row.path.table.name}.${name}`, row, place);
    return `${compiler.formatter.wrap(name)} = ${compiler.client.parameter(marker, compiler.builder, compiler.bindingsHolder)}`;
  });
  return `where ${sql ? `(${sql.slice('where '.length)}) and ` : ''}${pinned.join(' and ')}`;
}

function columnsOfJson(statement: Statement): unknown {
  const params = statement.params as { column?: unknown } | undefined;
  return [params?.column].flat(2);
}

function refuseSetOperation(compiler: InternalCompiler, seam: Seam, each: Statement): void {
  const branch = each.value as { _single?: unknown; _statements?: unknown } | undefined;
  const scopes = [currentFrame()?.scope];
  if (branch?._statements) scopes.push(Scope.of(branch as InternalCompiler['builder'], seam.catalogue, undefined));
  const table = scopes.find((scope) => scope?.protects)?.target;
  if (table && [...table.columns.values()].some((column) => column.element && selects(compiler, column.name))) {
    refuseTable('SET_OPERATION', table);
  }
}

/** Whether a column may be among those selected: named, or through `*`. */
function selects(compiler: InternalCompiler, column: string): boolean {
  const named = (compiler.grouped.columns ?? []).flatMap((statement) => [statement.value].flat());
  return (
    named.length === 0 ||
    named.some((name) => typeof name !== 'string' || name.includes('*') || name.split('.').at(-1) === column)
  );
}
