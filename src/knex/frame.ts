/**
 * The compilation under way. Knex compiles synchronously and recursively, so a stack in the module is safe: the outermost
 * builder or raw text opens a statement, nested builders and raw fragments report to it.
 */
import type { CompiledQuery } from './internals';
import type { Scope } from './scope';
import type { DecryptedOrder } from './sort-keys';
import type { SubjectRow } from './subject-row';

/** What the seam must know of a compiled statement when it is sent. */
export interface StatementFacts {
  /** Raw text with parameters: the server is asked what each of them is (Parse + Describe). */
  describe: boolean;
  /** Raw text without parameters, a sub-select, a CTE, an unknown table: asked as well, if a watched table is mentioned. */
  opaque: boolean;
  /** What it is sent after, though it is sealed before: the chunk in front of it, of a bulk load. */
  after?: Promise<unknown> | undefined;
  /** What its rows are sorted by once they are opened. */
  sorted?: DecryptedOrder | undefined;
  /** An update whose people the statement does not name: who its rows belong to is selected first. */
  narrowed?: { readonly rows: readonly SubjectRow[]; readonly query: CompiledQuery } | undefined;
}

interface Frame {
  readonly scope: Scope;
  readonly facts: StatementFacts;
  readonly isNested: boolean;
}

const stack: Frame[] = [];
const factsByQuery = new WeakMap<CompiledQuery, StatementFacts>();

export function currentFrame(): Frame | undefined {
  return stack.at(-1);
}

/**
 * Compiles within a scope; the facts end up on the outermost statement.
 * @param finish what remains to be done to the outermost statement
 */
export function compileWithin(
  scope: Scope,
  compile: () => CompiledQuery,
  finish: (query: CompiledQuery, facts: StatementFacts) => void,
): CompiledQuery {
  const outer = currentFrame();
  const facts = outer?.facts ?? { describe: false, opaque: false };
  stack.push({ scope, facts, isNested: outer !== undefined });
  try {
    const query = compile();
    if (outer) return query;
    finish(query, facts);
    factsByQuery.set(query, facts);
    return query;
  } finally {
    stack.pop();
  }
}

/** Compiles a statement of its own in the middle of another one. */
export function compileApart(compile: () => CompiledQuery): CompiledQuery {
  const saved = stack.splice(0);
  try {
    return compile();
  } finally {
    stack.push(...saved);
  }
}

export function factsOf(query: CompiledQuery): StatementFacts | undefined {
  return factsByQuery.get(query);
}
