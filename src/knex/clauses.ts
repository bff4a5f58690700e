/**
 * The clauses of Knex's compiler that compare a column with something, one answer each: written anew where it works over sealed
 * values, refused by name where it cannot, and otherwise Knex's own text, whose personal values are hidden.
 */
import type { ErrorCode } from '../errors';
import { columnNamed, isClearPersonal, labelOf, refuseSealed } from './columns';
import { compareCompoundList } from './compound-predicates';
import { currentFrame } from './frame';
import type { Class, InternalCompiler, Statement } from './internals';
import { ClearMarker, Marker, refuseInside, UndescribedMarker } from './marker';
import { compareColumns, compareWithList, compareWithTuples, compareWithValue } from './predicates';
import { compareWithSubquery } from './sub-queries';
import { compareWithPattern } from './token-predicates';

type Clause = (statement: Statement) => string;
type Answer = (compiler: InternalCompiler, statement: Statement) => string | Statement | undefined;

/** Clauses that compare, match or order bytes: nothing of theirs works over a sealed column. */
const REFUSED_CLAUSES: Record<string, ErrorCode> = {
  whereBetween: 'OPERATOR',
  havingBetween: 'OPERATOR',
  onBetween: 'OPERATOR',
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
  override(
    target,
    ['whereBasic', 'havingBasic', 'onVal'],
    (compiler, statement) => compareWithSubquery(compiler, statement) ?? compareWithValue(compiler, statement),
  );
  override(target, ['whereIn'], (compiler, statement) =>
    Array.isArray(statement.column)
      ? (compareCompoundList(compiler, statement) ?? compareWithTuples(compiler, statement))
      : (compareWithSubquery(compiler, statement) ?? compareWithList(compiler, statement)),
  );
  override(target, ['havingIn', 'onIn'], (compiler, statement) => {
    if (!Array.isArray(statement.column)) return compareWithList(compiler, statement);
    const compound = compareCompoundList(compiler, statement);
    if (compound === undefined) refuseSealed(compiler, statement.column, 'TUPLE');
    return compound;
  });
  override(target, ['whereLike', 'whereILike'], compareWithPattern);
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
      const ours = statement.asColumn ? comparedColumns(this, statement) : answer(this, statement);
      return typeof ours === 'string' ? ours : concealing(this, ours ?? statement, original);
    };
  }
}

function comparedColumns(compiler: InternalCompiler, statement: Statement): string | undefined {
  const sql = compareColumns(compiler, statement.column, statement.operator ?? '=', statement.value);
  return sql && compiler._not(statement, '') + sql;
}

/** Knex's own clause; what it binds for a personal column is sent as it is and not shown. */
function concealing(compiler: InternalCompiler, statement: Statement, compile: Clause): string {
  const { bindings } = compiler.bindingsHolder;
  const before = bindings.length;
  const sql = compile.call(compiler, statement);
  if (bindings.length === before) return sql;
  const hide = hiding(compiler, statement);
  if (hide === undefined) return sql;
  for (let place = before; place < bindings.length; place++) {
    const binding = bindings[place];
    if (binding !== null && !(binding instanceof Marker)) bindings[place] = hide(binding);
  }
  return sql;
}

/**
 * How the values of a personal column are hidden. Also of a name that is no column's, in a statement about people: it may be a
 * sub-select's, of which the server is asked, or misspelt, and stand before anybody's words.
 */
function hiding(compiler: InternalCompiler, { column }: Statement): ((value: unknown) => Marker) | undefined {
  for (const name of [column].flat()) {
    const found = columnNamed(compiler, name);
    if (found && (found.column.element || isClearPersonal(found.column))) {
      return (value) => new ClearMarker(labelOf(found), value);
    }
    if (!found && typeof name === 'string' && currentFrame()?.scope.isWatched) {
      return (value) => new UndescribedMarker(name, value);
    }
  }
  return undefined;
}
