/**
 * Comparisons by a compound index: `where({ name, birth_date })`, `whereIn(['name', 'birth_date'], […])` and `onConflict` are
 * recognised where they name all its columns. Fewer of them cannot be looked for.
 */
import { type Compound, compoundsOf } from '../catalogue/compound';
import type { CompoundMember } from '../catalogue/model';
import { columnNamed, isExpression, labelOf, type ProtectedColumn, refuse } from './columns';
import type { InternalCompiler, Statement } from './internals';
import { CompoundMarker } from './marker';
import type { Resolved } from './scope';

/** Compiles one of several equalities that stand side by side; undefined where it is not one of a compound index. */
export function compareCompound(
  compiler: InternalCompiler,
  statement: Statement,
  { table, column, element }: ProtectedColumn,
): string | undefined {
  for (const compound of compoundsOf(table)) {
    if (!compound.columns.includes(column.name)) continue;
    const others = conjunction(compiler, statement).filter((each) => isEqualityBeside(each, statement));
    const parts = compound.columns.map((name) => others.find((each) => meant(compiler, each)?.column.name === name));
    if (!parts.every((each) => each !== undefined) || !parts.includes(statement)) continue;
    if (column !== compound.carrier) return saysMore(compound, column.name, element.normaliser) ? undefined : 'true';
    const values = parts.map((each) => each?.value);
    return `${storedIndex(compiler, statement.column)} = ${operand(compiler, compound, table.name, values)}`;
  }
  return undefined;
}

/** Compiles `(a, b) in ((…), (…))`; undefined where the columns are not those of a compound index. */
export function compareCompoundList(compiler: InternalCompiler, statement: Statement): string | undefined {
  const names = statement.column as readonly unknown[];
  const found = names.map((name) => columnNamed(compiler, name));
  const table = found[0]?.table;
  const compound = table && compoundsOf(table).find((each) => isExactly(each, found));
  const rows = statement.value;
  if (!compound || !Array.isArray(rows) || names.some((name) => qualifierOf(name) !== qualifierOf(names[0]))) return;
  const places = compound.columns.map((name) => found.findIndex((each) => each?.column.name === name));
  const operands = rows.map((row: unknown[]) =>
    operand(
      compiler,
      compound,
      table.name,
      places.map((place) => row[place]),
    ),
  );
  const carrier = names[places[0] as number];
  return `${storedIndex(compiler, carrier)} ${compiler._not(statement, 'in ')}(${operands.join(', ')})`;
}

/** The compound index that a conflict's columns name, all of them and no others. */
export function compoundOfConflict(compiler: InternalCompiler, names: readonly unknown[]): Compound | undefined {
  const found = names.map((name) => columnNamed(compiler, name));
  const table = found[0]?.table;
  return table && compoundsOf(table).find((each) => isExactly(each, found));
}

/** The indexed expression: the blind index inside the sealed value (ENVELOPE.md: 16 bytes from offset 8). */
export function storedIndex(compiler: InternalCompiler, written: unknown): string {
  return `substring(${compiler.formatter.wrap(written)}::bytea, 9, 16)`;
}

/** @throws UnsupportedQueryError COMPOUND_ALONE */
export function refuseAlone(found: Resolved, compound: readonly CompoundMember[]): never {
  return refuse('COMPOUND_ALONE', found, { others: compound.map(({ column }) => column).join(', ') });
}

function operand(compiler: InternalCompiler, compound: Compound, table: string, values: readonly unknown[]): string {
  const label = labelOf({ table: { name: table }, column: compound.carrier } as Resolved);
  return compiler.client.parameter(
    new CompoundMarker(compound.parts, label, values),
    compiler.builder,
    compiler.bindingsHolder,
  );
}

/** A column beside the carrier that is searched by itself too, and there otherwise. */
function saysMore({ carrier }: Compound, name: string, normaliser: string | undefined): boolean {
  const member = carrier.element?.compound?.find(({ column }) => column === name);
  return normaliser !== undefined && normaliser !== member?.as;
}

/** The conditions that are joined to one by `and`: `or` binds more loosely, so it ends them on either side. */
function conjunction(compiler: InternalCompiler, statement: Statement): readonly Statement[] {
  const all = compiler.grouped.where ?? [];
  const place = all.indexOf(statement);
  if (place === -1) return [];
  let from = place;
  while (from > 0 && all[from]?.bool === 'and') from--;
  let to = place + 1;
  while (to < all.length && all[to]?.bool === 'and') to++;
  return all.slice(from, to);
}

/** `column = value`, of the same table under the same name. */
function isEqualityBeside(each: Statement, statement: Statement): boolean {
  const { type, operator, not, value, column } = each;
  const isValue = value !== null && value !== undefined && !Array.isArray(value) && !isExpression(value);
  return (
    type === 'whereBasic' &&
    (operator ?? '=') === '=' &&
    !not &&
    !each.asColumn &&
    isValue &&
    qualifierOf(column) === qualifierOf(statement.column)
  );
}

function meant(compiler: InternalCompiler, { column }: Statement): Resolved | undefined {
  return columnNamed(compiler, column);
}

function isExactly({ columns }: Compound, found: readonly (Resolved | undefined)[]): boolean {
  const names = found.map((each) => each?.column.name);
  return names.length === columns.length && columns.every((name) => names.includes(name));
}

function qualifierOf(column: unknown): string | undefined {
  return typeof column === 'string' ? column.split('.').slice(0, -1).join('.') : undefined;
}
