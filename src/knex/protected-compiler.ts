/**
 * Knex's query compiler with protected columns understood: what is written is marked for sealing, what is compared is rewritten,
 * and what cannot work over sealed values is refused by name. What Knex compiles for other columns is left exactly as it is.
 */
import { type Catalogue, needsKey, type Table } from '../catalogue/model';
import { anchorColumns } from '../catalogue/subject-path';
import { overrideClauses } from './clauses';
import { nameOf, protectedColumn, refuse, refuseTable, sealedColumn } from './columns';
import { compoundOfConflict, storedIndex } from './compound-predicates';
import { conflictColumns } from './conflict-target';
import { compileDecryptedOrder } from './decrypted-order';
import { compileApart, compileWithin, currentFrame } from './frame';
import {
  type Class,
  type CompiledQuery,
  type InternalCompiler,
  type PreparedInsert,
  quoted,
  type SingleClauses,
  type Statement,
  verbatim,
} from './internals';
import { MOST_SUBJECTS_PER_UPDATE, refuseRepeatedWrites } from './narrowed-update';
import { indexExpression } from './predicates';
import { Scope } from './scope';
import {
  countedByIndex,
  refuseDistinct,
  refuseGrouping,
  refuseJsonColumns,
  refuseOrdering,
  refuseSetOperations,
  refuseWindow,
} from './selection';
import type { SubjectRow } from './subject-row';
import { concealUndescribed } from './undescribed';
import { canBeUnnested, sentAsBytes, unnestedBody } from './unnested';
import { peopleOfUpdate } from './update-people';
import { boundToPeople } from './update-subject';
import { isWatched } from './watched-names';
import { InsertMarks, markUpdate, type RowOf, refuseTornCompound, sealsAnything } from './writes';

