/**
 * The clauses of Knex's compiler that compare a column with something, one answer each: written anew where it works over sealed
 * values, refused by name where it cannot, and otherwise Knex's own text, whose personal values are hidden.
 */
import type { ErrorCode } from '../errors';
import { columnNamed, isClearPersonal, labelOf, refuseSealed } from './columns';
import { compareCompoundList } from './compound-predicates';
import { currentFrame } from './frame';
import type { Class, InternalCompiler, Statement } from './internals';
import { ClearMarker, Marker, refuseInside } from './marker';
import { compareColumns, compareWithList, compareWithValue } from './predicates';

type Clause = (statement: Statement) => string;
type Answer = (compiler: InternalCompiler, statement: Statement) => string | Statement | undefined;

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

/** @param target a subclass of Knex's compiler, made for us */
export function overrideClauses(target: Class<InternalCompiler>): void {
  override(target, ['whereBasic', 'havingBasic', 'onVal'], compareWithValue);
  override(target, ['whereIn', 'havingIn', 'onIn'], (compiler, statement) => {
    if (!Array.isArray(statement.column)) return compareWithList(compiler, statement);
    const compound = compareCompoundList(compiler, statement);
    if (compound === undefined) refuseSealed(compiler, statement.column, 'TUPLE');
    return compound;
  });
  override(target, ['onBasic'], (compiler, { column, operator, value }) =>
    compareColumns(compiler, column, operator ?? '=', value),
  );
  override(target, ['onJsonPathEquals'], (compiler, { columnFirst, columnSecond }) => {
    refuseSealed(compiler, [columnFirst, columnSecond], 'JSON');
    return undefined;
  });
  for (const [clause, code] of Object.entries(REFUSED_CLAUSES)) {
    override(target, [clause], (compiler, statement) => {
      refuseSealed(compiler, statement.column, code, { operator: clause });
      if (code === 'JSON') refuseInside({ json: statement.value });
      return undefined;
    });
  }
}

/** Puts our answer before Knex's own: SQL, the statement to compile instead, or undefined to leave it as it was. */
function override(target: Class<InternalCompiler>, clauses: readonly string[], answer: Answer): void {
  for (const clause of clauses) {
    const original = target.prototype[clause] as Clause | undefined;
    if (!original) continue;
    target.prototype[clause] = function (this: InternalCompiler, statement: Statement): string {
      const ours = statement.asColumn
        ? compareColumns(this, statement.column, statement.operator ?? '=', statement.value)
        : answer(this, statement);
      return typeof ours === 'string' ? ours : concealing(this, ours ?? statement, original);
    };
  }
}

/** Knex's own clause; what it binds for a personal column is sent as it is and not shown. */
function concealing(compiler: InternalCompiler, statement: Statement, compile: Clause): string {
  const { bindings } = compiler.bindingsHolder;
  const before = bindings.length;
  const sql = compile.call(compiler, statement);
  if (bindings.length === before) return sql;
  const label = personalLabel(compiler, statement);
  if (label === undefined) return sql;
  for (let place = before; place < bindings.length; place++) {
    const binding = bindings[place];
    if (binding !== null && !(binding instanceof Marker)) bindings[place] = new ClearMarker(label, binding);
  }
  return sql;
}

/** Also of a name that is no column's, in a statement about people: misspelt, it may stand before anybody's words. */
function personalLabel(compiler: InternalCompiler, { column }: Statement): string | undefined {
  for (const name of [column].flat()) {
    const found = columnNamed(compiler, name);
    if (found && (found.column.element || isClearPersonal(found.column))) return labelOf(found);
    if (!found && typeof name === 'string' && currentFrame()?.scope.isWatched) return name;
  }
  return undefined;
}
