/**
 * Tables that look like the history of a personal one (ERASURE.md G4): the same columns, no reference to anything, and no migration
 * that speaks of them. An erasure cannot find them, so that everybody would live on in them.
 */
import { type Catalogue, isPersonal, type Table } from '../catalogue/model';
import type { Finding } from './finding';

/** Every such table, with the declaration by which its rows leave with their person. */
export function undeclaredHistories(catalogue: Catalogue): Finding[] {
  const personal = catalogue.tables.filter(
    (table) => table.declaration && [...table.columns.values()].some(isPersonal),
  );
  return catalogue.tables.flatMap((table) => {
    if (table.declaration || table.isView || table.isArchive || catalogue.keysFrom(table).length > 0) return [];
    const origin = personal.find((each) => looksLikeHistory(catalogue, table, each));
    return origin ? [finding(table, origin)] : [];
  });
}

/** It has every personal column of the other one, and most of its columns. A partition has them too, and is no history. */
function looksLikeHistory(catalogue: Catalogue, table: Table, origin: Table): boolean {
  if (catalogue.family(origin).includes(table)) return false;
  const columns = [...origin.columns.values()];
  const shared = columns.filter(({ name }) => table.columns.has(name));
  return columns.filter(isPersonal).every((column) => shared.includes(column)) && shared.length * 2 > columns.length;
}

function finding(table: Table, origin: Table): Finding {
  const key = origin.primaryKey.length > 0 ? origin.primaryKey : ['id'];
  const written = (names: readonly string[]): string => `[${names.map((name) => `'${name}'`).join(', ')}]`;
  const columns = [...origin.columns.values()].filter(isPersonal).map(({ name }) => name);
  return {
    check: 'history',
    table: table.displayName,
    column: columns.join(', '),
    says: `${table.displayName} has the personal columns of ${origin.displayName} (${columns.join(', ')}) and refers to nothing: an erasure does not find its rows`,
    fix:
      `await annotate(knex, '${table.displayName}', { data: { purpose: '…', basis: '…', ` +
      `references: [{ columns: ${written(key)}, to: '${origin.displayName}', on: ${written(key)} }] }, columns: { … } })`,
  };
}