export function protectedCompiler(Base: Class<InternalCompiler>, catalogue: () => Catalogue): Class<InternalCompiler> {
  class ProtectedCompiler extends Base {
    // Declared only: an instance is made by Knex and given this prototype afterwards, so initialisers would not run.
    /** Rows of the insert being compiled; one of them is what a merge with an object speaks of. */
    declare private inserted: InsertMarks | undefined;
    /** An insert whose rows are marked already. */
    declare private prepared: PreparedInsert | string | undefined;
    /** While a merge lists the columns of its insert, which must not include an id that was added to it. */
    declare private merging: boolean | undefined;
    /** The people of the row an update is bound to, when they had to be selected first. */
    declare private narrowing: readonly SubjectRow[] | undefined;

    override toSQL(method?: string, tz?: string): CompiledQuery {
      const scope = Scope.of(this.builder, catalogue(), currentFrame()?.scope);
      return compileWithin(
        scope,
        () => {
          compileDecryptedOrder(this, method ?? this.method);
          return super.toSQL(method, tz);
        },
        (query, facts) => {
          facts.after = this.single.after;
          concealUndescribed(query, facts, catalogue);
        },
      );
    }

    override where(): string | undefined {
      const sql = super.where();
      return this.narrowing ? boundToPeople(this, this.narrowing, sql) : sql;
    }

    override _prepInsert(data: unknown): PreparedInsert | string {
      if (this.prepared !== undefined) return this.prepared;
      const table = watchedTarget();
      const prepared = super._prepInsert(data);
      if (!table || this.merging) return prepared;
      if (typeof prepared === 'string') return refuseTable('INSERT_SELECT', table);
      const conflict = conflictColumns(this, catalogue(), table);
      const marks = new InsertMarks(table, catalogue(), prepared, nameOf(this), conflict, (among) =>
        this.mergesSealed(table, among),
      );
      this.inserted = marks;
      return marks.mark();
    }

    override _insertBody(rows: unknown): string {
      const table = Array.isArray(rows) && rows.length > 1 ? watchedTarget() : undefined;
      if (!table) return super._insertBody(rows);
      const prepared = this._prepInsert(rows);
      if (typeof prepared !== 'string' && canBeUnnested(prepared)) return unnestedBody(this, table, prepared);
      this.prepared = prepared;
      try {
        return super._insertBody(rows);
      } finally {
        this.prepared = undefined;
      }
    }

    override _buildInsertValues(prepared: PreparedInsert): string {
      return super._buildInsertValues(prepared === this.prepared ? sentAsBytes(prepared) : prepared);
    }

    override _prepUpdate(data: Record<string, unknown> = {}): string[] | string {
      const table = watchedTarget();
      if (!table) return super._prepUpdate(data);
      refuseCounters(this, table);
      return super._prepUpdate(markUpdate(table, data, nameOf(this), this.rowOfUpdate(table, data)));
    }

    override _merge(updates: unknown, columns: unknown, insert: unknown): string {
      const table = watchedTarget();
      if (table && (updates === undefined || Array.isArray(updates)))
        refuseTornCompound(table, (updates ?? keysOf(insert)).map(nameOf(this)));
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
      const compound = compoundOfConflict(this, names);
      if (compound) return `(${storedIndex(this, verbatim(quoted(compound.carrier.name)))})`;
      const parts = names.map((name) => {
        const found = sealedColumn(this, name);
        return found
          ? indexExpression(this, found, verbatim(quoted(found.column.name)))
          : this.formatter.columnize(name);
      });
      return `(${parts.join(', ')})`;
    }

    override _aggregate(statement: Statement, options?: unknown): string[] {
      return super._aggregate(countedByIndex(this, statement), options);
    }

    override _groupsOrders(type: string): string {
      if (type === 'group') refuseGrouping(this);
      else refuseOrdering(this);
      return super._groupsOrders(type);
    }

    override columns(): string {
      refuseDistinct(this);
      refuseJsonColumns(this);
      return super.columns();
    }

    override union(): string {
      refuseSetOperations(this, catalogue());
      return super.union();
    }

    override analytic(statement: Statement): string {
      refuseWindow(this, statement);
      return super.analytic(statement);
    }

    private mergesSealed(table: Table, among: (column: string) => boolean): boolean {
      const updates = this.single.merge?.updates;
      if (typeof updates !== 'object' || updates === null || Array.isArray(updates)) return false;
      return sealsAnything(table, updates as Record<string, unknown>, nameOf(this), among);
    }

    private rowOfUpdate(table: Table, data: Record<string, unknown>): RowOf {
      if (!needsKey(table)) return nobody;
      if (this.method === 'insert') return sealsAnything(table, data, nameOf(this)) ? this.rowOfMerge(table) : nobody;
      const { rowOf, unnamed } = peopleOfUpdate(this, catalogue(), table, data);
      if (unnamed.length > 0) this.narrow(table, unnamed);
      return rowOf;
    }

    private rowOfMerge(table: Table): RowOf {
      const [row, ...others] = this.inserted?.rows ?? [];
      return row === undefined || others.length > 0 ? refuseTable('MERGE_MANY', table) : row;
    }

    /** Selects whose rows the update would touch, first; then the update is bound to them. */
    private narrow(table: Table, rows: readonly SubjectRow[]): void {
      const frame = currentFrame();
      if (!frame || frame.isNested || this.single.updateFrom) refuseTable('UPDATE_UNPINNED', table);
      refuseRepeatedWrites(this, table);
      const query = this.builder.clone();
      query._method = 'select';
      const single: SingleClauses = { ...query._single };
      for (const clause of ['update', 'counter', 'returning', 'limit', 'offset'] as const) delete single[clause];
      query._single = single;
      query
        .clear('select')
        .clear('order')
        .limit(MOST_SUBJECTS_PER_UPDATE + 1);
      const anchors = new Set(rows.flatMap(({ path }) => anchorColumns(path)));
      query.distinct(...[...anchors].map((name) => verbatim(quoted(name))));
      frame.facts.narrowed = { rows, query: compileApart(() => query.toSQL()) };
      this.narrowing = rows;
    }
  }

  overrideClauses(ProtectedCompiler);
  return ProtectedCompiler;
}

const nobody: RowOf = () => undefined;

function watchedTarget(): Table | undefined {
  const frame = currentFrame();
  if (frame?.scope.targetIsOpaque) frame.facts.opaque = true;
  const table = frame?.scope.target;
  return table && isWatched(table) ? table : undefined;
}

function keysOf(insert: unknown): string[] {
  return [...new Set([insert].flat().flatMap((row) => Object.keys(row ?? {})))];
}

function refuseCounters(compiler: InternalCompiler, table: Table): void {
  for (const written of Object.keys(compiler.single.counter ?? {})) {
    const column = table.columns.get(nameOf(compiler)(written));
    if (column?.element) refuse('INCREMENT', { table, column });
  }
}
