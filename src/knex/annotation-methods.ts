/**
 * `.personal()`, `.notPersonal()`, `.dataSubject()`, `.personalData()` on Knex's schema builders. Knex's `extend` is global to
 * the process and throws when called twice, so this happens once; on a client that does not understand declarations the
 * methods throw instead of being ignored.
 */
import knexPackage from 'knex';
import { checkNotPersonal, checkPersonalSpec, type SettledPersonalSpec } from '../catalogue/check-personal';
import {
  checkSubjectSpec,
  checkTableSpec,
  type SettledSubjectSpec,
  type SettledTableSpec,
} from '../catalogue/check-table';
import type { NotPersonalSpec } from '../catalogue/spec';
import { ConfigurationError } from '../errors';

export interface ColumnDeclaration {
  readonly personal?: SettledPersonalSpec;
  readonly notPersonal?: NotPersonalSpec;
}

export interface TableDeclaration {
  readonly subjects?: { readonly kind: string; readonly spec: SettledSubjectSpec };
  readonly data?: SettledTableSpec;
}

/** By builder: what the migration said of it. */
export const columnDeclarations = new WeakMap<object, ColumnDeclaration>();
export const tableDeclarations = new WeakMap<object, TableDeclaration>();

interface AnyColumnBuilder {
  readonly client: object;
  readonly _args: unknown[];
  readonly _tableBuilder: { readonly _tableName: string };
}

interface AnyTableBuilder {
  readonly client: object;
  readonly _tableName: string;
}

const COLUMN_METHODS = {
  personal(this: AnyColumnBuilder, spec: unknown): AnyColumnBuilder {
    const [table, column] = namesOf(this, '.personal()');
    columnDeclarations.set(this, { personal: checkPersonalSpec(table, column, spec) });
    return this;
  },
  notPersonal(this: AnyColumnBuilder, because: unknown, measured?: unknown): AnyColumnBuilder {
    const [table, column] = namesOf(this, '.notPersonal()');
    columnDeclarations.set(this, { notPersonal: checkNotPersonal(table, column, because, measured) });
    return this;
  },
};

const TABLE_METHODS = {
  dataSubject(this: AnyTableBuilder, kind: string, spec: unknown): AnyTableBuilder {
    requireAnnotating(this.client, '.dataSubject()');
    tableDeclarations.set(this, { subjects: { kind, spec: checkSubjectSpec(this._tableName, kind, spec) } });
    return this;
  },
  personalData(this: AnyTableBuilder, spec: unknown): AnyTableBuilder {
    requireAnnotating(this.client, '.personalData()');
    tableDeclarations.set(this, { data: checkTableSpec(this._tableName, spec) });
    return this;
  },
};

function namesOf(builder: AnyColumnBuilder, method: string): [string, string] {
  requireAnnotating(builder.client, method);
  return [builder._tableBuilder._tableName, String(builder._args[0] ?? 'id')];
}

function requireAnnotating(client: object, method: string): void {
  if (!(Symbol.for('oubli.annotates') in client)) throw new ConfigurationError('NOT_ANNOTATING', { method });
}

interface Extensible {
  extend(name: string, method: (...args: never[]) => unknown): void;
}

const EXTENDED = Symbol.for('oubli.extended');

/** Hangs the methods in, once per process and Knex. */
export function addAnnotationMethods(): void {
  const builders = knexPackage.knex as unknown as {
    ColumnBuilder: Extensible;
    TableBuilder: Extensible;
    [EXTENDED]?: true;
  };
  if (builders[EXTENDED]) return;
  builders[EXTENDED] = true;
  for (const [name, method] of Object.entries(COLUMN_METHODS)) builders.ColumnBuilder.extend(name, method);
  for (const [name, method] of Object.entries(TABLE_METHODS)) builders.TableBuilder.extend(name, method);
}
