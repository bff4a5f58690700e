/**
 * References beside what PostgreSQL enforces (ERASURE.md G1): polymorphic ones, where other columns of a row say to which table it
 * refers, and those that stand inside of JSON.
 */
import { type ForeignKey, INCOMPARABLE, type Table } from './model';

/** Whether another column says to which table it refers. */
export function isByType({ declared }: ForeignKey): boolean {
  return (declared?.when.length ?? 0) > 0;
}

/** Two references of which no row has both, or one and the same: the same columns say to which table, by different values. */
export function areAlternatives(one: ForeignKey, other: ForeignKey): boolean {
  if (one === other) return true;
  const [a, b] = [one.declared?.when ?? [], other.declared?.when ?? []];
  if (one.from !== other.from || a.length === 0 || a.length !== b.length) return false;
  return (
    a.every(([column], place) => column === b[place]?.[0]) && a.some(([, value], place) => value !== b[place]?.[1])
  );
}

/** Its columns, and those that say to which table it refers. */
export function referringColumns({ columns, declared }: ForeignKey): readonly string[] {
  return declared && declared.when.length > 0 ? [...columns, ...declared.when.map(([column]) => column)] : columns;
}

/** Whether the column is there to refer; one of JSON holds more than that. */
export function isKeyColumn(key: ForeignKey, name: string): boolean {
  return key.declared?.path === undefined && referringColumns(key).includes(name);
}

/** @param values of its referring columns, in order */
export function refers({ columns, declared }: ForeignKey, values: readonly unknown[]): boolean {
  return (declared?.when ?? []).every(([, value], place) => String(values[columns.length + place]) === value);
}

export function isComparable({ declared }: ForeignKey): boolean {
  return declared?.forms.every((form) => form !== INCOMPARABLE) ?? true;
}

/**
 * Whether a row can do without this reference: of a foreign key one column that may be NULL is enough (MATCH SIMPLE, PostgreSQL
 * manual 5.5.5); a type without its id would still say something, so both must.
 */
export function isNullable(table: Table, key: ForeignKey): boolean {
  if (key.declared?.path) return true;
  const columns = referringColumns(key).map((name) => table.columns.get(name)?.notNull === false);
  return key.declared ? columns.every(Boolean) : columns.some(Boolean);
}
