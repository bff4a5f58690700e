/**
 * The closed world of the declarations (POLICY.md P1): in a table that holds personal data, each column is declared personal
 * or not personal, or is part of a key. A column that is silent may hold anything, so it is a finding.
 */
import type { Catalogue, Column, Table } from '../catalogue/model';
import { isKeyColumn } from '../catalogue/reference';
import type { Finding } from './finding';

/** Every column of a personal table about which no migration said anything, by table and by position. */
export function undeclaredColumns(catalogue: Catalogue): Finding[] {
  return personalTables(catalogue).flatMap((table) =>
    [...table.columns.values()]
      .filter((column) => column.spec === undefined && !isPartOfKey(catalogue, table, column))
      .map((column) => finding(table, column)),
  );
}

/** Declared as a table, or by one of its columns: a lone personal column makes its neighbours suspect too. */
function personalTables(catalogue: Catalogue): Table[] {
  return catalogue.tables.filter(
    (table) =>
      table.declaration !== undefined || [...table.columns.values()].some((column) => column.spec !== undefined),
  );
}

/** A key says which row, not what about it; whether it singles a person out is for the table's declaration to say. */
function isPartOfKey(catalogue: Catalogue, table: Table, { name }: Column): boolean {
  return table.primaryKey.includes(name) || catalogue.keysFrom(table).some((key) => isKeyColumn(key, name));
}

function finding(table: Table, column: Column): Finding {
  const name = nameOf(table);
  return {
    check: 'declarations',
    table: name,
    column: column.name,
    says: `${name}.${column.name} (${column.type}) stands in a personal table, and nobody said whether it is personal`,
    fix:
      `await annotate(knex, ${literal(name)}, { columns: { ${fieldName(column.name)}: { notPersonal: 'say why' } } })` +
      `  // or { category: '…', protect: 'encrypt' }`,
  };
}

/** As `annotate()` takes it. */
function nameOf({ schema, name }: Table): string {
  return schema === 'public' ? name : `${schema}.${name}`;
}

function fieldName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : literal(name);
}

function literal(name: string): string {
  return `'${name.replace(/[\\']/g, '\\$&')}'`;
}
