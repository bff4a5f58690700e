/**
 * Knex's schema builder with declarations understood: `.personal()` and its kin, compiled into the same sequence of
 * statements as the table, so that they live and die with the migration's transaction. Works without keys, since a migration
 * has none to hand.
 */
import { AnnotationError } from '../errors';
import { quoteIdentifier } from '../queryable';
import { archiveOf } from '../schema/archive-store';
import { asAnnotationError } from '../schema/migration-errors';
import {
  annotateData,
  annotateSubjects,
  type Bound,
  refreshGuard,
  refuseNewType,
  renameColumn,
  renewGuard,
  tidyCatalogue,
  untieCompounds,
} from '../schema/statements';
import { tableDeclarations } from './annotation-methods';
import {
  afterColumn,
  beforeColumn,
  beforeConstraints,
  type DeclaredColumn,
  declaredColumns,
  domainOf,
  mapped,
} from './declared-columns';
import { type Class, type CompiledQuery, type Connection, type InternalClient, subclassed } from './internals';
import type { ColumnCompiler, SchemaCompiler, TableCompiler } from './schema-internals';

/** On the prototype of every client that understands declarations. */
const ANNOTATES = Symbol.for('oubli.annotates');

export function annotatingClient(Base: Class<InternalClient>): Class<InternalClient> {
  if (ANNOTATES in Base.prototype) return Base;
  const tables = new WeakMap<object, Class<TableCompiler>>();
  const columns = new WeakMap<object, Class<ColumnCompiler>>();
  const schemas = new WeakMap<object, Class<SchemaCompiler>>();

  class AnnotatingClient extends Base {
    override tableCompiler(builder: object): object {
      return subclassed(super.tableCompiler(builder) as TableCompiler, tables, annotatingTableCompiler);
    }

    override columnCompiler(table: object, column: object): object {
      return subclassed(super.columnCompiler(table, column) as ColumnCompiler, columns, domainColumnCompiler);
    }

    override schemaCompiler(builder: object): object {
      return subclassed(super.schemaCompiler(builder) as SchemaCompiler, schemas, tidyingSchemaCompiler);
    }

    override async _query(connection: Connection, query: CompiledQuery): Promise<CompiledQuery> {
      try {
        return await super._query(connection, query);
      } catch (error) {
        throw asAnnotationError(error);
      }
    }
  }
  Object.defineProperty(AnnotatingClient.prototype, ANNOTATES, { value: true });
  return AnnotatingClient;
}

/** A protected column's type is its element's domain. */
function domainColumnCompiler(Base: Class<ColumnCompiler>): Class<ColumnCompiler> {
  return class DomainColumnCompiler extends Base {
    override getColumnType(): string {
      const domain = domainOf(this);
      return domain === undefined ? super.getColumnType() : `oubli.${quoteIdentifier(domain)}`;
    }

    declaredType(): string {
      return super.getColumnType();
    }
  };
}

function annotatingTableCompiler(Base: Class<TableCompiler>): Class<TableCompiler> {
  return class AnnotatingTableCompiler extends Base {
    override create(ifNot?: boolean, like?: boolean): void {
      const declared = declaredColumns(this);
      const says = declared.length > 0 || tableDeclarations.has(this.tableBuilder);
      if (ifNot && says) throw new AnnotationError('IF_NOT_EXISTS', { table: this.tableNameRaw });
      this.around(declared, () => super.create(ifNot, like));
      if (like) push(this, renewGuard(this.tableName()));
    }

    override alter(): void {
      const [altered] = declaredColumns(this, 'alter');
      if (altered) throw new AnnotationError('ALTER_DECLARED', { table: this.tableNameRaw, column: altered.name });
      for (const column of this.getColumns('alter').filter(changesItsType)) {
        push(this, refuseNewType(this.tableName(), mapped(this, column.getColumnName())));
      }
      for (const statement of beforeConstraints(this)) push(this, statement);
      this.around(declaredColumns(this), () => super.alter());
    }

    override dropColumn(...names: unknown[]): void {
      const dropped = names.flat().map((name) => mapped(this, String(name)));
      push(this, untieCompounds(this.tableName(), dropped));
      super.dropColumn(...names);
      push(this, tidyCatalogue(this.tableName()));
    }

    override renameColumn(from: string, to: string): unknown {
      const result = super.renameColumn(from, to);
      push(this, renameColumn(this.tableName(), mapped(this, from), mapped(this, to)));
      return result;
    }

    private around(declared: readonly DeclaredColumn[], emit: () => void): void {
      for (const column of declared) for (const statement of beforeColumn(this, column)) push(this, statement);
      emit();
      const table = tableDeclarations.get(this.tableBuilder);
      if (declared.length === 0 && !table) return;
      for (const column of declared) for (const statement of afterColumn(this, column)) push(this, statement);
      if (table?.subjects) push(this, annotateSubjects(this.tableName(), table.subjects.kind, table.subjects.spec));
      if (table?.data) push(this, annotateData(this.tableName(), table.data));
      for (const each of archiveOf(this.tableName(), table?.data?.retention?.archive)) push(this, each);
      push(this, refreshGuard(this.tableName()));
    }
  };
}

/** What is dropped takes its declarations along; what is renamed keeps them. */
function tidyingSchemaCompiler(Base: Class<SchemaCompiler>): Class<SchemaCompiler> {
  return class TidyingSchemaCompiler extends Base {
    override dropTable(name: string): unknown {
      return this.thenTidy(super.dropTable(name));
    }

    override dropTableIfExists(name: string): unknown {
      return this.thenTidy(super.dropTableIfExists(name));
    }

    override dropSchema(name: string, cascade?: boolean): unknown {
      return this.thenTidy(super.dropSchema(name, cascade));
    }

    override dropSchemaIfExists(name: string, cascade?: boolean): unknown {
      return this.thenTidy(super.dropSchemaIfExists(name, cascade));
    }

    override renameTable(from: string, to: string): unknown {
      const result = super.renameTable(from, to);
      this.pushQuery({ sql: renewGuard(this.qualifiedTableName(to)).sql });
      return result;
    }

    private thenTidy(result: unknown): unknown {
      this.pushQuery({ sql: tidyCatalogue().sql });
      return result;
    }
  };
}

/** `.alter({ alterType: false })` changes nullability or the default only. */
function changesItsType({ columnBuilder }: ColumnCompiler): boolean {
  return columnBuilder.alterType === true;
}

function push(table: TableCompiler, { sql, bindings }: Bound): void {
  table.pushQuery({ sql, bindings: [...bindings] });
}
