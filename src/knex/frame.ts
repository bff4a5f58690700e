/**
 * The compilation under way. Knex compiles synchronously and recursively, so a stack in the module is safe: the outermost
 * builder opens a statement, nested builders and raw fragments report to it.
 */
import type { CompiledQuery } from './internals';
import type { Scope } from './scope';
import type { SubjectRow } from './subject-row';

/** What the seam must know of a compiled statement when it is sent. */
export interface StatementFacts {
  /** Raw fragments or opaque tables: the server is asked what each parameter is (Parse + Describe). */
  describe: boolean;
  /** An update whose person the statement does not name: who its rows belong to is selected first. */
  narrowed?: { readonly row: SubjectRow; readonly query: CompiledQuery } | undefined;
}

interface Frame {
  readonly scope: Scope;
  readonly facts: StatementFacts;
}

const stack: Frame[] = [];
const FACTS = Symbol('oubli.facts');

export function currentFrame(): Frame | undefined {
  return stack.at(-1);
}

/** Compiles within a scope; the facts end up on the outermost statement. */
export function compileWithin(scope: Scope, compile: () => CompiledQuery): CompiledQuery {
  const outer = currentFrame();
  const frame = { scope, facts: outer?.facts ?? { describe: false } };
  stack.push(frame);
  try {
    const query = compile();
    return outer ? query : withFacts(query, frame.facts);
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

export function withFacts(query: CompiledQuery, facts: StatementFacts): CompiledQuery {
  return Object.defineProperty(query, FACTS, { value: facts, enumerable: false });
}

export function factsOf(query: CompiledQuery): StatementFacts | undefined {
  return (query as { [FACTS]?: StatementFacts })[FACTS];
}
