/**
 * A table as a person writes it to `annotate()` and `backfill()`: `customers`, `billing.customers`, or quoted as in SQL where a
 * name holds a dot: `"eu.west".customers`. Unquoted letters stay as they are, as in Knex.
 */
import { AnnotationError } from '../errors';
import { quoteIdentifier } from '../queryable';
import type { Catalogue, Table } from './model';
import { suggest } from './suggest';

export interface TableName {
  readonly schema?: string;
  readonly name: string;
}

const PART = '(?:"((?:[^"]|"")+)"|([^".]+))';
const WRITTEN = new RegExp(`^(?:${PART}\\.)?${PART}$`);

export function tableNameFrom(written: string): TableName {
  const [, quotedSchema, bareSchema, quotedName, bareName] = WRITTEN.exec(written) ?? [];
  const schema = unquoted(quotedSchema) ?? bareSchema;
  const name = unquoted(quotedName) ?? bareName ?? written;
  return schema === undefined ? { name } : { schema, name };
}

/** As it would stand in SQL. */
export function quotedTable({ schema, name }: TableName): string {
  return [schema, name].flatMap((part) => (part === undefined ? [] : [quoteIdentifier(part)])).join('.');
}

/** @throws AnnotationError NO_SUCH_TABLE, or AMBIGUOUS_NAME where several schemas hold it and none was named */
export function tableNamed(catalogue: Catalogue, written: string, call: string): Table {
  const { schema, name } = tableNameFrom(written);
  const [found, ...others] = catalogue.named(name, schema);
  if (!found) {
    const names = catalogue.tables.map((table) => table.name);
    throw new AnnotationError('NO_SUCH_TABLE', { call, table: written, suggestion: suggest(name, names) });
  }
  if (others.length === 0) return found;
  const schemas = [found, ...others].map((table) => table.schema).sort();
  throw new AnnotationError('AMBIGUOUS_NAME', { call, table: name, schemas: schemas.join("', '"), schema: schemas[0] });
}

function unquoted(part: string | undefined): string | undefined {
  return part?.replaceAll('""', '"');
}
